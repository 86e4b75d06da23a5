"""Comparing shapes: whatever is said to be contained truly is, by a validator that is not ours."""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from shared.events.contract.compatibility import breaks
from shared.events.contract.containment import excesses

NAMES = ("a", "b", "c")
Schema = dict[str, Any]


def leaves() -> st.SearchStrategy[Schema]:
    small = st.integers(-3, 3)
    return st.one_of(
        st.just({}),
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.just({"type": "number"}),
        st.fixed_dictionaries({"type": st.just("integer")}, optional={"minimum": small, "maximum": small}),
        st.fixed_dictionaries({"type": st.just("string")}, optional={"maxLength": st.integers(0, 3)}),
        st.sets(st.sampled_from("xyz"), min_size=1).map(lambda v: {"type": "string", "enum": sorted(v)}),
        st.sampled_from("xyz").map(lambda v: {"type": "string", "const": v}),
    )


def larger(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(0, 2)}
        ),
        st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner}),
        st.builds(
            lambda fields, needed, closed: {
                "type": "object",
                "properties": fields,
                "required": sorted(needed & set(fields)),
                **({"additionalProperties": False} if closed else {}),
            },
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            st.sets(st.sampled_from(NAMES)),
            st.booleans(),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda several: {"anyOf": several}),
    )


SCHEMAS = st.recursive(leaves(), larger, max_leaves=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 4) | st.sampled_from(["", "x", "y", "z", "xxxx"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


FLAG: Schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": []}


@given(SCHEMAS)
def test_every_shape_contains_itself(schema: Schema) -> None:
    assert excesses(schema, copy.deepcopy(schema)) == []
    assert breaks(schema, copy.deepcopy(schema), "patchbay") == []
    assert breaks(schema, copy.deepcopy(schema), "others") == []


@given(SCHEMAS, SCHEMAS, st.lists(VALUES, max_size=20))
@example({"type": "object", "additionalProperties": {}}, FLAG, [{"a": None}])
@example({"type": "object", "properties": {}, "required": []}, FLAG, [{"a": None}])
def test_what_fits_the_contained_fits_the_containing(narrow: Schema, wide: Schema, values: list[Any]) -> None:
    if excesses(narrow, wide):
        return
    for value in values:
        if Draft7Validator(narrow).is_valid(value):
            assert Draft7Validator(wide).is_valid(value)


@given(SCHEMAS, st.randoms(use_true_random=False), st.lists(VALUES, max_size=20))
def test_a_shape_changed_a_little_is_judged_right(
    schema: Schema, chance: random.Random, values: list[Any]
) -> None:
    """Unrelated shapes are seldom contained in one another; neighbours often are."""
    other = copy.deepcopy(schema)
    alter(other, chance)
    for narrow, wide in ((schema, other), (other, schema)):
        if not excesses(narrow, wide):
            for value in values:
                assert not Draft7Validator(narrow).is_valid(value) or Draft7Validator(wide).is_valid(value)


@given(SCHEMAS, SCHEMAS, SCHEMAS)
def test_accepted_changes_add_up(first: Schema, second: Schema, third: Schema) -> None:
    """Two steps that break nobody are one step that breaks nobody: the baseline may move along."""
    for steps in ((first, second, third), (first, first, third), (first, second, second)):
        a, b, c = steps
        if not excesses(a, b) and not excesses(b, c) and "anyOf" not in repr(steps):
            assert excesses(a, c) == []


def alter(schema: Schema, chance: random.Random) -> None:
    """One change of the kind that people make."""
    places = [schema, *schema.get("properties", {}).values()]
    if isinstance(schema.get("items"), dict):
        places.append(schema["items"])
    place = chance.choice(places)
    key = chance.choice(["enum", "maximum", "maxLength", "required", "properties", "additionalProperties"])
    if key == "enum" and "enum" in place:
        place["enum"] = sorted({*place["enum"], chance.choice("xyz")})
    elif key in place and key not in {"properties", "additionalProperties"}:
        del place[key]
    elif key == "properties" and place.get("properties"):
        place["properties"].pop(chance.choice(sorted(place["properties"])))
    elif key == "additionalProperties" and place.get("type") == "object":
        place[key] = chance.choice([True, False])
