"""Whether all that one JSON Schema allows is allowed by another, for schemas as `schemas` makes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from shared.events.contract.schemas import Schema

Kind = Literal["field", "absence", "type", "value", "format", "limit", "length"]

_REF = "#/definitions/"
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


class Excess(NamedTuple):
    """Something that `narrow` allows and `wide` does not, at a field: `[]` for elements, `*` for any name."""

    path: str
    kind: Kind
    narrow: str
    wide: str


def excesses(narrow: Schema, wide: Schema) -> list[Excess]:
    """Where `narrow` allows what `wide` does not. Empty: whatever fits `narrow` fits `wide`.

    It errs to one side: of schemas with several alternatives it may report an excess that is none.
    """
    return list(_Comparison(narrow, wide).excesses(narrow, wide, ""))


def resolved(schema: Schema, root: Schema) -> Schema:
    """The schema, or what it refers to in `root`."""
    while "$ref" in schema:
        schema = root["definitions"][schema["$ref"].removeprefix(_REF)]
    return schema


class _Comparison:
    def __init__(self, narrow_root: Schema, wide_root: Schema) -> None:
        self._narrow_root = narrow_root
        self._wide_root = wide_root

    def excesses(self, narrow: Schema, wide: Schema, path: str) -> Iterator[Excess]:
        """Excesses of `narrow` at `path`."""
        alternatives = list(_alternatives(wide, self._wide_root))
        for one in _alternatives(narrow, self._narrow_root):
            tried = [list(self._single(one, other, path)) for other in alternatives]
            if all(tried):
                # The nearest alternative is the one that was meant.
                yield from min(tried, key=lambda found: (any(e.path == path for e in found), len(found)))

    def _single(self, narrow: Schema, wide: Schema, path: str) -> Iterator[Excess]:
        kind, other = _type(narrow), _type(wide)
        if other not in {"any", kind} and (kind, other) != ("integer", "number"):
            yield Excess(path, "type", kind, other)
            return
        yield from _values(narrow, wide, path)
        if "format" in wide and narrow.get("format") != wide["format"] and "const" not in narrow:
            yield Excess(path, "format", str(narrow.get("format", "any")), wide["format"])
        yield from _limits(narrow, wide, path)
        if kind == "array":
            yield from self._elements(narrow, wide, path)
        if kind == "object":
            yield from self._fields(narrow, wide, path)

    def _elements(self, narrow: Schema, wide: Schema, path: str) -> Iterator[Excess]:
        inner, outer = narrow.get("items", {}), wide.get("items", {})
        if isinstance(inner, dict) and isinstance(outer, dict):
            yield from self.excesses(inner, outer, f"{path}[]")
        elif isinstance(inner, list) and isinstance(outer, list) and len(inner) == len(outer):
            for one, other in zip(inner, outer, strict=True):
                yield from self.excesses(one, other, f"{path}[]")
        elif isinstance(inner, list) and isinstance(outer, dict):
            for one in inner:
                yield from self.excesses(one, outer, f"{path}[]")
        else:
            yield Excess(path, "length", _count(inner), _count(outer))

    def _fields(self, narrow: Schema, wide: Schema, path: str) -> Iterator[Excess]:
        mine, theirs = narrow.get("properties", {}), wide.get("properties", {})
        others = wide.get("additionalProperties", True)
        for name, inner in mine.items():
            field = f"{path}.{name}".lstrip(".")
            if name in theirs:
                yield from self.excesses(inner, theirs[name], field)
            elif others is False:
                yield Excess(field, "field", "there", "unknown")
            elif isinstance(others, dict):
                yield from self.excesses(inner, others, field)
        if (mine_others := narrow.get("additionalProperties", True)) is not False:
            # What has no say of its own in the one may be anything there, and has to fit the other's say.
            anything = mine_others if isinstance(mine_others, dict) else {}
            for name in sorted(theirs.keys() - mine.keys()):
                yield from self.excesses(anything, theirs[name], f"{path}.{name}".lstrip("."))
        for name in sorted(set(wide.get("required", ())) - set(narrow.get("required", ()))):
            yield Excess(f"{path}.{name}".lstrip("."), "absence", "optional", "required")
        yield from self._others(narrow, wide, f"{path}.*".lstrip("."))

    def _others(self, narrow: Schema, wide: Schema, path: str) -> Iterator[Excess]:
        mine, others = narrow.get("additionalProperties", True), wide.get("additionalProperties", True)
        if mine is False:
            return
        if others is False:
            yield Excess(path, "field", "any", "none")
            return
        outer = others if isinstance(others, dict) else {}
        yield from self.excesses(mine if isinstance(mine, dict) else {}, outer, path)
        names: Schema = {"type": "string"}
        yield from self.excesses(
            names | narrow.get("propertyNames", {}), names | wide.get("propertyNames", {}), path
        )


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    schema = resolved(schema, root)
    several = schema.get("anyOf") or schema.get("oneOf")
    if several is None:
        yield schema
        return
    for one in several:
        yield from _alternatives(one, root)


def _type(schema: Schema) -> str:
    return str(schema.get("type", "any"))


def _of(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _values(narrow: Schema, wide: Schema, path: str) -> Iterator[Excess]:
    mine, theirs = _of(narrow), _of(wide)
    if theirs is None:
        return
    allowed = ", ".join(map(repr, theirs))
    if mine is None:
        yield Excess(path, "value", "any", allowed)
    elif more := [value for value in mine if value not in theirs]:
        yield Excess(path, "value", ", ".join(map(repr, more)), allowed)


def _limits(narrow: Schema, wide: Schema, path: str) -> Iterator[Excess]:
    if _of(narrow) is not None:
        return
    for key in (*_LOWER, *_UPPER):
        bound, mine = wide.get(key), narrow.get(key)
        if bound is None or (mine is not None and (mine >= bound if key in _LOWER else mine <= bound)):
            continue
        yield Excess(path, "limit", f"{key} {mine}", f"{key} {bound}")


def _count(items: Schema | list[Schema]) -> str:
    return str(len(items)) if isinstance(items, list) else "any number"
