"""What goes into a json column comes out of it, and is what Python's own json would have made of it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.store.json_columns import json_bytes, jsonb_bytes, of_json, of_jsonb

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_comes_back(value: object) -> None:
    assert of_json(json_bytes(value)) == value
    assert of_jsonb(jsonb_bytes(value)) == value


@given(VALUES)
def test_others_read_the_same_and_write_the_same(value: object) -> None:
    assert json.loads(json_bytes(value)) == value
    assert of_json(json.dumps(value).encode()) == value
    assert of_json(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(st.dictionaries(st.integers() | st.booleans(), st.tuples(st.integers(), TEXT)))
def test_keys_become_text_and_tuples_lists_as_json_has_it(value: object) -> None:
    assert of_json(json_bytes(value)) == json.loads(json.dumps(value))
