"""Wires: what they were called, that they go, and what stands in for them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.allocator.offers import read_offers
from services.allocator.wire_names import former_names, prune_names
from shared.events import commands as cmd
from shared.events import inventory as inv
from shared.events.wire_commands import WireRebind
from shared.store.pool import Pool
from tests.integration.allocator.story import VC1, VC2, Stage, Teller, wire

pytestmark = pytest.mark.postgres
ON_SWITCH = {"switch": "dvs-1", "switch_name": "dvs-prod"}


async def staged(pool: Pool, prefix: str = "10.0.0.0/24", address: str = "10.0.0.5") -> tuple[Stage, Teller]:
    """Subnet prod on wire web, VM a with a record there."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web", **ON_SWITCH), say.vm("a", "pg-1"))
    await stage.subnet("prod", prefix, "web")
    await stage.tell(say.guest("a", address))
    await stage.told()
    return stage, say


async def test_a_wire_remembers_what_it_was_called_whatever_the_order_it_heard_it_in(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    told = [say.portgroup("pg-1", name) for name in ("web", "web", "web-old", "web", "prod")]
    times = [fact.time for fact in told]
    for order in ((0, 1, 2, 3, 4), (4, 2, 0, 3, 1), (3, 4, 1, 0, 2)):
        await pool.execute("TRUNCATE inventory.wire, inventory.wire_name")
        await stage.each([told[i] for i in (*order, order[0])])
        async with pool.acquire() as conn:
            names = await former_names(conn, VC1, "pg-1")
        assert [(n.name, n.since, n.until) for n in names] == [
            ("web", times[3], times[4]), ("web-old", times[2], times[3]), ("web", times[0], times[2]),
        ]  # fmt: skip
    assert await prune_names(pool, times[-1] + timedelta(days=1)) == 1
    async with pool.acquire() as conn:
        assert await former_names(conn, VC1, "pg-1") == names


async def test_a_vanished_port_group_retires_its_wire_and_breaks_nothing(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.portgroup_gone("pg-1"))
    assert await stage.types() == ["wire.retired"]
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}
    await stage.tell(say.vm("b", "pg-1"), say.guest("b", "10.0.0.6"))
    assert (await stage.nics())["b/4000"] == ["10.0.0.6"], "who is still on it, is on it"


@pytest.mark.parametrize("gone_first", [True, False])
@pytest.mark.parametrize(
    ("prefix", "address"), [("10.0.0.0/24", "10.0.0.5"), ("2001:db8::/64", "2001:db8::5")]
)
async def test_a_port_group_that_is_made_again_is_offered_and_stands_in_when_asked(
    pool: Pool, prefix: str, address: str, gone_first: bool
) -> None:
    stage, say = await staged(pool, prefix, address)
    nic = await pool.fetchval("SELECT id FROM inventory.nic")
    made = [say.portgroup_gone("pg-1"), say.portgroup("pg-9", "web", **ON_SWITCH)]
    await stage.each(made if gone_first else made[::-1])
    offers = [t.data for t in await stage.told() if t.type == "wire.rebind.offered"]
    assert [(o.instead_of.network, o.wire.network) for o in offers] == [("pg-1", "pg-9")]
    assert [(u.subnet_name, u.role) for u in offers[0].uses] == [("prod", "default")]
    await stage.tell(say.vm("a", "pg-9"))
    assert await stage.unmatched() == {address: "subnet_on_other_wire"}
    await stage.told()

    trial = await stage.command(WireRebind(old="pg-1", new="pg-9", dry_run=True))
    assert trial.result is not None
    assert [e["type"] for e in trial.result["events"]][:2] == ["subnet.moved", "wire.rebound"]
    assert await stage.unmatched() == {address: "subnet_on_other_wire"}, "a dry run changes nothing"

    answer = await stage.command(WireRebind(old="pg-1", new="pg-9", by="anna"))
    assert answer.complaint is None
    told = await stage.told()
    assert [t.type for t in told] == ["subnet.moved", "wire.rebound", "nic.created", "address.matched"]
    rebound = told[1].data
    assert (rebound.by, rebound.wire.id, rebound.instead_of.id) == ("anna", wire("pg-9"), wire("pg-1"))
    assert await stage.nics() == {"a/4000": [address]}
    assert await pool.fetchval("SELECT id FROM inventory.nic") == nic, "the record's id stays"
    async with pool.acquire() as conn:
        assert await read_offers(conn) == []


