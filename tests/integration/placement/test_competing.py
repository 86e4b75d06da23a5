"""Many processes answer at once: never one too many, never one too few (G1, G7)."""

from __future__ import annotations

import asyncio

import pytest

from services.placement.settings import PlacementSettings
from shared.events.inventory import VmPort
from shared.events.placement import NicRequest, VmCreatePlaced, VmCreateRefused
from shared.runtime.errors import ConflictError
from shared.store.pool import Pool, open_pool
from tests.integration.placement.conftest import Placement, held, request
from tests.integration.placement.inventory import Inventory

pytestmark = pytest.mark.postgres

PROCESSES = 16


async def answers(
    database: str, asks: list[list[NicRequest]], **values: int
) -> list[VmCreatePlaced | VmCreateRefused]:
    """Each ask answered by a placement of its own, with its own pool and caches, all at once."""
    pools = [await open_pool(database, name=f"placement-{n}", size=2) for n in range(len(asks))]
    requests = [request(*nics, **values) for nics in asks]

    async def answer(pool: Pool, number: int) -> None:
        placement = Placement(pool)
        for _ in range(10):
            try:
                await placement.handlers.requests([placement.received(requests[number], None)])
            except ConflictError:  # as the consuming loop does
                continue
            return
        raise AssertionError("ten conflicts in a row")

    await asyncio.gather(*(answer(pool, number) for number, pool in enumerate(pools)))
    wanted = {asked.request_id for asked in requests}
    sent = [event for event, _ in await Placement(pools[0]).sent()]
    for pool in pools:
        await pool.close()
    found = [event for event in sent if isinstance(event, VmCreatePlaced | VmCreateRefused)]
    assert {event.request_id for event in found} == wanted
    assert len(found) == len(wanted)
    return found


def placed(found: list[VmCreatePlaced | VmCreateRefused]) -> list[VmCreatePlaced]:
    return [event for event in found if isinstance(event, VmCreatePlaced)]


def refused(found: list[VmCreatePlaced | VmCreateRefused]) -> list[VmCreateRefused]:
    return [event for event in found if isinstance(event, VmCreateRefused)]


async def test_the_last_addresses_go_to_exactly_as_many_as_there_are(
    database: str, pool: Pool, inventory: Inventory
) -> None:
    """G1: six addresses, sixteen who want one."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), prefix="10.0.1.0/29")
    found = await answers(database, [[NicRequest(subnet="net-1")]] * PROCESSES)
    given = [event.nics[0].addresses[0].address for event in placed(found)]
    assert sorted(given) == [f"10.0.1.{n}" for n in range(1, 7)]
    assert await held(pool) == [(address, "reservation") for address in sorted(given)]
    assert all("net-1" in event.reason for event in refused(found))


async def test_the_last_memory_goes_to_exactly_as_many_as_fit(
    database: str, pool: Pool, inventory: Inventory
) -> None:
    """Two hosts of 64 GiB, sixteen VMs of 12 GiB: five on each."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    found = await answers(database, [[NicRequest(subnet="net-1")]] * PROCESSES, memory_mb=12 * 1024)
    hosts = [event.host for event in placed(found)]
    assert sorted(hosts) == ["host-1"] * 5 + ["host-2"] * 5
    assert {event.reason for event in refused(found)} == {"2 hosts see subnet net-1; 2 lack 12 GiB of memory"}
    assert len(await held(pool)) == 10


async def test_the_last_ports_go_to_exactly_as_many_as_there_are(
    database: str, pool: Pool, inventory: Inventory
) -> None:
    """A port group of nine ports, two of them taken by a VM: seven for the sixteen who want one."""
    wire = await inventory.portgroup(1, [1, 2], binding="early", ports=9)
    await inventory.subnet(1, wire)
    plugged = [
        VmPort(key=key, label="NIC", adapter="vmxnet3", network="dvportgroup-1", connected=True)
        for key in (4000, 4001)
    ]
    await inventory.show(inventory.vm_fact("vm-1", *plugged))
    found = await answers(database, [[NicRequest(subnet="net-1")]] * PROCESSES)
    assert len(placed(found)) == 7
    assert await pool.fetchval("SELECT count(*) FROM placement.reservation_nic WHERE live") == 7
    assert {event.reason for event in refused(found)} == {"2 hosts see subnet net-1; 2 have no free port"}
    assert len(await held(pool)) == 7


async def test_crossed_subnets_do_not_deadlock(database: str, inventory: Inventory) -> None:
    """Half ask for (1, 2), half for (2, 1); thirteen addresses in each let thirteen have both."""
    wire = await inventory.portgroup(1, [1, 2])
    await inventory.subnet(1, wire, prefix="10.0.1.0/28", gateway="10.0.1.1")
    await inventory.subnet(2, wire, prefix="10.0.2.0/28", gateway="10.0.2.1")
    one, two = NicRequest(subnet="net-1"), NicRequest(subnet="net-2")
    found = await answers(database, [[one, two], [two, one]] * (PROCESSES // 2))
    assert len(placed(found)) == 13


async def test_one_request_delivered_to_many_is_answered_once(
    database: str, pool: Pool, inventory: Inventory
) -> None:
    """G3: a redelivery while the first delivery is still in work."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    asked = request()
    placements = [Placement(await open_pool(database, name=f"p-{n}", size=2)) for n in range(8)]
    batches = [
        placement.handlers.requests([placement.received(asked, "answers")]) for placement in placements
    ]
    await asyncio.gather(*batches)
    replies = [event for event, _ in await placements[0].sent(to_queue=True)]
    assert len(replies) == 8
    assert replies == [replies[0]] * 8
    assert len(await placements[0].sent()) == 1
    assert len(await held(pool)) == 1
    for placement in placements:
        await placement.pool.close()


async def test_requests_of_one_batch_share_what_there_is(pool: Pool, inventory: Inventory) -> None:
    placement = Placement(pool, PlacementSettings(memory_overcommit=1.0))
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    found = await placement.ask(*[request(memory_mb=30 * 1024) for _ in range(6)])
    assert [type(event) for event in found] == [VmCreatePlaced] * 4 + [VmCreateRefused] * 2
