"""JSON Schemas (draft 07) of what is on the wire: one per event type and version, and one of the envelope.

Messages that Patchbay says are written without empty fields, so their schemas know no `null`, and a field
that is always there is required. Messages that others write may leave out what has a default, and may say
`null`.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from shared.events.base import Event
from shared.events.commands import Command
from shared.events.contract.remarks import part_named, remarks
from shared.events.envelope import Envelope, schema_urn
from shared.events.placement import VmCreateBatchRequested, VmCreateRequested

Schema = dict[str, Any]
Writer = Literal["patchbay", "others"]

DRAFT = "http://json-schema.org/draft-07/schema#"
_ASKED = (Command, VmCreateRequested, VmCreateBatchRequested)
_NULL = {"type": "null"}


def writer_of(model: type[Event]) -> Writer:
    """Who writes messages of this type: Patchbay, or those who ask it for something."""
    return "others" if issubclass(model, _ASKED) else "patchbay"


def data_schema(model: type[Event]) -> Schema:
    """The schema of `data`; its `$id` is what `dataschema` says in the messages."""
    schema = _schema(model, writer_of(model))
    return {
        "$schema": DRAFT,
        "$id": schema_urn(model),
        "title": f"{model.TYPE} version {model.VERSION}",
    } | schema


def envelope_schema(writer: Writer) -> Schema:
    """The schema of everything around `data`, as Patchbay writes it, or as others may."""
    schema = _schema(Envelope[Event], writer)
    schema["properties"]["data"] = {"type": "object", "description": "As `dataschema` says."}
    schema.pop("definitions", None)
    return {"$schema": DRAFT, "$id": "urn:patchbay:envelope:1", "title": "Envelope"} | schema


def children(schema: Schema) -> Iterator[Schema]:
    """The schemas directly inside a schema."""
    for key in ("properties", "definitions"):
        yield from schema.get(key, {}).values()
    for key in ("anyOf", "oneOf", "allOf"):
        yield from schema.get(key, ())
    for key in ("items", "additionalProperties", "additionalItems", "propertyNames", "not"):
        inner = schema.get(key)
        if isinstance(inner, dict):
            yield inner
        elif isinstance(inner, list):
            yield from inner


def _schema(model: type[BaseModel], writer: Writer) -> Schema:
    return deepcopy(_made(model, writer))  # pages, document and checks each make their own of it


@cache
def _made(model: type[BaseModel], writer: Writer) -> Schema:
    mode: Literal["serialization", "validation"] = "serialization" if writer == "patchbay" else "validation"
    schema = model.model_json_schema(mode=mode, ref_template="#/definitions/{model}")
    if "$defs" in schema:
        schema["definitions"] = schema.pop("$defs")
    _remark(schema, model)
    for name, inner in schema.get("definitions", {}).items():
        if (part := part_named(name)) is not None:
            _remark(inner, part)
    _plain(schema, writer)
    return schema


def _remark(schema: Schema, model: type[BaseModel]) -> None:
    said = remarks(model)
    for name, inner in schema.get("properties", {}).items():
        if name in said:
            inner["description"] = said[name]


def _plain(schema: Schema, writer: Writer) -> None:
    """Draft 07, without what only repeats names, and without null where nobody writes it."""
    schema.pop("title", None)
    schema.pop("discriminator", None)
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    if schema.get("default", "") is None:
        del schema["default"]
    if "prefixItems" in schema:
        schema["items"] = schema.pop("prefixItems")
        schema["additionalItems"] = False
    if writer == "patchbay":
        _without_null(schema)
    for inner in children(schema):
        _plain(inner, writer)


def _without_null(schema: Schema) -> None:
    properties = schema.get("properties", {})
    empty = {name for name, inner in properties.items() if _NULL in inner.get("anyOf", ())}
    if properties:
        schema["required"] = [name for name in properties if name not in empty]
    for name in empty:
        inner = properties[name]
        left = [one for one in inner.pop("anyOf") if one != _NULL]
        inner |= left[0] if len(left) == 1 else {"anyOf": left}
    for inner in properties.values():
        inner.pop("default", None)
