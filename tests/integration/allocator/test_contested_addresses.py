"""G1, G5, G7: one holder, people win, what is in use is never free; and conflicts told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.allocator import reading as reading_rows
from services.allocator import settling
from shared.events import commands as cmd
from shared.events.envelope import wrap
from shared.events.placement import (
    BoundPort,
    PlacedAddress,
    VmCreateCancelled,
    VmCreateConfirmed,
)
from shared.ipam.domain import Holder
from shared.ipam.ledger import allocate
from shared.ipam.reserving import reserve
from shared.model.identifiers import DEFAULT_SCOPE_NAME, port_id, scope_id
from shared.runtime.errors import ConflictError
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, VC1, VC2, Stage, Teller, instance, wire

pytestmark = pytest.mark.postgres

SCOPE = scope_id(DEFAULT_SCOPE_NAME)


async def staged(pool: Pool) -> tuple[Stage, Teller, UUID]:
    """A wire pg-1 with subnet prod, and two VMs a and b on it."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"), say.portgroup("pg-2"))
    subnet = await stage.subnet("prod", "10.0.0.0/24", "pg-1", gateway="10.0.0.1")
    await stage.tell(say.vm("a", "pg-1"), say.vm("b", "pg-1"))
    await stage.told()
    return stage, say, subnet


