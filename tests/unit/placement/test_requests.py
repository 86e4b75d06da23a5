"""Each mistake in a create-VM request is named by its field."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.placement.domain.forecasting import Sample, forecast
from services.placement.invalid import refusal
from shared.bus.port import Delivery, Message
from shared.events.codec import Unreadable
from shared.events.placement import Guest, NicRequest, Peer, VmCreateBatchRequested
from tests.unit.placement.worlds import NOW, request


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"subnet": "a", "wire": "b"}, "a subnet or a wire"),
        ({"address": "10.0.0.1", "suffix": 1}, "an address or a suffix"),
        ({"second_subnet": "b"}, "need family dual"),
        ({"address": "10.0.0.1", "family": "ipv6"}, "10.0.0.1 is ipv4, family is ipv6"),
        (
            {"address": "10.0.0.1", "second_address": "10.0.0.2", "family": "dual"},
            "of different families",
        ),
        ({"physical_function": "0000:3b:00.0"}, "needs adapter sriov"),
        ({"suffix": "seventeen"}, "suffix"),
        ({"mac": "nonsense"}, "is not a MAC address"),
    ],
)
def test_a_nic_that_contradicts_itself(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NicRequest.model_validate(fields)


@pytest.mark.parametrize(("text", "number"), [(17, 17), (".17", 17), ("17", 17), ("::11", 17)])
def test_a_suffix_as_people_write_it(text: object, number: int) -> None:
    assert NicRequest.model_validate({"suffix": text}).suffix == number


@pytest.mark.parametrize("name", ["-web", "web_1", "web..test", "x" * 64, "web 1", "10.0.0.1", ""])
def test_a_host_name_is_one(name: str) -> None:
    with pytest.raises(ValidationError, match="hostname"):
        Guest(hostname=name)


@pytest.mark.parametrize("name", ["", " web", "web\n", "x" * 81])
def test_a_vm_name_is_one(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        request(name=name).model_validate(request().model_dump() | {"name": name})


def test_a_peer_is_a_vm_or_a_group() -> None:
    for fields in ({}, {"vm": "a", "group": "b"}):
        with pytest.raises(ValidationError, match="exactly one"):
            Peer.model_validate(fields)


def test_a_batch_has_no_request_twice() -> None:
    with pytest.raises(ValidationError, match="order-1"):
        VmCreateBatchRequested(batch_id="b", requests=(request(), request()))


def test_what_is_no_request_is_not_answered() -> None:
    for body in (b"{", b"[]", b'{"type": "nic.created", "data": {"request_id": "a"}}', b'{"data": 1}'):
        delivery = Delivery(Message(body, "k", "m", reply_to="answers"), "q", 1, 1)
        assert refusal(delivery, Unreadable("broken_body", ""), NOW) is None


def test_nobody_is_answered_who_gave_no_address() -> None:
    body = json.dumps({"type": "vm.create.requested", "data": {"request_id": "a"}}).encode()
    assert refusal(Delivery(Message(body, "k", "m"), "q", 1, 1), Unreadable("invalid_data", ""), NOW) is None


def test_a_subnet_that_empties_is_never_full() -> None:
    history = [Sample(NOW - timedelta(days=day), 10 + day) for day in range(5)]
    found = forecast(100, 10, history, NOW)
    assert found.per_day == pytest.approx(-1.0)
    assert found.days is None
    assert forecast(10, 10, history, NOW).days == 0
    assert forecast(100, 10, history[:1], NOW).basis == "nothing"
