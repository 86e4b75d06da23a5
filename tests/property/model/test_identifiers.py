"""Derived ids are UUIDs of version 5, as any program would derive them: a replay finds the same (G3)."""

from __future__ import annotations

from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from shared.model.identifiers import NAMESPACE, derive

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, st.lists(TEXT | st.uuids() | st.integers() | st.ip_addresses()))
def test_g3_a_derived_id_is_the_uuid5_of_its_parts(kind: str, parts: list[object]) -> None:
    assert derive(kind, *parts) == uuid5(NAMESPACE, "/".join([kind, *(str(part) for part in parts)]))
    assert derive(kind, *parts).version == 5
