"""Subnets split, merged, moved and resized: records keep their ids and addresses, and all of it is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from services.allocator.queries import show_subnet
from shared.events import commands as cmd
from shared.events.address_commands import AddressBind, AddressReserve
from shared.events.envelope import wrap
from shared.events.placement import BoundPort, PlacedAddress, VmCreateConfirmed
from shared.events.subnet import AddressRange
from shared.events.subnet_commands import SubnetMerge, SubnetMove, SubnetSplit
from shared.ipam.ledger import Holder, allocate
from shared.ipam.subnets import find
from shared.model.identifiers import derive
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, Stage, Teller, instance, wire

pytestmark = pytest.mark.postgres

FAMILIES = pytest.mark.parametrize(
    ("whole", "halves", "low", "high"),
    [
        ("10.0.0.0/24", ("10.0.0.0/25", "10.0.0.128/25"), "10.0.0.9", "10.0.0.209"),
        (
            "2001:db8::/64",
            ("2001:db8::/65", "2001:db8:0:0:8000::/65"),
            "2001:db8::9",
            "2001:db8::8000:0:0:9",
        ),
    ],
)


async def staged(pool: Pool, whole: str, low: str, high: str, **more: Any) -> tuple[Stage, Teller]:
    """Subnet web with VMs a and b in its halves, an extra pinned wire, VM c fixed without Tools."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"), say.portgroup("pg-3", "old"))
    values = {"dns": ("192.0.2.53",), "mtu": 9000, "vlan": 7, "labels": {"tier": "web"}}
    await stage.subnet("web", whole, "web", **{**values, **more})
    await stage.command(cmd.SubnetSetWire(subnet="web", wire="app", policy="pin"))
    await stage.command(cmd.SubnetSetWire(subnet="web", wire="old", policy="deny"))
    await stage.tell(say.vm("a", "pg-1"), say.vm("b", "pg-2"), say.vm("c", "pg-1"))
    await stage.tell(say.guest("a", low), say.guest("b", high))
    fixed = high[:-1] + "3"
    await stage.command(cmd.VmFixNics(vm="c", fixes=(cmd.PortFix(address=fixed),)))
    await stage.told()
    return stage, say


async def done(stage: Stage, command: cmd.Command) -> dict[str, Any]:
    answer = await stage.command(command)
    assert answer.complaint is None, answer.complaint
    assert answer.result is not None
    return answer.result


async def refused(stage: Stage, command: cmd.Command) -> tuple[str, str]:
    before = await stage.dump()
    answer = await stage.command(command)
    assert answer.complaint is not None, answer
    assert await stage.dump() == before
    return answer.complaint.code, answer.complaint.message


async def records(pool: Pool) -> list[tuple[Any, ...]]:
    """NIC records and their addresses, without the subnets."""
    rows = await pool.fetch(
        """
        SELECT n.id, host(a.address), a.source, a.since
        FROM inventory.nic n JOIN inventory.nic_address a ON a.nic_id = n.id ORDER BY 1, 2
        """
    )
    return [tuple(row) for row in rows]


async def subnet_of(pool: Pool, address: str) -> list[str]:
    """The names of the subnets that ledger, record and statement have for an address."""
    rows = await pool.fetch(
        """
        SELECT s.name FROM ipam.subnet s WHERE s.id IN (
            SELECT subnet_id FROM ipam.address WHERE address = $1::text::inet
            UNION SELECT subnet_id FROM inventory.nic_address WHERE address = $1::text::inet
            UNION SELECT subnet_id FROM inventory.statement WHERE address = $1::text::inet
        )
        """,
        address,
    )
    return [row["name"] for row in rows]


