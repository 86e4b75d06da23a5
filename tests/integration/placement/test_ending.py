"""What becomes of reservations: confirmed by what is seen or said, cancelled, expired."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.events.base import Event
from shared.events.commands import (
    CommandReplied,
    ReservationCancel,
    ReservationConfirm,
    ReservationExtend,
)
from shared.events.inventory import VmChanged, VmPort, VmRemoved
from shared.events.placement import (
    NicRequest,
    VmCreateCancelled,
    VmCreateConfirmed,
    VmCreateExpired,
    VmCreatePlaced,
    VmCreateRefused,
)
from shared.ipam.ledger import Claim, Holder, occupy
from shared.model.identifiers import scope_id
from shared.store.pool import Pool, transaction
from tests.integration.placement.conftest import Placement, held, request
from tests.integration.placement.inventory import VCENTER, Inventory

pytestmark = pytest.mark.postgres


@pytest.fixture
async def answer(inventory: Inventory, placement: Placement) -> VmCreatePlaced:
    """A placed VM of two NICs on one port group."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), cooldown_seconds=300)
    return await placement.place(request(NicRequest(subnet="net-1"), NicRequest(subnet="net-1"), name="web"))


def port(key: int, mac: str | None, network: str = "dvportgroup-1") -> VmPort:
    return VmPort(key=key, label=f"NIC {key}", adapter="vmxnet3", mac=mac, network=network, connected=True)


def made(inventory: Inventory, answer: VmCreatePlaced, **values: Any) -> VmChanged:
    """The VM exactly as answered, its devices listed the other way round."""
    ports = [port(4000 + nic.index, nic.mac) for nic in answer.nics]
    defaults: dict[str, Any] = {
        "name": "web",
        "reservation": answer.reservation,
        "cpus": 1,
        "memory_mb": 1024,
    }
    return inventory.vm_fact("vm-7", *reversed(ports), **(defaults | values))


async def state(pool: Pool, reservation: UUID) -> str:
    return str(await pool.fetchval("SELECT state FROM placement.reservation WHERE id = $1", reservation))


def only(events: list[Event]) -> Event:
    assert len(events) == 1, events
    return events[0]