async def test_g1_the_first_holder_keeps_the_address_and_the_conflict_is_told(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"))
    await stage.told()
    await stage.tell(say.guest("b", "10.0.0.5"))
    told = {t.type: t.data for t in await stage.told()}
    assert set(told) == {"address.unmatched", "address.conflict.opened"}
    assert told["address.unmatched"].verdict == "conflict"
    assert "NIC record of VM 'a'" in told["address.unmatched"].explanation
    assert told["address.conflict.opened"].holder.vm_name == "a"
    assert told["address.conflict.opened"].claimant.vm_name == "b"
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def test_a_conflict_ends_when_the_holder_goes_and_the_address_passes_on(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.5"))
    await stage.told()
    await stage.tell(say.gone("a"))
    told = await stage.told()
    assert [t.type for t in told] == [
        "nic.released", "nic.created", "address.matched", "address.conflict.resolved",
    ]  # fmt: skip
    assert told[-1].data.outcome == "the holder gave the address up"
    assert await stage.nics() == {"b/4000": ["10.0.0.5"]}
    assert await stage.ledger() == {"10.0.0.5": "nic"}


async def test_who_inherits_an_address_keeps_the_rest_of_its_record(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", ["10.0.0.5", "10.0.0.6"]))
    await stage.told()
    await stage.tell(say.gone("a"))
    updated = [t.data for t in await stage.told() if t.type == "nic.updated"]
    assert [[a.address for a in u.nic.addresses] for u in updated] == [["10.0.0.5", "10.0.0.6"]]


async def test_one_address_on_two_ports_of_a_vm_has_one_holder(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    await stage.tell(say.vm("c", "pg-1", "pg-1"), say.guest("c", "10.0.0.7", "10.0.0.7"))
    assert sum(map(len, (await stage.nics()).values())) == 1
    assert await stage.unmatched() == {"10.0.0.7": "conflict"}


async def test_an_unmatched_sighting_elsewhere_does_not_take_a_record_away(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    await stage.tell(say.vm("copy", "pg-2"), say.guest("copy", "10.0.0.5"))
    assert await stage.ledger() == {"10.0.0.5": "sighting"}
    await stage.tell(say.guest("a", "10.0.0.5"))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}
    assert await stage.unmatched() == {"10.0.0.5": "subnet_on_other_wire"}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2), (1, 2, 3, 0)])
async def test_g3_who_of_two_without_a_subnet_is_seen_with_an_address_does_not_depend_on_silence(
    pool: Pool, order: tuple[int, ...]
) -> None:
    """There is no conflict between them, so nobody looks again when one of them falls silent."""
    stage, say, _ = await staged(pool)
    outside = "2001:db8::5"
    facts = [say.guest("a", outside), say.guest("a"), say.guest("b", outside), say.guest("b")]
    await stage.each(facts[number] for number in order)
    rows = await pool.fetch("SELECT holder_kind, holder_id FROM ipam.address")
    assert [tuple(row) for row in rows] == [("sighting", port_id(instance("a"), 4000))]


async def test_g7_an_address_that_is_only_seen_is_not_allocatable(pool: Pool) -> None:
    stage, say, subnet = await staged(pool)
    await stage.tell(say.vm("copy", "pg-2"), say.guest("copy", "10.0.0.2"))
    async with transaction(pool) as conn:
        holder = Holder("reservation", uuid4())
        assert await allocate(conn, subnet, 1, holder, START, now=START) == ["10.0.0.3"]


async def test_g5_a_reserved_address_stays_reserved_and_the_sighting_says_so(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    async with transaction(pool) as conn:
        await reserve(conn, SCOPE, ["10.0.0.9"], START)
    await stage.tell(say.guest("a", "10.0.0.9"))
    told, conflict = await stage.told()
    assert told.data.verdict == "reserved"
    assert (conflict.type, conflict.data.kind) == ("address.conflict.opened", "reserved")
    assert await stage.ledger() == {"10.0.0.9": "reserved"}


async def reserved(pool: Pool, subnet: UUID, address: str) -> UUID:
    """A reservation for a VM to come."""
    reservation = uuid4()
    async with transaction(pool) as conn:
        holder = Holder("reservation", reservation)
        await allocate(
            conn, subnet, 1, holder, START, now=START, wanted=address, until=START + timedelta(days=1)
        )
    return reservation


def confirmation(
    reservation: UUID, subnet: UUID, vm: str, address: str, hours: float = 2
) -> VmCreateConfirmed:
    """What placement says once it has recognised the VM."""
    placed = PlacedAddress(address=address, prefix=24, subnet=subnet, subnet_name="prod")
    return VmCreateConfirmed(
        request_id="r",
        reservation=reservation,
        vcenter=VC1,
        vm=instance(vm),
        vm_moid=f"vm-{vm}",
        vm_name=vm,
        recognised_by="annotation",
        ports=(BoundPort(index=0, device_key=4000, wire=wire("pg-1"), addresses=(placed,)),),
        confirmed_at=START + timedelta(hours=hours),
    )


@pytest.mark.parametrize("order", ["vm_first", "confirmation_first", "sighting_first"])
async def test_g3_a_confirmed_reservation_becomes_a_record_in_any_order(pool: Pool, order: str) -> None:
    stage, say, subnet = await staged(pool)
    reservation = await reserved(pool, subnet, "10.0.0.50")
    said = confirmation(reservation, subnet, "new", "10.0.0.50")
    confirmed = wrap(said, source="placement", time=said.confirmed_at)
    vm, guest = say.vm("new", "pg-1"), say.guest("new", "10.0.0.50")
    if order == "vm_first":
        await stage.each([vm, confirmed])
        assert await stage.types() == ["nic.created"]
        await stage.tell(guest)
        assert await stage.types() == []
    elif order == "confirmation_first":
        await stage.each([confirmed])
        assert await stage.ledger() == {"10.0.0.50": "reservation"}
        await stage.each([vm, guest])
    else:
        await stage.each([vm, guest])
        assert await stage.unmatched() == {"10.0.0.50": "reserved"}
        await stage.tell(confirmed)
    await stage.each([confirmed])
    assert await stage.nics() == {"new/4000": ["10.0.0.50"]}
    assert await pool.fetchval("SELECT source FROM inventory.nic_address") == "reservation"
    assert await stage.ledger() == {"10.0.0.50": "nic"}
    await stage.tell(say.gone("new"))
    assert await stage.ledger() == {"10.0.0.50": "cooling"}


async def test_a_vm_that_is_gone_before_its_confirmation_gives_the_address_back(pool: Pool) -> None:
    stage, say, subnet = await staged(pool)
    reservation = await reserved(pool, subnet, "10.0.0.50")
    said = confirmation(reservation, subnet, "new", "10.0.0.50", hours=0.5)
    await stage.each([say.vm("new", "pg-1"), say.gone("new")])
    await stage.tell(wrap(said, source="placement", time=said.confirmed_at))
    assert await stage.ledger() == {"10.0.0.50": "cooling"}
    assert await stage.nics() == {}


async def test_an_ended_reservation_lets_the_sighting_have_the_address(pool: Pool) -> None:
    stage, say, subnet = await staged(pool)
    reservation = await reserved(pool, subnet, "10.0.0.50")
    await stage.tell(say.guest("a", "10.0.0.50"))
    assert await stage.unmatched() == {"10.0.0.50": "reserved"}
    async with transaction(pool) as conn:
        await conn.execute("DELETE FROM ipam.address")
    await stage.tell(
        wrap(VmCreateCancelled(request_id="r", reservation=reservation), source="placement", time=START)
    )
    assert await stage.nics() == {"a/4000": ["10.0.0.50"]}


async def test_a_vm_keeps_its_record_over_a_move_between_vcenters(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    there = Teller(VC2, epoch=2)
    await stage.tell(there.portgroup("pg-9"))
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="pg-9", policy="pin"))
    await stage.tell(say.guest("a", "10.0.0.5"))
    await stage.told()
    arrived = there.vm("a", "pg-9", moid="vm-1")
    await stage.tell(arrived)
    (moved,) = await stage.told()
    assert (moved.type, moved.data.nic.vcenter, moved.data.before.vcenter) == ("nic.updated", VC2, VC1)
    assert moved.data.nic.wire == wire("pg-9", VC2)
    left = Teller(VC1, epoch=3)
    await stage.tell(left.gone("a"))
    assert await stage.types() == []
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}
    await stage.tell(there.guest("a", "10.0.0.5", moid="vm-1"))
    assert await stage.types() == []
    await stage.tell(there.gone("a", moid="vm-1"))
    assert await stage.types() == ["nic.released"]