@FAMILIES
async def test_w22_a_split_copies_wires_and_policy_and_keeps_every_record(
    pool: Pool, whole: str, halves: tuple[str, str], low: str, high: str
) -> None:
    stage, _ = await staged(pool, whole, low, high)
    await done(
        stage, AddressReserve(ranges=(AddressRange(first=high[:-1] + "4", last=high[:-1] + "4"),), note="p")
    )
    before, ledger = await records(pool), await stage.ledger()
    known = await show_subnet(pool, "web")
    await stage.told()
    result = await done(
        stage, SubnetSplit(subnet="web", prefix_length=int(halves[0].split("/")[1]), names=("app",), by="joe")
    )
    assert (result["prefix"], [part["prefix"] for part in result["parts"]]) == (halves[0], [halves[1]])
    assert await records(pool) == before
    assert await stage.ledger() == ledger
    assert await subnet_of(pool, low) == ["web"]
    for address in (high, high[:-1] + "3", high[:-1] + "4"):
        assert await subnet_of(pool, address) == ["app"], address
    kept, made = await show_subnet(pool, "web"), await show_subnet(pool, "app")
    assert kept.facts.id == known.facts.id
    for row in (kept, made):
        assert (row.facts.mtu, row.facts.vlan, row.facts.labels) == (9000, 7, {"tier": "web"})
        assert {(r.wire_name, r.role) for r in row.wires} == {
            ("web", "default"), ("app", "pinned"), ("old", "denied"),
        }  # fmt: skip
    told = await stage.told()
    assert sorted(t.type for t in told) == ["nic.updated", "nic.updated", "subnet.split"]
    split = next(t.data for t in told if t.type == "subnet.split")
    assert (split.before, split.subnet, split.parts) == (known.facts, kept.facts, (made.facts,))
    assert split.by == "joe"
    assert {(use.wire, use.role) for use in split.wires} == {
        (wire("pg-2"), "pinned"),
        (wire("pg-3"), "denied"),
    }


@FAMILIES
async def test_w22_a_merge_joins_wires_and_keeps_every_record(
    pool: Pool, whole: str, halves: tuple[str, str], low: str, high: str
) -> None:
    stage, say = await staged(pool, halves[0], low, low[:-1] + "7")
    await stage.subnet("more", halves[1], "old")
    await stage.command(cmd.SubnetSetWire(subnet="more", wire="app", policy="pin"))
    await stage.tell(say.vm("d", "pg-3"), say.guest("d", high))
    code, message = await refused(stage, SubnetMerge(subnet="web", others=("more",)))
    assert code == "wires_contradict", message
    await done(stage, cmd.SubnetSetWire(subnet="web", wire="old", policy="auto"))
    before, known = await records(pool), await show_subnet(pool, "more")
    await stage.told()
    result = await done(stage, SubnetMerge(subnet="web", others=("more",), by="joe"))
    assert result["prefix"] == whole
    assert any("mtu of more" in said for said in result["given_up"])
    assert await records(pool) == before
    assert await subnet_of(pool, high) == ["web"]
    merged = await show_subnet(pool, "web")
    assert {(r.wire_name, r.role) for r in merged.wires} == {
        ("web", "default"), ("app", "pinned"), ("old", "pinned"),
    }  # fmt: skip
    told = await stage.told()
    event = next(t.data for t in told if t.type == "subnet.merged")
    assert (event.subnet, event.merged, event.by) == (merged.facts, (known.facts,), "joe")
    assert [t.data.nic.vm_name for t in told if t.type == "nic.updated"] == ["d"]


