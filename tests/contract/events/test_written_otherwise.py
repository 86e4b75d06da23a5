"""A message is read by what it says, however it is written: order, blanks, what only looks like its type."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.codec import Unreadable, decode
from tests.contract.events.examples import golden_messages

MESSAGES = golden_messages()
NIC = MESSAGES["nic.created.v1"]
ODD: list[Any] = [None, "", "x", 0, -1, 10**30, 1.5, True, [], {}, ["x"], {"dataschema": NIC["dataschema"]}]


def outcome(body: bytes) -> Any:
    try:
        return decode(body)
    except Unreadable as refused:
        return refused.reason, refused.detail, refused.faults


def tight(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def wide(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(" ,\n", "\t:  ")).encode()


def places(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    inside = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, each in inside:
        yield (*path, key)
        yield from places(each, *path, key)


@st.composite
def tampered(draw: st.DrawFn) -> dict[str, Any]:
    """A golden message with another value in one place, or without it."""
    message = copy.deepcopy(MESSAGES[draw(st.sampled_from(sorted(MESSAGES)))])
    *way, last = draw(st.sampled_from(list(places(message))))
    holder: Any = message
    for key in way:
        holder = holder[key]
    others = [
        MESSAGES[name][key]
        for name in ("nic.released.v1", "wire.created.v1")
        for key in ("type", "dataschema")
    ]
    if draw(st.booleans()):
        holder[last] = draw(st.sampled_from(ODD + others))
    else:
        del holder[last]
    return message


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_g8_any_value_in_any_place_is_read_or_refused_with_a_reason(name: str) -> None:
    for *way, last in places(MESSAGES[name]):
        for value in ODD:
            message = copy.deepcopy(MESSAGES[name])
            holder: Any = message
            for key in way:
                holder = holder[key]
            holder[last] = value
            outcome(tight(message))


@given(tampered())
def test_blanks_change_neither_what_is_read_nor_why_it_is_refused(message: dict[str, Any]) -> None:
    assert outcome(tight(message)) == outcome(wide(message))


@given(tampered(), st.randoms(use_true_random=False))
def test_the_order_of_fields_changes_nothing(message: dict[str, Any], random: Any) -> None:
    fields = list(message.items())
    random.shuffle(fields)
    assert outcome(tight(dict(fields))) == outcome(wide(message))


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_another_events_schema_within_the_data_misleads_nobody(name: str) -> None:
    message = MESSAGES[name]
    data = {"dataschema": "urn:patchbay:event:nic.released:1", **message["data"]}
    misleading = {"data": data, **{key: value for key, value in message.items() if key != "data"}}
    reason, detail, _ = outcome(tight(misleading))
    assert (reason, detail) == ("invalid_data", "data.dataschema: Extra inputs are not permitted")


def test_of_a_field_that_stands_twice_the_last_counts() -> None:
    body = tight(NIC)
    other = b'"dataschema":"urn:patchbay:event:nic.released:1",'
    assert decode(body.replace(b"{", b"{" + other, 1)) == decode(body)
    assert outcome(body[:-1] + b"," + other[:-1] + b"}")[0] == "unknown_version"


def test_a_version_with_a_leading_zero_is_the_same_version() -> None:
    body = tight(NIC | {"dataschema": "urn:patchbay:event:nic.created:01"})
    assert decode(body).data == decode(tight(NIC)).data


def test_g8_a_number_of_five_thousand_digits_is_refused_with_a_reason() -> None:
    body = tight(NIC).replace(b'"device_key":4000', b'"device_key":1.' + b"9" * 10 + b',"x":' + b"9" * 5000)
    assert body != tight(NIC)
    assert outcome(body)[0] == "broken_body"
