"""What the nearest system does wrong about wires and matching, done right: one scenario for each weakness."""

from __future__ import annotations

from typing import Any

import pytest

from services.allocator.offers import read_offers
from shared.events import commands as cmd
from shared.events import inventory as inv
from shared.events.guest import GuestAddress, GuestAddressesChanged, GuestPort
from shared.events.wire_commands import WireRebind
from shared.store.pool import Pool
from tests.integration.allocator.story import VC1, VC2, Stage, Teller, wire

pytestmark = pytest.mark.postgres
FAMILIES = pytest.mark.parametrize(
    ("prefix", "one", "two"),
    [("10.0.0.0/24", "10.0.0.5", "10.0.0.6"), ("2001:db8::/64", "2001:db8::5", "2001:db8::6")],
)


async def wired(pool: Pool, *groups: str) -> tuple[Stage, Teller]:
    """Port groups on one switch."""
    stage, say = Stage(pool), Teller()
    await stage.tell(*(say.portgroup(moid, switch="dvs-1", switch_name="dvs") for moid in groups))
    return stage, say


async def roles(pool: Pool) -> set[tuple[Any, ...]]:
    """What additional wires there are."""
    return {tuple(row) for row in await pool.fetch("SELECT wire_id, role FROM ipam.subnet_wire")}


@FAMILIES
async def test_w1_an_address_is_matched_by_its_nics_port_group_not_by_its_host(
    pool: Pool, prefix: str, one: str, two: str
) -> None:
    stage, say = await wired(pool, "web", "app")
    await stage.subnet("prod", prefix, "web")
    on_host = {"host": "host-1"}
    await stage.tell(
        say.envelope(
            inv.HostChanged, moid="host-1", name="esx1", connection="connected", maintenance=False,
            networks=("web", "app"),
        ),
        say.vm("a", "web", **on_host), say.vm("b", "app", **on_host),
    )  # fmt: skip
    await stage.tell(say.guest("a", one), say.guest("b", two))
    assert await stage.nics() == {"a/4000": [one]}
    assert await stage.unmatched() == {two: "subnet_on_other_wire"}


@FAMILIES
async def test_w2_a_further_wire_is_detected_as_sightings_arrive_and_can_be_taken_away(
    pool: Pool, prefix: str, one: str, two: str
) -> None:
    stage, say = await wired(pool, "web", "app")
    await stage.subnet("prod", prefix, "web")
    await stage.tell(say.vm("a", "app"), say.vm("b", "app"), say.guest("a", one), say.guest("b", two))
    assert await roles(pool) == {(wire("app"), "detected")}
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="deny"))
    assert await roles(pool) == {(wire("app"), "denied")}
    assert await stage.nics() == {}


async def test_w3_a_fix_is_accepted_wherever_the_subnet_may_be_used_from(pool: Pool) -> None:
    stage, say = await wired(pool, "web", "app")
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="pin"))
    await stage.tell(say.vm("a", "app"))
    answer = await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address="10.0.0.9"),)))
    assert answer.complaint is None
    assert await stage.nics() == {"a/4000": ["10.0.0.9"]}


async def test_w8_several_interfaces_with_one_mac_are_all_kept_and_local_ones_left_out(pool: Pool) -> None:
    stage, say = await wired(pool, "web")
    await stage.subnet("ten", "10.0.0.0/24", "web")
    await stage.subnet("eleven", "10.0.1.0/24", "web")
    await stage.tell(say.vm("a", "web"))
    addresses = ("10.0.0.5", "10.0.1.5", "fe80::5", "169.254.7.7", "127.0.0.1")
    port = GuestPort(
        key=4000,
        connected=True,
        addresses=tuple(GuestAddress(address=a, state="preferred") for a in addresses),
    )
    await stage.tell(say.envelope(GuestAddressesChanged, moid="vm-a", tools="running", ports=(port,)))
    assert await stage.nics() == {"a/4000": ["10.0.0.5", "10.0.1.5"]}
    assert await stage.unmatched() == {}


@FAMILIES
async def test_w9_g7_an_unmatched_address_is_in_use_all_the_same(
    pool: Pool, prefix: str, one: str, two: str
) -> None:
    stage, say = await wired(pool, "web", "app")
    await stage.tell(say.vm("a", "app"), say.guest("a", one))
    await stage.subnet("prod", prefix, "web")
    assert await stage.unmatched() == {one: "subnet_on_other_wire"}
    assert await stage.ledger() == {one: "sighting"}
    await stage.tell(say.guest("a", two))
    assert (await stage.ledger())[two] == "sighting"