@FAMILIES
async def test_a_move_changes_the_default_wire_and_no_record(
    pool: Pool, whole: str, halves: tuple[str, str], low: str, high: str
) -> None:
    assert halves
    stage, _ = await staged(pool, whole, low, high)
    before = await records(pool)
    result = await done(stage, SubnetMove(subnet="web", wire="app", by="joe"))
    assert UUID(result["default_wire"]) == wire("pg-2")
    assert await records(pool) == before
    assert {(r.wire_name, r.role) for r in (await show_subnet(pool, "web")).wires} == {
        ("app", "default"), ("web", "pinned"), ("old", "denied"),
    }  # fmt: skip
    assert await stage.types() == ["subnet.moved"]
    code, _ = await refused(stage, SubnetMove(subnet="web", wire="app"))
    assert code == "nothing_to_change"
    code, message = await refused(stage, SubnetMove(subnet="web", wire="old"))
    assert (code, "patchbay subnet set-wires web --clear old" in message) == ("denied", True)
    tried = await done(stage, SubnetMove(subnet="web", wire="web", keep_old=False, dry_run=True))
    released = [e for e in tried["events"] if e["type"] == "nic.released"]
    assert [e["data"]["nic"]["vm_name"] for e in released] == ["b"], "a dry run shows who would lose a record"


@FAMILIES
async def test_a_subnet_grows_and_shrinks_as_long_as_nobody_is_left_outside(
    pool: Pool, whole: str, halves: tuple[str, str], low: str, high: str
) -> None:
    stage, say = await staged(pool, whole, low, high)
    code, message = await refused(stage, cmd.SubnetUpdate(subnet="web", prefix=halves[0]))
    assert code == "subnet_in_use"
    assert f"{high} by the NIC record of VM 'b'" in message
    await stage.tell(say.gone("b"), say.gone("c"))
    before = await records(pool)
    await stage.told()
    await done(stage, cmd.SubnetUpdate(subnet="web", prefix=halves[0], by="joe"))
    assert await records(pool) == before
    (event,) = [t.data for t in await stage.told() if t.type == "subnet.updated"]
    assert (event.before.prefix, event.subnet.prefix, event.by) == (whole, halves[0], "joe")
    assert await stage.ledger() == {low: "nic"}, "what rested outside is forgotten"
    await stage.tell(say.vm("e", "pg-1"), say.guest("e", high))
    assert set(await stage.unmatched()) == {high}
    await done(stage, cmd.SubnetUpdate(subnet="web", prefix=whole))
    assert (await stage.nics())["e/4000"] == [high]
    code, _ = await refused(stage, cmd.SubnetUpdate(subnet="web", prefix="172.16.0.0/24"))
    assert code == "prefix_elsewhere"


async def test_each_reshaping_that_can_not_be_has_its_words_and_changes_nothing(pool: Pool) -> None:
    stage, _ = await staged(pool, "10.0.0.0/24", "10.0.0.9", "10.0.0.132")
    await stage.subnet("next", "10.0.1.0/24", "web")
    await stage.subnet("far", "10.9.0.0/24", "web")
    await stage.subnet("six", "2001:db8::/64", "web")
    await stage.subnet("lab", "10.0.0.0/24", "web", scope="lab")
    lab = str((await show_subnet(pool, "lab", scope="lab")).facts.id)
    for command, code, said in (
        (SubnetSplit(subnet="web", prefix_length=24), "split_senseless", "from 25 to 32"),
        (SubnetSplit(subnet="web", at=("10.0.2.0",)), "split_outside_prefix", "10.0.2.0 is not in"),
        (
            SubnetSplit(subnet="web", at=("10.0.0.128", "10.0.0.132")),
            "subnet_in_use",
            "10.0.0.132 by the NIC record of VM 'b'",
        ),
        (SubnetSplit(subnet="web", prefix_length=25, names=("next",)), "name_taken", "10.0.1.0/24"),
        (SubnetSplit(subnet="web", prefix_length=25, names=("x", "y")), "too_many_names", "1 new"),
        (SubnetSplit(subnet="wbe", prefix_length=25), "subnet_unknown", "did you mean 'web'"),
        (SubnetMerge(subnet="web", others=("far",)), "merge_not_adjacent", "--prefix 10.0.0.0/12"),
        (SubnetMerge(subnet="web", others=("far",), prefix="10.0.0.0/12"), "subnet_overlaps", "'next'"),
        (SubnetMerge(subnet="web", others=("web",)), "merge_twice", "'web'"),
        (SubnetMerge(subnet="web", others=("six",)), "merge_mixed_families", "both families"),
        (SubnetMerge(subnet="web", others=(lab,)), "merge_scopes", "scope 'lab'"),
        (SubnetMove(subnet="web", wire="nope"), "wire_unknown", "patchbay wire list"),
        (cmd.SubnetUpdate(subnet="web", prefix="10.0.0.0/16"), "subnet_overlaps", "'next'"),
        (cmd.SubnetUpdate(subnet="web", mtu=1500, clear=("mtu",)), "set_and_cleared", "mtu"),
    ):
        got, message = await refused(stage, command)
        assert (got, said in message) == (code, True), (command, got, message)


