"""Messages of versions that no model reads any more are lifted while they are read (G3: old logs replay)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from shared.events import codec
from shared.events.codec import Unreadable, decode, encode
from shared.events.registry import REGISTRY
from shared.events.upcasts import UPCASTS
from tests.contract.events.examples import golden_messages


def old_message(version: int) -> bytes:
    """A nic.created as it was in fake older versions: another name for the MAC in 9, and for the VM in 8."""
    message = copy.deepcopy(golden_messages()["nic.created.v1"])
    nic = message["data"]["nic"]
    nic["hw_address"] = nic.pop("mac")
    if version == 8:
        nic["name"] = nic.pop("vm_name")
    message["dataschema"] = f"urn:patchbay:event:nic.created:{version}"
    return json.dumps(message).encode()


def name_the_vm(data: dict[str, Any]) -> dict[str, Any]:
    nic = dict(data["nic"])
    nic["vm_name"] = nic.pop("name")
    return data | {"nic": nic}


def name_the_mac(data: dict[str, Any]) -> dict[str, Any]:
    nic = dict(data["nic"])
    nic["mac"] = nic.pop("hw_address")
    return data | {"nic": nic}


@pytest.fixture
def _two_old_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if today's nic.created were version 10, and 8 and 9 had been published before."""
    model = REGISTRY["nic.created", 1]
    newest = type("NicCreated", (model,), {"VERSION": 10, "__module__": model.__module__})
    registry = {key: one for key, one in REGISTRY.items() if key != ("nic.created", 1)}
    monkeypatch.setattr(codec, "REGISTRY", registry | {("nic.created", 10): newest})
    upcasts = {("nic.created", 8): name_the_vm, ("nic.created", 9): name_the_mac}
    monkeypatch.setattr(codec, "UPCASTS", upcasts)


@pytest.mark.usefixtures("_two_old_versions")
@pytest.mark.parametrize("version", [8, 9])
def test_an_old_version_comes_as_the_newest(version: int) -> None:
    golden = golden_messages()["nic.created.v1"]
    envelope = decode(old_message(version))
    assert envelope.dataschema == "urn:patchbay:event:nic.created:10"
    assert envelope.id == golden["id"]
    again = json.loads(encode(envelope))
    assert again["data"] == golden["data"]
    assert decode(json.dumps(again).encode()) == envelope


@pytest.mark.usefixtures("_two_old_versions")
def test_g8_what_can_t_be_lifted_is_refused_with_a_reason() -> None:
    broken = json.loads(old_message(8))
    broken["data"]["nic"] = "?"
    with pytest.raises(Unreadable) as caught:
        decode(json.dumps(broken).encode())
    assert caught.value.reason == "invalid_data"
    assert "version 8" in caught.value.detail


@pytest.mark.usefixtures("_two_old_versions")
def test_an_unknown_version_names_those_that_are_read() -> None:
    with pytest.raises(Unreadable, match=r"reads \[8, 9, 10\]"):
        decode(old_message(8).replace(b"nic.created:8", b"nic.created:7"))


def test_every_upcast_leads_to_a_version_that_is_read() -> None:
    assert [key for key in UPCASTS if (key[0], key[1] + 1) not in {*REGISTRY, *UPCASTS}] == []
    assert not set(UPCASTS) & set(REGISTRY)
