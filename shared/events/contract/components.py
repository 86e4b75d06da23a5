"""Schemas of all messages in one place: each definition once, under a name of its own."""

from __future__ import annotations

import copy
from typing import Any

from shared.events.base import Event
from shared.events.contract.schemas import Schema, children, data_schema, envelope_schema, writer_of
from shared.events.envelope import schema_urn

_HERE = "#/components/schemas/"
_THERE = "#/definitions/"


class Components:
    """`schemas` grows with each message; equal definitions are shared. Patchbay's own messages come first."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def message(self, model: type[Event]) -> Schema:
        """The payload of a message: the envelope with this type's data in it."""
        asked = writer_of(model) == "others"
        payload = _bare(envelope_schema(writer_of(model)))
        properties: dict[str, Any] = payload["properties"]
        properties["type"] = {"type": "string", "const": model.TYPE}
        properties["dataschema"] = {"type": "string", "const": schema_urn(model)}
        data = _bare(data_schema(model))
        names = self._admit(data.pop("definitions", {}), asked=asked)
        _point(data, names)
        name = f"{model.TYPE}.v{model.VERSION}"
        self.schemas[name] = data
        properties["data"] = {"$ref": _HERE + name}
        return payload

    def _admit(self, definitions: dict[str, Schema], *, asked: bool) -> dict[str, str]:
        """Take the definitions in; their names here by their names there.

        What others may write differs from what Patchbay writes, in some: those are called "…Asked".
        """
        names = {name: name for name in definitions}
        # One that differs changes those that refer to it: look again until nothing changes.
        while asked and (
            found := [n for n in names if names[n] == n and self._differs(n, definitions, names)]
        ):
            names |= {name: f"{name}Asked" for name in found}
        for name, definition in definitions.items():
            pointed = copy.deepcopy(definition)
            _point(pointed, names)
            if self.schemas.setdefault(names[name], pointed) != pointed:
                raise ValueError(f"two definitions are called {names[name]!r}")
        return names

    def _differs(self, name: str, definitions: dict[str, Schema], names: dict[str, str]) -> bool:
        pointed = copy.deepcopy(definitions[name])
        _point(pointed, names)
        return self.schemas.get(name, pointed) != pointed


def _bare(schema: Schema) -> Schema:
    return {
        key: copy.deepcopy(value) for key, value in schema.items() if key not in {"$schema", "$id", "title"}
    }


def _point(schema: Schema, names: dict[str, str]) -> None:
    """Let references lead to where the definitions are here."""
    if "$ref" in schema:
        schema["$ref"] = _HERE + names[schema["$ref"].removeprefix(_THERE)]
    for inner in children(schema):
        _point(inner, names)