async def test_confirmed_by_annotation(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    before = await held(pool)
    event = only(await placement.show(made(inventory, answer)))
    assert isinstance(event, VmCreateConfirmed)
    assert (event.recognised_by, event.vm_moid, event.request_id) == ("annotation", "vm-7", answer.request_id)
    assert [(bound.index, bound.device_key, bound.mac) for bound in event.ports] == [
        (0, 4000, answer.nics[0].mac),
        (1, 4001, answer.nics[1].mac),
    ]
    assert [bound.addresses for bound in event.ports] == [nic.addresses for nic in answer.nics]
    # The allocator takes the addresses over; until then they stay the reservation's.
    assert await held(pool) == before


async def test_confirmed_by_extra_config(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    fact = made(
        inventory, answer, reservation=None, extra_config_reservation=answer.reservation, name="other"
    )
    await inventory.show(fact)
    # The VM is in the inventory and the reservation still held: together they count once.
    assert await pool.fetchval("SELECT count(*) FROM placement.claim") == 0
    event = only(await placement.show(fact))
    assert isinstance(event, VmCreateConfirmed)
    assert (event.recognised_by, event.vm_moid) == ("extra_config", "vm-7")


async def test_confirmed_by_mac(inventory: Inventory, placement: Placement, answer: VmCreatePlaced) -> None:
    event = only(await placement.show(made(inventory, answer, reservation=None, name="other")))
    assert isinstance(event, VmCreateConfirmed)
    assert event.recognised_by == "mac"


async def test_confirmed_by_name_and_port_groups(
    inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    ports = [port(4000, "00:50:56:aa:00:01"), port(4001, "00:50:56:aa:00:02")]
    event = only(await placement.show(inventory.vm_fact("vm-7", *ports, name=answer.name)))
    assert isinstance(event, VmCreateConfirmed)
    assert event.recognised_by == "name"
    assert [bound.mac for bound in event.ports] == ["00:50:56:aa:00:01", "00:50:56:aa:00:02"]


async def test_not_confirmed_by_a_name_that_was_in_use(inventory: Inventory, placement: Placement) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    old = inventory.vm_fact("vm-1", port(4000, "00:50:56:aa:00:01"), name="old")
    await inventory.show(old)
    await placement.place(request(name="old"))
    assert await placement.show(old) == []


async def test_facts_repeated_change_nothing(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    """G3."""
    fact = made(inventory, answer)
    assert len(await placement.show(fact, fact)) == 1
    assert await placement.show(fact) == []
    gone = VmRemoved(vcenter=VCENTER, epoch=1, sequence=999, moid="vm-7", how="observed")
    assert await placement.show(gone, fact) == []
    assert await state(pool, answer.reservation) == "confirmed"


async def test_a_vm_is_confirmed_once_it_has_its_nics(
    inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    whole = made(inventory, answer)
    assert await placement.show(whole.model_copy(update={"ports": ()})) == []
    assert await placement.show(whole.model_copy(update={"ports": whole.ports[:1]})) == []
    assert len(await placement.show(whole)) == 1


async def test_another_vcenters_vm_confirms_nothing(
    inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    assert await placement.show(made(inventory, answer).model_copy(update={"vcenter": uuid4()})) == []


async def test_a_vm_counts_once_whoever_writes_first(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """Host capacity is exact while inventory and reservations are written by two services."""
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    first = await placement.place(request(memory_mb=40 * 1024))
    fact = made(inventory, first, memory_mb=40 * 1024)
    ask = {"memory_mb": 20 * 1024}
    # The allocator is first.
    await inventory.show(fact)
    second = await placement.place(request(**ask))
    # Placement is first: its own fact is not in the inventory yet.
    fact_of_second = made(inventory, second, memory_mb=20 * 1024).model_copy(update={"moid": "vm-8"})
    assert len(await placement.show(fact, fact_of_second)) == 2
    assert isinstance((await placement.ask(request(memory_mb=5 * 1024)))[0], VmCreateRefused)
    await inventory.show(fact_of_second)
    await placement.expire()
    assert await pool.fetchval("SELECT count(*) FROM placement.reservation WHERE settled") == 2
    assert isinstance((await placement.ask(request(memory_mb=5 * 1024)))[0], VmCreateRefused)
    await inventory.show(fact_of_second, removed=True)
    await placement.place(request(memory_mb=5 * 1024))


async def test_expiry_gives_everything_back(pool: Pool, inventory: Inventory, placement: Placement) -> None:
    """Addresses rest for the subnet's cool-down, as the VM may be booting; the host is free at once."""
    await inventory.subnet(1, await inventory.portgroup(1, [1]), prefix="10.0.1.0/30", cooldown_seconds=300)
    asks = [request(memory_mb=30 * 1024, lease_seconds=60) for _ in range(2)]
    await placement.ask(*asks)
    assert await placement.expire() == []
    placement.pass_time(61)
    events = await placement.expire()
    assert [type(event) for event in events] == [VmCreateExpired] * 2
    assert await placement.expire() == []
    assert await held(pool) == [("10.0.1.1", "cooling"), ("10.0.1.2", "cooling")]
    refused = await placement.refuse(request())
    assert "net-1" in refused.reason
    placement.pass_time(300)
    await inventory.vcenter(current_to=placement.now)
    again = await placement.ask(*[request(memory_mb=30 * 1024) for _ in range(2)])
    assert [type(event) for event in again] == [VmCreatePlaced] * 2


async def test_expiry_of_more_than_a_batch(pool: Pool, inventory: Inventory, placement: Placement) -> None:
    await inventory.host(1, memory_mb=10_000_000, cores=1000)
    await inventory.subnet(1, await inventory.portgroup(1, [1]), cooldown_seconds=0)
    await placement.ask(*[request(lease_seconds=60) for _ in range(230)])
    placement.pass_time(61)
    assert len(await placement.expire()) == 230
    assert await held(pool) == []


async def test_a_confirmed_reservation_never_expires(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    await placement.show(made(inventory, answer))
    placement.pass_time(100_000)
    assert await placement.expire() == []
    assert [kind for _, kind in await held(pool)] == ["reservation"] * 2


async def test_a_vm_that_the_inventory_shows_is_confirmed_rather_than_expired(
    inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    """G2: placement was down when the VM was made; its fact still waits in the queue."""
    await inventory.show(made(inventory, answer, reservation=None))
    placement.pass_time(100_000)
    event = only(await placement.expire())
    assert isinstance(event, VmCreateConfirmed)
    assert event.recognised_by == "mac"


async def test_a_vm_with_a_nic_missing_at_expiry_gives_that_address_back(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    whole = made(inventory, answer)
    part = whole.model_copy(update={"ports": tuple(p for p in whole.ports if p.key == 4000)})
    await inventory.show(part)
    placement.pass_time(100_000)
    event = only(await placement.expire())
    assert isinstance(event, VmCreateConfirmed)
    assert [bound.index for bound in event.ports] == [0]
    assert await held(pool) == [("10.0.1.1", "reservation"), ("10.0.1.2", "cooling")]


async def test_a_late_vm_gets_its_addresses_back(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    placement.pass_time(901)
    assert isinstance(only(await placement.expire()), VmCreateExpired)
    event = only(await placement.show(made(inventory, answer)))
    assert isinstance(event, VmCreateConfirmed)
    assert await held(pool) == [("10.0.1.1", "reservation"), ("10.0.1.2", "reservation")]


async def test_a_late_vm_whose_address_is_taken_is_left_to_the_allocator(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    """G1: the newer holder keeps the address."""
    placement.pass_time(901)
    await placement.expire()
    async with transaction(pool) as conn:
        rival = Claim("10.0.1.2", Holder("sighting", uuid4()), placement.now)
        await occupy(conn, scope_id("default"), [rival])
    assert await placement.show(made(inventory, answer)) == []
    assert await held(pool) == [("10.0.1.1", "cooling"), ("10.0.1.2", "sighting")]
    assert await state(pool, answer.reservation) == "expired"


async def test_a_late_fact_about_a_vm_that_is_gone_confirms_nothing(
    inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    """G3."""
    fact = made(inventory, answer)
    await inventory.show(fact.model_copy(update={"sequence": fact.sequence + 10}), removed=True)
    assert await placement.show(fact) == []


async def reply_to(placement: Placement, command: Event) -> CommandReplied:
    reply = only(await placement.ask(command))
    assert isinstance(reply, CommandReplied)
    return reply


async def test_cancelled_by_command(pool: Pool, placement: Placement, answer: VmCreatePlaced) -> None:
    """Addresses are free at once: who cancels says that no VM has them."""
    command = ReservationCancel(reservation=answer.reservation, note="changed my mind")
    for _ in range(2):
        reply = await reply_to(placement, command)
        assert reply.result == {"reservation": str(answer.reservation), "state": "cancelled"}
    assert await held(pool) == []
    cancelled = [event for event, _ in await placement.sent() if isinstance(event, VmCreateCancelled)]
    assert [event.note for event in cancelled] == ["changed my mind"]


async def test_extended_by_command(placement: Placement, answer: VmCreatePlaced) -> None:
    until = answer.expires_at + timedelta(hours=1)
    reply = await reply_to(placement, ReservationExtend(reservation=answer.reservation, until=until))
    assert reply.result is not None
    assert reply.result["expires_at"] == until.isoformat()
    placement.pass_time(3600)
    assert await placement.expire() == []
    placement.pass_time(3600)
    assert len(await placement.expire()) == 1


@pytest.mark.parametrize("text", ["vm-7", "web"])
async def test_confirmed_by_command(
    inventory: Inventory, placement: Placement, answer: VmCreatePlaced, text: str
) -> None:
    ports = [port(4000, "00:50:56:aa:00:01"), port(4001, "00:50:56:aa:00:02")]
    await inventory.show(inventory.vm_fact("vm-7", *ports, name="web"))
    command = ReservationConfirm(reservation=answer.reservation, vm=text)
    for _ in range(2):
        reply = await reply_to(placement, command)
        assert reply.result is not None
        assert (reply.result["state"], reply.result["vm"]) == ("confirmed", "vm-7")
    confirmed = [event for event, _ in await placement.sent() if isinstance(event, VmCreateConfirmed)]
    assert [event.recognised_by for event in confirmed] == ["command"]


async def test_commands_that_cannot_be_carried_out_say_why(
    inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    async def code(command: Event) -> str:
        reply = await reply_to(placement, command)
        assert reply.complaint is not None
        assert reply.complaint.message
        return reply.complaint.code

    reservation = answer.reservation
    later = placement.now + timedelta(days=8)
    assert await code(ReservationCancel(reservation=uuid4())) == "reservation_unknown"
    assert await code(ReservationConfirm(reservation=reservation, vm="nobody")) == "vm_unknown"
    assert await code(ReservationExtend(reservation=reservation, until=placement.now)) == "invalid_time"
    assert await code(ReservationExtend(reservation=reservation, until=later)) == "lease_too_long"
    for moid in ("vm-1", "vm-2"):
        await inventory.show(inventory.vm_fact(moid, name="twin"))
    assert await code(ReservationConfirm(reservation=reservation, vm="twin")) == "vm_ambiguous"
    assert await code(ReservationConfirm(reservation=reservation, vm="vm-1")) == "vm_does_not_match"
    await placement.show(made(inventory, answer))
    assert await code(ReservationCancel(reservation=reservation)) == "already_confirmed"
    assert await code(ReservationExtend(reservation=reservation, until=later)) == "already_confirmed"
