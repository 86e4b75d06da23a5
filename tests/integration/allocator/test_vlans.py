"""Trunk wires, VLANs that contradict, and vCenters in which a wire is a virtual switch."""

from __future__ import annotations

from typing import Any

import pytest

from services.allocator.explaining import why
from services.allocator.explaining_wires import why_wires
from services.allocator.queries import list_subnets
from services.allocator.wire_mapping import read_mapping
from shared.events import commands as cmd
from shared.events import inventory as inv
from shared.events.envelope import Envelope
from shared.events.wire_commands import WireSetMapping
from shared.store.pool import Pool
from tests.integration.allocator.story import VC1, VC2, Stage, Teller, wire

pytestmark = pytest.mark.postgres


def group(say: Teller, moid: str, vlan: int | tuple[int, int] | None, switch: str = "dvs-1") -> Envelope[Any]:
    """A port group on a switch: untagged, of one VLAN, or a trunk."""
    on: Any = inv.VlanNone()
    if isinstance(vlan, tuple):
        on = inv.VlanTrunk(ranges=(vlan,))
    elif vlan is not None:
        on = inv.VlanId(id=vlan)
    return say.envelope(
        inv.PortgroupChanged, moid=moid, name=moid, kind="distributed", vlan=on, switch=switch,
        switch_name=switch,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ten", "twenty", "addresses"),
    [
        ("10.10.0.0/24", "10.20.0.0/24", ["10.10.0.5", "10.20.0.5"]),
        ("2001:db8:10::/64", "2001:db8:20::/64", ["2001:db8:10::5", "2001:db8:20::5"]),
    ],
)
async def test_addresses_of_one_port_on_a_trunk_belong_to_the_subnet_of_each_vlan(
    pool: Pool, ten: str, twenty: str, addresses: list[str]
) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(group(say, "trunk", (10, 29)), say.vm("a", "trunk"))
    await stage.subnet("ten", ten, "trunk", vlan=10)
    await stage.subnet("twenty", twenty, "trunk", vlan=20)
    await stage.tell(say.guest("a", addresses))
    assert await stage.nics() == {"a/4000": addresses}
    assert await pool.fetchval("SELECT count(*) FROM inventory.nic") == 1, "one record, several subnets"
    assert await pool.fetchval("SELECT count(DISTINCT subnet_id) FROM inventory.nic_address") == 2


@pytest.mark.parametrize(("vlan", "carries"), [(7, "it carries VLAN 30"), (99, "it carries VLANs 10-29")])
async def test_a_subnet_is_not_made_on_a_wire_that_does_not_carry_its_vlan(
    pool: Pool, vlan: int, carries: str
) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(group(say, "trunk", (10, 29)), group(say, "thirty", 30), group(say, "untagged", None))
    on = "thirty" if vlan == 7 else "trunk"
    answer = await stage.command(cmd.SubnetCreate(name="s", prefix="10.0.0.0/24", wire=on, vlan=vlan))
    assert answer.complaint is not None
    assert answer.complaint.code == "vlan_not_on_wire"
    assert carries in answer.complaint.message
    await stage.subnet("s", "10.0.0.0/24", "untagged", vlan=vlan)


