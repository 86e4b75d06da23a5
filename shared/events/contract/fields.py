"""The fields of a schema as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shared.events.contract.schemas import Schema

_REF = "#/definitions/"
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


class Row(NamedTuple):
    """One field. `field` is its path, `[]` for each element of a list, `*` for any name."""

    field: str
    kind: str
    required: bool
    remark: str


def rows_of(schema: Schema) -> list[Row]:
    """Rows of all fields; a piece that occurs twice is spelled out once."""
    return list(_rows(schema, schema.get("definitions", {}), "", {}))


def _rows(schema: Schema, definitions: dict[str, Schema], prefix: str, told: dict[str, str]) -> Iterator[Row]:
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        path = prefix + name
        remark = inner.get("description", "")
        piece, suffix = _piece(inner)
        if piece is None:
            yield Row(path, _kind(inner), name in required, _remark(inner, remark))
        elif piece in told:
            yield Row(path, _kind(inner), name in required, f"{remark} Like `{told[piece]}`.".strip())
        else:
            told[piece] = path
            definition = definitions[piece]
            yield Row(path, _kind(inner), name in required, remark or definition.get("description", ""))
            yield from _rows(definition, definitions, f"{path}{suffix}.", told)


def _piece(schema: Schema) -> tuple[str | None, str]:
    """The definition that the fields below are in, and what its path gets for being in a list or a map."""
    found = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    if len(found) != 1:
        return None, ""
    (one,) = found
    if "$ref" in one:
        return one["$ref"].removeprefix(_REF), ""
    for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        inner = one.get(key)
        if isinstance(inner, dict) and "$ref" in inner:
            return inner["$ref"].removeprefix(_REF), suffix
    return None, ""


def _kind(schema: Schema) -> str:
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return " or ".join(dict.fromkeys(_kind(one) for one in several if one.get("type") != "null"))
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        inner = schema.get("items", {})
        return f"list of {_kind(inner)}" if isinstance(inner, dict) else f"list of {len(inner)}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"map to {_kind(inner)}" if isinstance(inner, dict) else "map"
    return {"uuid": "UUID", "date-time": "time"}.get(schema.get("format", ""), str(schema.get("type", "any")))


def _remark(schema: Schema, remark: str) -> str:
    bounds = [one for one in schema.get("anyOf", [schema]) if isinstance(one, dict)]
    said = [text.format(one[key]) for one in bounds for key, text in _LIMITS.items() if key in one]
    if schema.get("default") not in (None, [], {}):
        said.append(f"default `{schema['default']}`")
    return " ".join(filter(None, [remark, f"({', '.join(said)})" if said else ""]))