async def test_no_record_is_lost_when_a_wire_stands_in_before_its_vms_are_moved(pool: Pool) -> None:
    stage, say = await staged(pool)
    records = await pool.fetch("SELECT * FROM inventory.nic")
    await stage.tell(say.portgroup_gone("pg-1"), say.portgroup("pg-9", "web", **ON_SWITCH))
    await stage.told()
    await stage.command(WireRebind(old="pg-1", new="pg-9"))
    assert await stage.types() == ["subnet.moved", "wire.rebound"]
    assert await pool.fetch("SELECT * FROM inventory.nic") == records
    async with pool.acquire() as conn:
        assert await read_offers(conn) == [], "nothing is left to decide"
    await stage.tell(say.vm("a", "pg-9"))
    assert await stage.types() == ["nic.updated"]
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def test_additional_wires_move_with_their_roles(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(*(say.portgroup(f"pg-{n}", f"w{n}", **ON_SWITCH) for n in (2, 3, 4)))
    for name in ("second", "third"):
        await stage.subnet(name, f"10.{len(name)}.0.0/24", "w3")
    await stage.command(cmd.SubnetSetWire(subnet="second", wire="w2", policy="pin"))
    await stage.command(cmd.SubnetSetWire(subnet="third", wire="w2", policy="deny"))
    await stage.tell(say.portgroup_gone("pg-2"))
    await stage.told()
    answer = await stage.command(WireRebind(old="w2", new="w4"))
    assert answer.result is not None
    assert {(u["subnet_name"], u["role"]) for u in answer.result["uses"]} == {
        ("second", "pinned"), ("third", "denied"),
    }  # fmt: skip
    rows = await pool.fetch("SELECT wire_id, role FROM ipam.subnet_wire ORDER BY role")
    assert [tuple(row) for row in rows] == [(wire("pg-4"), "denied"), (wire("pg-4"), "pinned")]


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("web", "spare", "wire_in_use", "'web' (pg-1) is there"),
        ("gone", "absent", "wire_unknown", "no wire 'absent'"),
        ("gome", "spare", "wire_unknown", "did you mean 'gone'"),
        ("gone", "gone", "wire_retired", "is gone from its vCenter, too"),
        ("unused", "spare", "nothing_to_rebind", "no subnet names wire 'unused'"),
        ("gone", "uplinks", "wire_is_uplink", "carries uplinks"),
        ("gone", "elsewhere", "scopes_differ", "different scopes"),
    ],
)
async def test_each_mistake_in_a_rebinding_is_named(
    pool: Pool, old: str, new: str, code: str, said: str
) -> None:
    stage, say = await staged(pool)
    other = Teller(VC2)
    await stage.tell(
        say.portgroup("pg-2", "gone"), say.portgroup("pg-3", "spare"), say.portgroup("pg-4", "unused"),
        say.portgroup("pg-5", "uplinks", uplink=True), other.portgroup("pg-1", "elsewhere", scope="lab"),
    )  # fmt: skip
    await stage.subnet("late", "10.9.0.0/24", "gone")
    await stage.tell(say.portgroup_gone("pg-2"), say.portgroup_gone("pg-4"))
    await stage.told()
    answer = await stage.command(WireRebind(old=old, new=new))
    assert answer.complaint is not None
    assert (answer.complaint.code, said in answer.complaint.message) == (code, True), answer.complaint
    assert await stage.told() == []


@pytest.mark.parametrize(
    "other",
    [
        {"name": "other"},
        {"switch": "dvs-2"},
        {"vlan": inv.VlanId(id=7)},
    ],
)
async def test_another_name_switch_or_vlan_is_no_offer(pool: Pool, other: dict[str, object]) -> None:
    stage, say = await staged(pool)
    values = {**ON_SWITCH, "name": "web", "vlan": inv.VlanNone(), **other}
    name = str(values.pop("name"))
    vlan = values.pop("vlan")
    fact = say.envelope(inv.PortgroupChanged, moid="pg-9", name=name, kind="distributed", vlan=vlan, **values)
    await stage.tell(say.portgroup_gone("pg-1"), fact)
    assert "wire.rebind.offered" not in await stage.types()


async def test_a_record_id_outlives_port_group_rename_and_move_between_vcenters(pool: Pool) -> None:
    stage, say = await staged(pool)
    nic: UUID = await pool.fetchval("SELECT id FROM inventory.nic")
    await stage.tell(say.portgroup("pg-1", "renamed", **ON_SWITCH))
    there = Teller(VC2)
    await stage.tell(there.portgroup("pg-1", "web"), there.vm("a", "pg-1"), there.guest("a", "10.0.0.5"))
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire=str(wire("pg-1", VC2)), policy="pin"))
    await stage.tell(say.gone("a"))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}
    assert await pool.fetchval("SELECT id FROM inventory.nic") == nic
