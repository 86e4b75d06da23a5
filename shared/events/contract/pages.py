"""A page per event type, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.events.base import Event, Fact
from shared.events.contract.asyncapi import answers_to, key_of
from shared.events.contract.fields import rows_of
from shared.events.contract.guidance import GUIDANCE
from shared.events.contract.remarks import sentence
from shared.events.contract.schemas import data_schema, writer_of
from shared.events.topology import EXCHANGE, LOG, TOPOLOGY

HEAD = "<!-- made from the code by `make contract`; edit the models in shared/events instead -->"


def page(models: list[type[Event]], examples: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of a type. `models` are its versions, the newest last."""
    newest = models[-1]
    parts = [HEAD, f"# {newest.TYPE}", _summary(models), _guidance(newest), _routing(newest), _fields(newest)]
    parts += [_example(model, examples) for model in reversed(models)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _summary(models: list[type[Event]]) -> str:
    newest = models[-1]
    schemas = ", ".join(f"[version {m.VERSION}](../schemas/{key_of(m)}.json)" for m in reversed(models))
    fact = (
        " It is a fact: the full state of one object, in its vCenter's order."
        if issubclass(newest, Fact)
        else ""
    )
    who = "Others send it; Patchbay reads it." if writer_of(newest) == "others" else "Patchbay says it."
    return f"{sentence(newest.__doc__)}{fact} {who} JSON Schema: {schemas}. [All events](../events.md)"


def _guidance(model: type[Event]) -> str:
    guidance = GUIDANCE.get(model.TYPE)
    if guidance is None:
        return ""
    return f"**Why it exists.** {guidance.why}\n\n**What to do with it.** {guidance.do}"


def _routing(model: type[Event]) -> str:
    key = f"`{model.TYPE}.<vcenter>.<subnet>` on exchange `{EXCHANGE}`, with `-` for what it does not concern"
    said = [f"**Routing key.** {key}. Bind `{model.TYPE}.#` for all of them."]
    words = f"{model.TYPE}.-.-"
    takers = [
        queue.name
        for queue in TOPOLOGY.queues
        if queue.exchange == EXCHANGE and _takes(queue.bindings, words)
    ]
    said.append(f"Queues of Patchbay that get it: {', '.join(f'`{name}`' for name in [*takers, LOG])}.")
    if answers := answers_to(model):
        links = ", ".join(f"[{name}]({name}.md)" for name in answers)
        said.append(f"It is answered on `reply_to` with {links}.")
    return " ".join(said)


def _takes(bindings: tuple[str, ...], key: str) -> bool:
    return any(key.startswith(binding.removesuffix("#")) for binding in bindings if binding != "#")


def _fields(model: type[Event]) -> str:
    lines = ["## Fields of `data`", "", "| field | type | there | |", "| --- | --- | --- | --- |"]
    there = {True: "always", False: "if known" if writer_of(model) == "patchbay" else "optional"}
    for row in rows_of(data_schema(model)):
        cells = (f"`{row.field}`", row.kind, there[row.required], row.remark)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _example(model: type[Event], examples: Mapping[str, Mapping[str, Any]]) -> str:
    example = examples.get(key_of(model))
    if example is None:
        return ""
    shown = json.dumps(example, indent=2, ensure_ascii=False)
    return f"## Example of version {model.VERSION}\n\n```json\n{shown}\n```"
