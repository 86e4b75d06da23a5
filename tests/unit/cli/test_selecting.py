"""Where `events tail` begins, and which events it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.cli.selecting import start_of
from shared.events.base import Event
from shared.events.envelope import Envelope, wrap
from shared.events.nic import NicAddress, NicCreated, NicFacts
from shared.events.selecting import Named, Prefix, Selection, unknown_types
from shared.events.vcenter import VcenterHeartbeat

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
VCENTER = UUID(int=7)
SUBNET = UUID(int=9)
WIRE = UUID(int=11)


def _nic(vm: str = "web-1", address: str = "10.0.0.7") -> Envelope[Event]:
    place = NicAddress(address=address, prefix=24, subnet=SUBNET, subnet_name="prod", source="tools")
    facts = NicFacts(
        id=uuid4(),
        vcenter=VCENTER,
        vm=UUID(int=3),
        vm_moid="vm-42",
        vm_name=vm,
        port=uuid4(),
        device_key=4000,
        label="Network adapter 1",
        wire=WIRE,
        wire_name="web",
        addresses=(place,),
    )
    return wrap(NicCreated(nic=facts, since=NOW), source="allocator", time=NOW)


def _heartbeat() -> Envelope[Event]:
    event = VcenterHeartbeat(
        vcenter=VCENTER, epoch=1, sequence=1, name="lab", current_to=NOW, lag_seconds=0.1
    )
    return wrap(event, source="collector", time=NOW)


@pytest.mark.parametrize("pattern", ["nic", "nic.created", "nic.*", "*.created"])
def test_a_type_is_named_by_family_by_name_or_by_pattern(pattern: str) -> None:
    selection = Selection(types=(pattern,))
    assert selection.wants(_nic())
    assert not selection.wants(_heartbeat())


def test_a_family_is_a_whole_word() -> None:
    assert not Selection(types=("ni",)).wants(_nic())


@pytest.mark.parametrize("vm", ["web-1", "vm-42", str(UUID(int=3))])
def test_a_vm_is_named_by_name_object_id_or_id(vm: str) -> None:
    assert Selection(vm=Named(words=(vm,))).wants(_nic())
    assert not Selection(vm=Named(words=(vm,))).wants(_heartbeat())
    assert not Selection(vm=Named(words=("web-2",))).wants(_nic())


def test_an_object_id_counts_in_its_own_vcenter_only() -> None:
    assert Selection(vm=Named(vcenter=str(VCENTER), moid="vm-42")).wants(_nic())
    assert not Selection(vm=Named(vcenter=str(UUID(int=8)), moid="vm-42")).wants(_nic())


def test_a_wire_is_named_by_its_id_or_its_port_group() -> None:
    assert Selection(wire=Named(words=(str(WIRE),))).wants(_nic())
    port = {
        "type": "inventory.vm.changed",
        "vcenter": str(VCENTER),
        "data": {"ports": [{"network": "dvpg-1"}]},
    }
    assert Selection(wire=Named(vcenter=str(VCENTER), moid="dvpg-1")).fits(port)
    assert not Selection(wire=Named(vcenter=str(VCENTER), moid="dvpg-2")).fits(port)
    group = {"type": "inventory.portgroup.changed", "vcenter": str(VCENTER), "data": {"moid": "dvpg-1"}}
    assert Selection(wire=Named(vcenter=str(VCENTER), moid="dvpg-1")).fits(group)


def test_a_subnet_has_the_guests_in_it() -> None:
    def guest(address: str, scope: str = "default") -> dict[str, Any]:
        ports = [{"addresses": [{"address": address}]}]
        return {"type": "guest.addresses.changed", "data": {"scope": scope, "ports": ports}}

    prod = Selection(subnet=Prefix(words=("prod",), prefix="2001:db8::/64"))
    assert prod.fits(guest("2001:db8::5"))
    assert not prod.fits(guest("2001:db8:1::5"))
    assert not prod.fits(guest("10.0.0.5"))
    assert not prod.fits(guest("2001:db8::5", scope="lab"))


def test_what_nobody_can_read_is_found_by_its_type() -> None:
    assert Selection(types=("nic",)).takes(b"{not json", "nic.created")
    assert not Selection(types=("nic",)).takes(b"[1]", "wire.created")
    assert not Selection(address="10.0.0.7").takes(b"\xff", "nic.created")
    assert Selection().takes(b"\xff", "")


def test_a_type_that_nothing_has_is_noticed() -> None:
    known = ("nic.created", "vcenter.lost")
    assert unknown_types(["nic", "*.lost", "nci.created", "nic.crated"], known) == [
        "nci.created",
        "nic.crated",
    ]


def test_subnet_address_and_vcenter() -> None:
    assert Selection(subnet=Prefix(words=(str(SUBNET),))).wants(_nic())
    assert Selection(subnet=Prefix(words=("prod",))).wants(_nic())
    assert not Selection(subnet=Prefix(words=("test",))).wants(_nic())
    assert Selection(address="10.0.0.7").wants(_nic())
    assert not Selection(address="10.0.0.8").wants(_nic())
    assert Selection(vcenter=str(VCENTER)).wants(_heartbeat())
    assert not Selection(vcenter=str(uuid4())).wants(_heartbeat())


def test_all_criteria_must_hold() -> None:
    assert Selection(types=("nic",), vm=Named(words=("web-1",)), address="10.0.0.7").wants(_nic())
    assert not Selection(types=("nic",), vm=Named(words=("web-1",)), address="10.0.0.8").wants(_nic())


def test_where_reading_begins() -> None:
    assert start_of(None, None, NOW) == "next"
    assert start_of("first", None, NOW) == "first"
    assert start_of("120", None, NOW) == 120
    assert start_of(None, "120", NOW) == 120
    assert start_of(None, "1h", NOW) == NOW - timedelta(hours=1)
    with pytest.raises(ValueError, match="not both"):
        start_of("first", "1h", NOW)
    with pytest.raises(ValueError, match="offset"):
        start_of("middle", None, NOW)