async def test_of_equal_fits_the_one_whose_vlan_the_wire_carries_is_taken(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(group(say, "ten", 10), group(say, "thirty", 30), group(say, "both", (10, 30)))
    await stage.subnet("left", "10.0.0.0/24", "ten", vlan=10, scope="left")
    await stage.subnet("right", "10.0.0.0/24", "thirty", vlan=30, scope="right")
    for name in ("left", "right"):
        await stage.command(cmd.SubnetSetWire(subnet=name, scope=name, wire="both", policy="pin"))
    await stage.tell(say.vm("a", "both"), say.guest("a", "10.0.0.5"))
    assert await stage.unmatched() == {"10.0.0.5": "ambiguous"}
    await stage.tell(group(say, "both", 10))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def mapped(pool: Pool) -> tuple[Stage, Teller]:
    """Port groups of VLAN 10, 10 and 20 on a switch, one of 10 on another; a VM with an address on each."""
    stage, say = Stage(pool), Teller()
    await stage.tell(
        group(say, "ten-a", 10), group(say, "ten-b", 10), group(say, "twenty", 20),
        group(say, "ten-c", 10, "dvs-2"),
    )  # fmt: skip
    for n, on in enumerate(("ten-a", "ten-b", "twenty", "ten-c"), 5):
        await stage.tell(say.vm(f"v{n}", on), say.guest(f"v{n}", f"10.10.0.{n}"))
    await stage.told()
    return stage, say


async def test_where_a_wire_is_a_switch_a_subnet_is_found_by_the_port_groups_vlan(pool: Pool) -> None:
    stage, say = await mapped(pool)
    answer = await stage.command(WireSetMapping(vcenter=VC1, mapping="switch", by="anna"))
    assert answer.result is not None
    (changed,) = await stage.told()
    assert (changed.type, changed.data.mapping, changed.data.by) == ("wire.mapping.changed", "switch", "anna")
    await stage.subnet("ten", "10.10.0.0/24", "dvs-1", vlan=10)
    assert await stage.nics() == {"v5/4000": ["10.10.0.5"], "v6/4000": ["10.10.0.6"]}
    explained = (await why(pool, "v6")).ports[0].addresses[0].because
    assert "on the same switch and VLAN as" in explained
    explained_wires = {w.wire_name: w.role for w in await why_wires(pool, "ten")}
    assert explained_wires == {"ten-a": "default", "ten-b": "mapped", "twenty": "seen", "ten-c": "seen"}
    (listed,) = await list_subnets(pool)
    assert [(role.wire_name, role.role) for role in listed.wires] == [
        ("ten-a", "default"),
        ("ten-b", "mapped"),
    ]
    await stage.tell(group(say, "twenty", 10))
    assert "v7/4000" in await stage.nics(), "a port group that gets the VLAN is on the wire"
    await stage.tell(group(say, "ten-b", 20))
    assert "v6/4000" not in await stage.nics()


async def test_the_way_to_a_wire_per_port_group_is_tried_first_and_keeps_every_record(pool: Pool) -> None:
    stage, _ = await mapped(pool)
    await stage.command(WireSetMapping(vcenter=VC1, mapping="switch"))
    await stage.subnet("ten", "10.10.0.0/24", "dvs-1", vlan=10)
    records = await pool.fetch("SELECT * FROM inventory.nic ORDER BY id")
    await stage.told()
    order = WireSetMapping(vcenter=VC1, mapping="portgroup", by="anna", dry_run=True)
    trial = await stage.command(order)
    assert trial.result is not None
    assert [one["wire_name"] for one in trial.result["pinned"]] == ["ten-b"]
    async with pool.acquire() as conn:
        assert await read_mapping(conn, VC1) == "switch"
    await stage.command(order.model_copy(update={"dry_run": False}))
    assert await stage.types() == ["subnet.wire.attached", "wire.mapping.changed"], "no record changes"
    assert await pool.fetch("SELECT * FROM inventory.nic ORDER BY id") == records
    row = await pool.fetchrow("SELECT wire_id, role, by FROM ipam.subnet_wire")
    assert row is not None
    assert tuple(row) == (wire("ten-b"), "pinned", "anna")


async def test_without_keeping_only_the_default_wire_is_left(pool: Pool) -> None:
    stage, _ = await mapped(pool)
    await stage.command(WireSetMapping(vcenter=VC1, mapping="switch"))
    await stage.subnet("ten", "10.10.0.0/24", "ten-a", vlan=10)
    await stage.command(WireSetMapping(vcenter=VC1, mapping="portgroup", keep=False))
    assert "v6/4000" not in await stage.nics()


async def test_g5_a_denied_port_group_is_denied_on_its_switch_too(pool: Pool) -> None:
    stage, _ = await mapped(pool)
    await stage.subnet("ten", "10.10.0.0/24", "ten-a", vlan=10)
    await stage.command(cmd.SubnetSetWire(subnet="ten", wire="ten-b", policy="deny"))
    await stage.command(WireSetMapping(vcenter=VC1, mapping="switch"))
    assert (await stage.unmatched())["10.10.0.6"] == "denied"


@pytest.mark.parametrize(
    ("named", "vlan", "code", "said"),
    [
        (
            "dvs-1",
            99,
            "vlan_not_on_wire",
            "switch 'dvs-1' has no port group with VLAN 99; it has VLAN 10, VLAN 20",
        ),
        ("dvs-1", None, "vlan_not_on_wire", "with no VLAN"),
        ("dvs-9", 10, "wire_unknown", "there is no wire 'dvs-9'"),
    ],
)
async def test_each_mistake_in_naming_a_switch_is_named(
    pool: Pool, named: str, vlan: int | None, code: str, said: str
) -> None:
    stage, _ = await mapped(pool)
    await stage.command(WireSetMapping(vcenter=VC1, mapping="switch"))
    answer = await stage.command(cmd.SubnetCreate(name="s", prefix="10.10.0.0/24", wire=named, vlan=vlan))
    assert answer.complaint is not None
    assert (answer.complaint.code, said in answer.complaint.message) == (code, True), answer.complaint


async def test_a_vcenter_of_which_nothing_was_heard_has_no_mapping(pool: Pool) -> None:
    stage, _ = await mapped(pool)
    answer = await stage.command(WireSetMapping(vcenter=VC2, mapping="switch"))
    assert answer.complaint is not None
    assert answer.complaint.code == "vcenter_unknown"