async def test_fields_are_cleared_and_the_vlan_changes(pool: Pool) -> None:
    stage, _ = await staged(pool, "10.0.0.0/24", "10.0.0.9", "10.0.0.129", gateway="10.0.0.1")
    done_ = await done(
        stage, cmd.SubnetUpdate(subnet="web", vlan=8, clear=("dns", "mtu", "gateway", "labels"))
    )
    assert (done_["vlan"], done_["dns"], done_["mtu"], done_["gateway"], done_["labels"]) == (
        8, [], None, None, {},
    )  # fmt: skip
    assert done_["ranges"] == [{"first": "10.0.0.1", "last": "10.0.0.254"}]


@pytest.mark.parametrize("merged", [False, True])
async def test_a_reservation_made_before_is_confirmed_into_the_subnet_that_has_its_address_now(
    pool: Pool, merged: bool
) -> None:
    stage, say = await staged(pool, "10.0.0.0/25", "10.0.0.9", "10.0.0.40")
    await stage.subnet("more", "10.0.0.128/25", "web")
    holder = Holder("reservation", derive("reservation", "r1"))
    async with transaction(pool) as conn:
        known = await find(conn, "more")
        assert known is not None
        await allocate(conn, known.id, 1, holder, START, now=START, wanted="10.0.0.200")
    if merged:
        await done(stage, cmd.SubnetSetWire(subnet="web", wire="old", policy="auto"))
        await done(stage, SubnetMerge(subnet="web", others=("more",)))
    else:
        await done(stage, SubnetSplit(subnet="more", prefix_length=26, names=("upper",)))
    fact = say.vm("new", "pg-1")
    placed = PlacedAddress(address="10.0.0.200", prefix=25, subnet=known.id, subnet_name="more")
    confirmed = VmCreateConfirmed(
        request_id="r1", reservation=holder.id, vcenter=say.vcenter, vm=instance("new"), vm_moid="vm-new",
        vm_name="new",
        recognised_by="mac", confirmed_at=say.now(),
        ports=(BoundPort(index=0, device_key=4000, wire=wire("pg-1"), addresses=(placed,)),),
    )  # fmt: skip
    await stage.tell(fact, wrap(confirmed, source="placement", time=say.now()))
    assert (await stage.nics())["new/4000"] == ["10.0.0.200"]
    assert await subnet_of(pool, "10.0.0.200") == ["web" if merged else "upper"]


async def test_w22_an_ipv6_reserved_address_can_be_released_and_a_binding_outlives_a_split(
    pool: Pool,
) -> None:
    stage, _ = await staged(pool, "2001:db8::/64", "2001:db8::9", "2001:db8::8000:0:0:9")
    mac = "00:50:56:00:00:77"
    await done(stage, AddressBind(address="2001:db8::8000:0:0:77", mac=mac))
    await done(stage, SubnetSplit(subnet="web", prefix_length=65, names=("app",)))
    assert await subnet_of(pool, "2001:db8::8000:0:0:77") == ["app"]
    async with transaction(pool) as conn:
        app = await find(conn, "app")
        assert app is not None
        got = await allocate(
            conn, app.id, 1, Holder("reservation", derive("r", 1)), START, now=START, mac=mac
        )
    assert got == ["2001:db8::8000:0:0:77"]
