"""All documents of the contract, as texts by file name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.events.base import Event
from shared.events.contract.asyncapi import document, key_of
from shared.events.contract.compatibility import Break, breaks
from shared.events.contract.index import index
from shared.events.contract.pages import HEAD, page
from shared.events.contract.schemas import Schema, data_schema, envelope_schema, writer_of
from shared.events.registry import REGISTRY
from shared.events.upcasts import UPCASTS

Examples = Mapping[str, Mapping[str, Any]]

SCHEMAS = "schemas"
ENVELOPE = "envelope"


def schemas() -> dict[str, Schema]:
    """The JSON Schema of each version, by "<type>.v<version>", and of the envelope."""
    return {ENVELOPE: envelope_schema("patchbay")} | {key_of(m): data_schema(m) for m in REGISTRY.values()}


def schema_files() -> dict[str, str]:
    """`schemas`, as files."""
    return {f"{SCHEMAS}/{name}.json": _json(schema) for name, schema in schemas().items()}


def contract_files(version: str, examples: Examples) -> dict[str, str]:
    """Everything that is published, by path below the folder it goes to."""
    import yaml  # noqa: PLC0415  slow to import, and every command of `patchbay` imports this module

    by_type: dict[str, list[type[Event]]] = {}
    for model in sorted(REGISTRY.values(), key=lambda model: model.VERSION):
        by_type.setdefault(model.TYPE, []).append(model)
    described = yaml.safe_dump(document(version, examples), sort_keys=False, allow_unicode=True, width=110)
    return {
        "asyncapi.yaml": f"# {HEAD.strip('<!-> ')}\n{described}",
        "events.md": index(),
        **{f"events/{name}.md": page(models, examples) for name, models in by_type.items()},
        **schema_files(),
    }


def _json(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def broken(
    published: Mapping[str, Schema], current: Mapping[str, Schema] | None = None
) -> dict[str, list[Break]]:
    """By version name, what the present models would break of what is published. Empty: nothing.

    `current` is for tests; else it is what `schemas` says.
    """
    now = schemas() if current is None else current
    writers = {key_of(model): writer_of(model) for model in REGISTRY.values()}
    lifted = {f"{name}.v{version}" for name, version in UPCASTS}
    found: dict[str, list[Break]] = {}
    for name, schema in published.items():
        if name in now:
            found[name] = breaks(schema, now[name], writers.get(name, "patchbay"))
        elif name not in lifted:
            found[name] = [Break("", "can't be read any more: no model, and no upcast to a newer version")]
    return {name: several for name, several in found.items() if several}
