"""Who asked for what, and what followed from what, over all services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli.asking import origin
from services.cli.demo.stage import eventually
from services.cli.rebuilding.playing import pieces
from services.cli.tracing.chains import Chain, as_trees
from services.cli.tracing.searching import find_chain
from services.cli.tracing.spans import as_otlp
from shared.audit.reading import Asked, Recorded, find_commands, list_commands
from shared.audit.recording import prune
from shared.bus.port import LogEntry
from shared.events import commands as cmd
from shared.events.codec import decode
from shared.events.envelope import Envelope
from tests.integration.rebuilding.day import Day, a_day

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(240)]


async def _recorded(day: Day, **asked: Any) -> list[Recorded]:
    async with day.platform.pool.acquire() as conn:
        return await list_commands(conn, Asked(**asked), 100)


async def test_every_service_notes_what_it_was_asked_and_answered(day: Day) -> None:
    """Accepted and refused, by whom, from where, and which events tell of it."""
    await day.order(cmd.SubnetCreate(name="web", prefix="10.99.0.0/24", wire="nothing-like-it", by="anna"))
    wire = str(await day.platform.pool.fetchval("SELECT id FROM inventory.wire WHERE NOT uplink LIMIT 1"))
    await day.order(cmd.SubnetCreate(name="web", prefix="10.99.0.0/24", wire=wire, by="anna"))
    vcenter = await day.platform.pool.fetchval("SELECT instance_uuid FROM collector.vcenter")
    await day.order(cmd.VcenterResync(vcenter=vcenter, by="berta"))
    await day.order(cmd.ReservationCancel(reservation=vcenter, by="berta"))

    made, refused = await _recorded(day, by="Anna")
    assert (refused.outcome, refused.code) == ("refused", "wire_unknown")
    assert "nothing-like-it" in (refused.message or "")
    assert (made.outcome, made.service, made.asked["name"]) == ("accepted", "allocator", "web")
    program, _, account = origin().partition(" ")
    assert (made.program, f"{made.os_user}@{made.host}") == (program, account)
    assert "subnet.created" in [change["type"] for change in made.changes]
    told = {row.type: row for row in await _recorded(day, by="berta")}
    assert told["command.vcenter.resync"].service == "collector"
    assert told["command.vcenter.resync"].outcome == "accepted"
    assert told["command.reservation.cancel"].code == "reservation_unknown"
    assert [row.id for row in await _recorded(day, about="WEB")] == [made.id, refused.id]
    assert [row.id for row in await _recorded(day, about="10.99.0.0/24", outcome="accepted")] == [made.id]
    assert {row.by for row in await _recorded(day, kind="vcenter")} == {"berta"}
    async with day.platform.pool.acquire() as conn:
        assert [row.id for row in await find_commands(conn, made.id[:12])] == [made.id]

    assert await prune(day.platform.pool, datetime.now(UTC) - timedelta(days=1)) == 0
    assert await prune(day.platform.pool, datetime.now(UTC) + timedelta(days=1)) >= 4
    assert await _recorded(day) == []


async def _entries(day: Day, kind: str) -> list[LogEntry]:
    return [
        entry
        async for piece in pieces(day.platform.bus, "first")
        for entry in piece
        if entry.message.type == kind
    ]


async def _chain(day: Day, identity: str) -> Chain:
    found = await find_chain(day.platform.bus, identity, "first", lambda *_: None)
    assert found is not None
    return found


async def test_a_vcenters_change_is_traced_to_its_nic_event_and_back(day: Day) -> None:
    """From either end the same chain; each hop in the trace of the first."""
    await day.quiet()
    await eventually(lambda: _entries(day, "nic.created"), lambda rows: len(rows) > 5, within=30)
    created = decode((await _entries(day, "nic.created"))[-1].message.body)
    down = await _chain(day, created.causationid or "")
    up = await _chain(day, created.id)
    assert created.id in down.hops
    assert down.hops.keys() == up.hops.keys(), (created, down.hops.values(), up.hops.values())
    first = min(up.hops.values(), key=lambda hop: hop.offset)
    assert first.type.startswith(("guest.", "inventory.", "command."))
    assert {(hop.traceparent or "")[3:35] for hop in up.hops.values()} == {(first.traceparent or "")[3:35]}
    spans = [s for r in as_otlp(up.hops.values())["resourceSpans"] for s in r["scopeSpans"][0]["spans"]]
    assert len({span["spanId"] for span in spans}) == len(up.hops)
    assert {span["traceId"] for span in spans} == {(first.traceparent or "")[3:35]}


async def test_a_request_is_traced_to_the_nic_record_of_its_vm(day: Day) -> None:
    """request → placed; the VM → confirmed → nic: one chain, whichever of them is asked about."""
    for _ in range(20):
        await day.provision()
        if await _entries(day, "vm.create.confirmed"):
            break
    confirmed = await eventually(
        lambda: _entries(day, "vm.create.confirmed"), lambda rows: len(rows) > 0, within=30
    )
    at = decode(confirmed[0].message.body)

    async def chain() -> set[str]:
        return {hop.type for hop in (await _chain(day, at.id)).hops.values()}

    wanted = {"vm.create.requested", "vm.create.placed", "inventory.vm.changed", "vm.create.confirmed"}
    await eventually(chain, lambda types: wanted < types, within=30)
    whole = await _chain(day, at.id)
    nics = [hop for hop in whole.hops.values() if hop.type.startswith("nic.")]
    assert nics
    request = next(hop for hop in whole.hops.values() if hop.type == "vm.create.requested")
    # What placement says of the VM later belongs to it as well.
    assert (await _chain(day, request.id)).hops.keys() >= whole.hops.keys()
    assert (await _chain(day, nics[0].id)).hops.keys() >= whole.hops.keys()
    tops = as_trees(whole.hops.values())
    assert {top.hop.type for top in tops} <= {"vm.create.requested", "inventory.vm.changed"}


@pytest.mark.rabbitmq
async def test_a_chain_is_whole_over_rabbitmq(database: str, rabbitmq_url: str, tmp_path: Path) -> None:
    """A command and what it changed; another address in vCenter and its NIC event: ids survive the broker."""
    async with a_day(tmp_path, database, rabbitmq_url, seed=7) as day:
        await day.make_subnets()
        await eventually(lambda: _entries(day, "nic.created"), lambda rows: len(rows) > 5, within=30)
        asked = decode((await _entries(day, "command.subnet.create"))[-1].message.body)
        chain = await _chain(day, asked.id)
        assert {"command.subnet.create", "subnet.created"} <= {hop.type for hop in chain.hops.values()}
        assert asked.origin == origin()

        await day.quiet()
        before = datetime.now(UTC)
        world = day.simulator.world
        vm = next(vm for vm in world.machines.values() if vm.guest.tools_running and vm.nics)
        world.move_nic(vm, vm.nics[0].key, vm.nics[0].network, renumber=True)

        async def updated() -> list[Envelope[Any]]:
            told = [decode(entry.message.body) for entry in await _entries(day, "nic.updated")]
            return [envelope for envelope in told if envelope.time > before]

        last = (await eventually(updated, lambda told: len(told) > 0, within=30))[-1]
        chain = await _chain(day, last.id)
        first = min(chain.hops.values(), key=lambda hop: hop.offset)
        assert first.type == "guest.addresses.changed"
        assert (await _chain(day, first.id)).hops.keys() == chain.hops.keys()
        assert {(hop.traceparent or "")[3:35] for hop in chain.hops.values()} == {
            (first.traceparent or "")[3:35]
        }


async def test_an_id_that_is_nowhere_leads_to_nothing(day: Day) -> None:
    """Not an empty chain: none."""
    assert await find_chain(day.platform.bus, "no-such-id", "first", lambda *_: None) is None