async def test_g1_the_database_refuses_a_second_holder(pool: Pool) -> None:
    stage, say, _ = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            """
            INSERT INTO ipam.address (scope_id, address, holder_kind, holder_id, since)
            VALUES ($1, '10.0.0.5', 'nic', $2, $3)
            """,
            SCOPE,
            uuid4(),
            START,
        )


async def test_placement_that_was_faster_to_an_address_wins_and_the_batch_is_decided_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, say, subnet = await staged(pool)
    reading = reading_rows.read

    async def read_then_lose(*args: Any, **options: Any) -> Any:
        docket = await reading(*args, **options)
        monkeypatch.setattr(settling, "read", reading)
        await reserved(pool, subnet, "10.0.0.5")
        return docket

    monkeypatch.setattr(settling, "read", read_then_lose)
    guest = say.guest("a", "10.0.0.5")
    with pytest.raises(ConflictError):
        await stage.tell(guest)
    await stage.tell(guest)
    assert await stage.unmatched() == {"10.0.0.5": "reserved"}
    assert await stage.ledger() == {"10.0.0.5": "reservation"}


async def test_g7_placements_and_sightings_at_once_never_share_an_address(pool: Pool) -> None:
    stage, say, subnet = await staged(pool)
    await stage.tell(*[say.vm(f"vm{n}", "pg-1") for n in range(40)])
    guests = [say.guest(f"vm{n}", f"10.0.0.{n + 2}") for n in range(40)]
    given: list[str] = []

    async def place() -> None:
        for _ in range(20):
            async with transaction(pool) as conn:
                given.extend(
                    await allocate(conn, subnet, 1, Holder("reservation", uuid4()), START, now=START)
                )

    async def hear() -> None:
        for guest in guests:
            for _ in range(20):
                try:
                    await stage.tell(guest)
                    break
                except ConflictError:
                    continue

    await asyncio.gather(place(), hear())
    recorded = {a for found in (await stage.nics()).values() for a in found}
    assert not recorded & set(given)
    assert len(given) == len(set(given)) == 20
    parked = await stage.unmatched()
    assert recorded | set(parked) == {f"10.0.0.{n + 2}" for n in range(40)}
    assert set(parked.values()) <= {"reserved"}
