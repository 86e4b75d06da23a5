"""Conflicts are records with two parties, opened and resolved; IPv4 and IPv6 alike."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from services.allocator.announcing import Announcements
from services.allocator.batch import Occasion
from services.allocator.conflict_queries import list_conflicts, list_shared, show_conflict
from services.allocator.explaining import why
from services.allocator.settling import Policy, settle
from services.allocator.sharing import apply_sharing
from shared.events import commands as cmd
from shared.events.address_sharing import AddressShare, AddressUnshare
from shared.events.envelope import Envelope
from shared.ipam.domain import Release, reserved_by
from shared.ipam.ledger import release
from shared.ipam.reserving import reserve
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, VC2, Stage, Teller, instance

pytestmark = pytest.mark.postgres
SCOPE = scope_id(DEFAULT_SCOPE_NAME)
BOTH = pytest.mark.parametrize("address", ["10.0.0.5", "2001:db8::5"], ids=["IPv4", "IPv6"])


async def staged(pool: Pool, **settings: object) -> tuple[Stage, Teller]:
    """A wire with a subnet of each family, and two VMs on it."""
    stage, say = Stage(pool, **settings), Teller()
    await stage.tell(say.portgroup("pg-1", "web"))
    await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    await stage.subnet("six", "2001:db8::/64", "web", gateway="2001:db8::1")
    await stage.tell(say.vm("a", "pg-1"), say.vm("b", "pg-1"))
    await stage.told()
    return stage, say


async def kinds(stage: Stage) -> list[tuple[str, str]]:
    """Types and kinds of the conflict events since last asked."""
    return [(t.type.split(".")[-1], t.data.kind) for t in await stage.told() if "conflict" in t.type]


@BOTH
async def test_the_same_address_on_two_live_ports(pool: Pool, address: str) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", address))
    second = say.guest("b", address)
    await stage.tell(second)
    (row,) = await list_conflicts(pool)
    assert (row.kind, row.what, row.scope, row.opened_at) == ("address", address, "default", second.time)
    assert (row.holder.vm_name, row.claimant.vm_name) == ("a", "b")
    assert (row.holder.vm_moid, row.claimant.mac is not None) == ("vm-a", True)
    assert await show_conflict(pool, str(row.id)[:8]) == await show_conflict(pool, address) == row
    assert await list_conflicts(pool, vm="b") == await list_conflicts(pool, kinds=["address"]) == [row]
    assert await list_conflicts(pool, kinds=["mac"]) == await list_conflicts(pool, scope="lab") == []
    await stage.told()
    await stage.tell(say.guest("b", "10.0.0.77"))
    assert await kinds(stage) == [("resolved", "address")]
    with pytest.raises(PermanentError, match="no open conflict"):
        await show_conflict(pool, address)


@BOTH
@pytest.mark.parametrize("silence", ["off", "silent"])
async def test_a_memory_yields_to_the_living_and_takes_back_when_it_lives(
    pool: Pool, address: str, silence: str
) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", address))
    await stage.tell(say.vm("a", "pg-1", power="off") if silence == "off" else say.guest("a"))
    await stage.tell(say.guest("b", address))
    assert await stage.nics() == {"b/4000": [address]}
    (row,) = await list_conflicts(pool)
    assert (row.holder.vm_name, row.claimant.vm_name) == ("b", "a")
    explained = (await why(pool, "a")).ports[0].addresses[0]
    assert (explained.verdict, "VM 'b'" in explained.because) == ("conflict", True)
    await stage.tell(say.vm("a", "pg-1", power="on"), say.guest("a", address))
    assert await stage.nics() == {"a/4000": [address]}
    await stage.tell(say.gone("a"))
    assert await list_conflicts(pool) == []


async def test_by_the_other_rule_the_earlier_one_keeps_it_even_as_a_memory(pool: Pool) -> None:
    stage, say = await staged(pool, conflict_winner="earlier")
    await stage.tell(say.guest("a", "10.0.0.5"))
    await stage.tell(say.vm("a", "pg-1", power="off"))
    await stage.tell(say.guest("b", "10.0.0.5"))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


@BOTH
async def test_g5_an_address_that_is_fixed_for_another(pool: Pool, address: str) -> None:
    stage, say = await staged(pool)
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address=address),)))
    await stage.tell(say.vm("a", "pg-1", power="off"), say.guest("b", address))
    (row,) = await list_conflicts(pool)
    assert (row.kind, row.holder.vm_name, row.claimant.vm_name) == ("fixed", "a", "b")
    assert await stage.nics() == {"a/4000": [address]}


@BOTH
async def test_g5_an_address_that_an_operator_reserved(pool: Pool, address: str) -> None:
    stage, say = await staged(pool)
    async with transaction(pool) as conn:
        await reserve(conn, SCOPE, [address], START, "the printer")
    await stage.tell(say.guest("a", address))
    (row,) = await list_conflicts(pool)
    assert (row.kind, row.holder.kind, row.holder.name) == ("reserved", "reserved", "the printer")
    assert row.claimant.vm_name == "a"
    await stage.told()
    async with transaction(pool) as conn:
        await release(conn, SCOPE, [Release(address, reserved_by(SCOPE, address), START)])
    await stage.tell(say.guest("a", "10.0.0.99"))
    assert await kinds(stage) == [("resolved", "reserved")]


@BOTH
async def test_an_address_that_is_bound_to_another_mac(pool: Pool, address: str) -> None:
    stage, say = await staged(pool)
    mac = await pool.fetchval("SELECT mac FROM inventory.port WHERE vm_moid = 'vm-b'")
    async with transaction(pool) as conn:
        await reserve(conn, SCOPE, [address], START, mac=str(mac))
    await stage.tell(say.guest("a", address))
    assert [r.kind for r in await list_conflicts(pool)] == ["bound"]
    await stage.tell(say.guest("b", address))
    (row,) = await list_conflicts(pool)
    assert (row.kind, row.holder.vm_name, row.claimant.vm_name) == ("bound", "b", "a")
    assert await stage.nics() == {"b/4000": [address]}


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::1"], ids=["IPv4", "IPv6"])
async def test_the_gateways_address_on_a_vm(pool: Pool, address: str) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", address))
    (row,) = await list_conflicts(pool)
    assert (row.kind, row.holder.kind, row.holder.name in ("prod", "six")) == ("gateway", "gateway", True)
    assert row.claimant.vm_name == "a"
    await stage.told()
    await stage.tell(say.guest("a", "10.0.0.50"))
    assert await kinds(stage) == [("resolved", "gateway")]


async def test_the_same_mac_on_two_ports_that_are_on(pool: Pool) -> None:
    stage, say = await staged(pool)
    mac = str(await pool.fetchval("SELECT mac FROM inventory.port WHERE vm_moid = 'vm-a'"))
    port = say.vm("c", "pg-1").data.ports[0].model_copy(update={"mac": mac})
    twin = say.vm("c", ports_=(port,))
    await stage.tell(twin)
    (row,) = await list_conflicts(pool)
    assert (row.kind, row.what, row.holder.vm_name, row.claimant.vm_name) == ("mac", mac, "a", "c")
    assert await kinds(stage) == [("opened", "mac")]
    await stage.tell(say.vm("c", ports_=(port,), power="off"))
    assert await kinds(stage) == [("resolved", "mac")]


async def test_one_instance_uuid_at_two_vcenters_that_both_go_on_telling(pool: Pool) -> None:
    stage, say = await staged(pool)
    there = Teller(VC2)
    there.sequence += 50
    await stage.tell(there.portgroup("pg-9"), there.vm("a", "pg-9", moid="vm-9"))
    assert await list_conflicts(pool) == [], "it may be on its way"
    say.sequence += 100
    await stage.tell(say.vm("a", "pg-1"))
    (row,) = await list_conflicts(pool)
    assert (row.kind, row.what, row.scope) == ("instance_uuid", str(instance("a")), None)
    assert {row.holder.vm_moid, row.claimant.vm_moid} == {"vm-a", "vm-9"}
    await stage.told()
    await stage.tell(there.gone("a", moid="vm-9"))
    assert await kinds(stage) == [("resolved", "instance_uuid")]


@BOTH
async def test_a_shared_address_is_no_conflict_and_nobodys_alone(pool: Pool, address: str) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", address), say.guest("b", address))
    await stage.told()
    answer = await stage.command(AddressShare(address=address, note="VRRP", by="joe"))
    assert answer.result is not None
    assert answer.result["vms"] == ["a", "b"]
    told = [t for t in await stage.told() if t.type != "address.unmatched"]
    assert [t.type for t in told] == ["address.shared", "nic.released", "address.conflict.resolved"]
    assert (told[0].data.by, told[0].data.note, told[2].data.outcome) == (
        "joe", "VRRP", "the address was declared shared",
    )  # fmt: skip
    assert await stage.nics() == {}
    assert await stage.unmatched() == {address: "shared"}
    assert await stage.ledger() == {address: "reserved"}, "G7: not handed out"
    (row,) = await list_shared(pool)
    assert (row.address, row.note, row.vms) == (address, "VRRP", ("a", "b"))
    assert "declared shared" in (await why(pool, "b")).ports[0].addresses[0].because
    assert (await stage.command(AddressShare(address=address))).complaint is None, "again, with no note"
    await stage.command(AddressUnshare(address=address))
    assert await stage.nics() == {"a/4000": [address]}
    assert [r.kind for r in await list_conflicts(pool)] == ["address"]
    assert await list_shared(pool) == []


async def test_a_virtual_router_has_the_gateways_address_by_right(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.1"))
    assert [r.kind for r in await list_conflicts(pool)] == ["gateway"]
    await stage.command(AddressShare(address="10.0.0.1", note="virtual router"))
    assert await list_conflicts(pool) == []


async def test_unsharing_what_nobody_has_frees_it(pool: Pool) -> None:
    stage, _ = await staged(pool)
    await stage.command(AddressShare(address="10.0.0.200"))
    assert await stage.ledger() == {"10.0.0.200": "reserved"}
    await stage.command(AddressUnshare(address="10.0.0.200"))
    assert await stage.ledger() == {}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (AddressShare(address="10.0.0.5", scope="lab"), "scope_unknown"),
        (AddressShare(address="224.0.0.18"), "address_useless"),
        (AddressShare(address="fe80::1"), "address_useless"),
        (AddressShare(address="10.0.0.9"), "address_fixed"),
        (AddressShare(address="10.0.0.8"), "address_taken"),
        (AddressUnshare(address="10.0.0.5"), "not_shared"),
    ],
)
async def test_each_mistake_about_sharing_is_named(pool: Pool, command: cmd.Command, code: str) -> None:
    stage, _ = await staged(pool)
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address="10.0.0.9"),)))
    async with transaction(pool) as conn:
        await reserve(conn, SCOPE, ["10.0.0.8"], START)
    before = await stage.dump()
    answer = await stage.command(command)
    assert answer.complaint is not None
    assert (answer.complaint.code, await stage.dump()) == (code, before)


async def test_g3_sharing_is_the_same_in_any_order_of_decisions(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.5"))
    for command in (AddressShare, AddressUnshare, AddressShare):
        await stage.command(command(address="10.0.0.5", by="joe"))
    decided: list[Envelope[Any]] = [t.envelope for t in await stage.told() if "shared" in t.type]
    expected = await stage.dump()
    for order in itertools.permutations(decided):
        await pool.execute("DELETE FROM inventory.shared_address")
        for envelope in (*order, order[0]):
            async with transaction(pool) as conn:
                dirty = await apply_sharing(conn, envelope)
                await settle(conn, dirty, Occasion([envelope]), Announcements(), Policy())
        assert await stage.dump() == expected
