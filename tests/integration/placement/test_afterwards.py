"""After a VM was confirmed: Tools agree or not. And what would be, asked without holding anything."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.placement.domain.deciding import Choice
from services.placement.sampling import sample_use
from services.placement.what_if import days_until_full, evacuate, how_many_fit, place_without
from shared.events.inventory import VmPort
from shared.events.placement import VmCreateDrifted, VmCreatePlaced, VmCreateVerified
from shared.model.identifiers import port_id, scope_id, vm_id, wire_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool, transaction
from tests.integration.placement.conftest import Placement, held, request
from tests.integration.placement.inventory import START, VCENTER, Inventory

pytestmark = pytest.mark.postgres


async def confirmed(pool: Pool, inventory: Inventory, placement: Placement) -> tuple[VmCreatePlaced, UUID]:
    """A reservation confirmed by its VM, and the port that the allocator gave its address to."""
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    answer = await placement.place(request())
    port = VmPort(
        key=4000,
        label="n",
        adapter="vmxnet3",
        connected=True,
        network="dvportgroup-1",
        mac=answer.nics[0].mac,
    )
    fact = inventory.vm_fact("vm-7", port, reservation=answer.reservation)
    await inventory.show(fact)
    assert len(await placement.show(fact)) == 1
    vm = vm_id(VCENTER, "vm-7", fact.instance_uuid)
    identity = port_id(vm, 4000)
    placed = answer.nics[0].addresses[0]
    await pool.execute(
        "INSERT INTO inventory.statement (port_id, address, source, vm_id, device_key, scope_id, subnet_id,"
        " reservation, at) VALUES ($1, $2, 'reservation', $3, 4000, $4, $5, $6, $7)",
        identity, placed.address, vm, scope_id("default"), placed.subnet, answer.reservation, START,
    )  # fmt: skip
    return answer, identity


async def see(pool: Pool, port: UUID, *addresses: str) -> None:
    """Tools report these addresses on the port, and no others."""
    await pool.execute("UPDATE inventory.sighting SET live = false WHERE port_id = $1", port)
    for address in addresses:
        await pool.execute(
            "INSERT INTO inventory.sighting (vcenter_id, moid, device_key, address, wire_id, port_id,"
            " first_seen, since, live) VALUES ($1, 'vm-7', 4000, $2, $3, $4, $5, $5, true)"
            " ON CONFLICT (vcenter_id, moid, device_key, address, wire_id) DO UPDATE SET live = true",
            VCENTER, address, wire_id(VCENTER, "dvportgroup-1"), port, START,
        )  # fmt: skip


async def verify(placement: Placement) -> list[object]:
    before = len(await placement.sent())
    await placement.handlers.verify()
    return [event for event, _ in (await placement.sent())[before:]]


async def test_tools_verify_what_was_reserved(pool: Pool, inventory: Inventory, placement: Placement) -> None:
    _, port = await confirmed(pool, inventory, placement)
    assert await verify(placement) == []
    await see(pool, port, "fe80::1")
    assert await verify(placement) == []
    await see(pool, port, "fe80::1", "10.0.1.1")
    [event] = await verify(placement)
    assert isinstance(event, VmCreateVerified)
    assert event.nics[0].seen == ("10.0.1.1",)
    assert await verify(placement) == []


async def test_drift_names_both_addresses_and_ends_when_they_agree(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    answer, port = await confirmed(pool, inventory, placement)
    await see(pool, port, "10.0.1.99")
    [event] = await verify(placement)
    assert isinstance(event, VmCreateDrifted)
    assert event.reservation == answer.reservation
    assert (event.nics[0].reserved, event.nics[0].seen) == (("10.0.1.1",), ("10.0.1.99",))
    assert await verify(placement) == []
    await see(pool, port, "10.0.1.1")
    [event] = await verify(placement)
    assert isinstance(event, VmCreateVerified)


async def test_how_many_more_fit(pool: Pool, inventory: Inventory, placement: Placement) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    await placement.place(request(memory_mb=12 * 1024))
    shape = request(memory_mb=12 * 1024)
    room = await how_many_fit(pool, shape, now=START)
    assert (room.count, sorted(room.by_host.values())) == (9, [4, 5])
    assert room.stopped_by == "2 hosts see subnet net-1; 2 lack 12 GiB of memory"
    assert (await how_many_fit(pool, shape, without=["esx-2"], now=START)).count in {4, 5}
    assert (await how_many_fit(pool, request(), now=START, limit=7)).limited
    real = await placement.ask(*[request(memory_mb=12 * 1024) for _ in range(11)])
    assert len([answer for answer in real if isinstance(answer, VmCreatePlaced)]) == 9


async def test_addresses_end_it_too(pool: Pool, inventory: Inventory) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), prefix="10.0.1.0/29")
    room = await how_many_fit(pool, request(), now=START)
    assert room.count == 6
    assert "no address of 10.0.1.0/29 is free" in room.stopped_by
    assert await held(pool) == []


async def test_without_a_host(pool: Pool, inventory: Inventory) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    verdict = await place_without(pool, request(), ["host-1"], now=START)
    assert isinstance(verdict, Choice)
    assert verdict.host.name == "esx-2"
    with pytest.raises(PermanentError, match="no host 'esx-9' is known"):
        await place_without(pool, request(), ["esx-9"], now=START)


async def test_what_becomes_of_a_hosts_vms(pool: Pool, inventory: Inventory) -> None:
    """esx-2 has the port group of vm-1 and vm-2, and room for the larger one; nobody else has pg-2."""
    await inventory.portgroup(1, [1, 2])
    await inventory.portgroup(2, [1])
    for number, (memory, network) in enumerate([(40, 1), (30, 1), (1, 2)], 1):
        port = VmPort(
            key=4000, label="n", adapter="vmxnet3", connected=True, network=f"dvportgroup-{network}"
        )
        await inventory.show(inventory.vm_fact(f"vm-{number}", port, memory_mb=memory * 1024))
    found = await evacuate(pool, "esx-1", now=START)
    assert [(move.moid, move.to) for move in found.moves] == [
        ("vm-1", "esx-2"),
        ("vm-2", None),
        ("vm-3", None),
    ]
    assert [move.because for move in found.stranded] == [
        "1 lacks 30 GiB of memory",
        "no other host has its port groups",
    ]


async def test_days_until_a_subnet_is_full(pool: Pool, inventory: Inventory, placement: Placement) -> None:
    """Six addresses, one more a day: after three days of samples three are left, for three days."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), prefix="10.0.1.0/29")
    assert (await days_until_full(pool, "net-1", now=START)).days is None
    for day in range(4):
        now = START + timedelta(days=day)
        async with transaction(pool) as conn:
            assert await sample_use(conn, now, timedelta(hours=1)) == 1
            assert await sample_use(conn, now, timedelta(hours=1)) == 0
        if day < 3:
            await placement.place(request(lease_seconds=604800))
    found = await days_until_full(pool, "net-1", now=now)
    assert (found.capacity, found.used, found.basis, found.samples) == (6, 3, "samples", 4)
    assert found.days == pytest.approx(3.0)
    assert found.full_at == now + timedelta(days=3)
