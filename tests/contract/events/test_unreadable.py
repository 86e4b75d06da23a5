"""G8: what can't be read says why, and nothing a sender writes makes the codec crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.codec import MAX_BODY_BYTES, Unreadable, decode, encode
from shared.events.envelope import Envelope, wrap

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return loaded


def reason_for(body: bytes) -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        decode(body)
    return caught.value.reason, caught.value.detail


def test_unknown_type() -> None:
    event = golden("nic.created.v1") | {"type": "nic.painted"}
    assert reason_for(json.dumps(event).encode()) == ("unknown_type", "type is 'nic.painted'")


def test_unknown_version_names_the_known_ones() -> None:
    event = golden("nic.created.v1") | {"dataschema": "urn:patchbay:event:nic.created:9"}
    reason, detail = reason_for(json.dumps(event).encode())
    assert reason == "unknown_version"
    assert "reads [1]" in detail


def test_schema_of_another_type_is_an_unknown_version() -> None:
    event = golden("nic.created.v1") | {"dataschema": "urn:patchbay:event:nic.released:1"}
    assert reason_for(json.dumps(event).encode())[0] == "unknown_version"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'"x"', b"[]"])
def test_broken_body(body: bytes) -> None:
    assert reason_for(body)[0] == "broken_body"


def test_guilty_field_is_named() -> None:
    event = golden("nic.created.v1")
    event["data"]["nic"]["addresses"][0]["address"] = "10.0.0.300"
    reason, detail = reason_for(json.dumps(event).encode())
    assert reason == "invalid_data"
    assert "data.nic.addresses.0.address" in detail
    assert "10.0.0.300" in detail


def test_unknown_field_is_named() -> None:
    event = golden("nic.created.v1")
    event["data"]["colour"] = "red"
    assert "data.colour" in reason_for(json.dumps(event).encode())[1]


def test_oversized_body_is_refused_on_both_sides() -> None:
    event = golden("vm.create.cancelled.v1")
    event["data"]["note"] = "x" * MAX_BODY_BYTES
    assert reason_for(json.dumps(event).encode())[0] == "oversized"
    small = decode(json.dumps(golden("vm.create.cancelled.v1")).encode())
    big = small.data.model_copy(update={"note": "x" * MAX_BODY_BYTES})
    with pytest.raises(Unreadable, match="oversized"):
        encode(wrap(big, source="placement", time=small.time))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(field=st.sampled_from(sorted(golden("nic.created.v1"))), value=JSON)
def test_any_value_in_any_field_is_read_or_refused(field: str, value: object) -> None:
    body = json.dumps(golden("nic.created.v1") | {field: value}).encode()
    try:
        assert isinstance(decode(body), Envelope)
    except Unreadable as refused:
        assert refused.reason in {"unknown_type", "unknown_version", "invalid_data"}  # noqa: PT017  either is right


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert reason_for(body)[0] in {"broken_body", "unknown_type", "oversized"}