async def test_w10_port_groups_of_one_name_are_as_many_wires(pool: Pool) -> None:
    stage, say, there = Stage(pool), Teller(VC1), Teller(VC2)
    await stage.tell(
        say.portgroup("net-1", "web", datacenter_name="Berlin"),
        say.portgroup("net-2", "web", datacenter_name="Paris"),
        there.portgroup("net-1", "web", datacenter_name="Berlin", scope="lab"),
    )
    assert await pool.fetchval("SELECT count(*) FROM inventory.wire") == 3
    answer = await stage.command(cmd.SubnetCreate(name="prod", prefix="10.0.0.0/24", wire="web"))
    assert answer.complaint is not None
    assert answer.complaint.code == "wire_ambiguous"
    assert "3 wires are called 'web'" in answer.complaint.message
    assert "Paris" in answer.complaint.message
    await stage.subnet("prod", "10.0.0.0/24", str(wire("net-1")))
    await stage.tell(say.vm("a", "net-1"), say.vm("b", "net-2"), there.vm("c", "net-1", scope="lab"))
    await stage.tell(
        say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.6"), there.guest("c", "10.0.0.7", scope="lab")
    )
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def test_w11_a_rename_and_a_vanished_port_group_break_no_subnet_not_even_additional_ones(
    pool: Pool,
) -> None:
    stage, say = await wired(pool, "web", "app")
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.subnet("other", "10.0.1.0/24", "app")
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="pin"))
    await stage.tell(say.vm("a", "web"), say.vm("b", "app"))
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", ["10.0.0.6", "10.0.1.6"]))
    before = await stage.nics()
    await stage.tell(say.portgroup("web", "frontend", switch="dvs-1", switch_name="dvs"))
    await stage.tell(say.portgroup_gone("app"))
    assert await stage.nics() == before
    await stage.tell(say.portgroup("app-2", "app", switch="dvs-1", switch_name="dvs"), say.vm("b", "app-2"))
    async with pool.acquire() as conn:
        (offer,) = await read_offers(conn)
    assert {(use.subnet_name, use.role) for use in offer.uses} == {("prod", "pinned"), ("other", "default")}
    await stage.command(WireRebind(old="app", new="app-2"))
    assert await stage.nics() == before, "nothing was reset by hand"


@FAMILIES
async def test_w15_isolated_segments_may_use_the_same_numbers(
    pool: Pool, prefix: str, one: str, two: str
) -> None:
    stage, say = await wired(pool, "left", "right")
    for name in ("left", "right"):
        await stage.subnet(name, prefix, name, scope=name)
    await stage.tell(say.vm("a", "left"), say.vm("b", "right"))
    await stage.tell(say.guest("a", [one, two]), say.guest("b", [one, two]))
    assert await stage.nics() == {"a/4000": [one, two], "b/4000": [one, two]}
    assert await pool.fetchval("SELECT count(*) FROM inventory.conflict") == 0


async def test_w17_uplinks_are_no_wires_and_trunks_carry_what_they_carry(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    trunk: dict[str, Any] = {"moid": "trunk", "name": "trunk", "kind": "distributed"}
    await stage.tell(
        say.portgroup("up", "dvs-uplinks", uplink=True),
        say.envelope(inv.PortgroupChanged, vlan=inv.VlanTrunk(ranges=((10, 20), (30, 30))), **trunk),
    )
    assert [t.data.wire.name for t in await stage.told()] == ["trunk"]
    answer = await stage.command(cmd.SubnetCreate(name="s", prefix="10.0.0.0/24", wire="dvs-uplinks"))
    assert answer.complaint is not None
    assert answer.complaint.code == "wire_is_uplink"
    answer = await stage.command(cmd.SubnetCreate(name="s", prefix="10.0.0.0/24", wire="trunk", vlan=25))
    assert answer.complaint is not None
    assert "it carries VLANs 10-20, VLAN 30" in answer.complaint.message
    await stage.subnet("s", "10.0.0.0/24", "trunk", vlan=30)
    await stage.tell(say.vm("a", "up"), say.guest("a", "10.0.0.5"))
    assert await stage.unmatched() == {"10.0.0.5": "wire_unknown"}, "nobody can be on uplinks"
