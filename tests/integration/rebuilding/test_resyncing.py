"""A rebuild from a fresh read of the vCenters and the operators' decisions, where the log was cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.cli.demo.stage import eventually
from services.cli.rebuilding.replacing import replace
from services.cli.rebuilding.resyncing import FromResync
from services.cli.rebuilding.telling import Teller
from services.cli.rebuilding.verifying import Verdict, verify
from services.collector import registry
from shared.events.address_commands import AddressBind, AddressReserve
from shared.events.address_sharing import AddressShare
from shared.events.commands import SubnetSetWire
from shared.events.subnet import AddressRange
from shared.runtime.errors import PermanentError
from shared.store.scratch import drop_scratch, scratch_names
from tests.integration.rebuilding.day import Day, a_day
from tests.integration.rebuilding.test_random_day import SEEDS

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]
QUIET = Teller(quiet=True)


async def _verified(day: Day) -> Verdict:
    return await verify(day.source, FromResync(timedelta(minutes=1)), QUIET)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bus", ["embedded", "rabbitmq"])
async def test_g3_a_fresh_read_and_the_decisions_make_the_live_state(
    bus: str, seed: int, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Nothing differs after some hours with everything in them; the log before the read is not looked at."""
    amqp = request.getfixturevalue("rabbitmq_url") if bus == "rabbitmq" else None
    async with a_day(tmp_path, database, amqp, seed) as day:
        await day.make_subnets()
        await day.live(8)
        if amqp is None:
            await day.platform.pool.execute("DELETE FROM bus.message WHERE logged")
        verdict = await _verified(day)
        assert verdict.equal, (day.done, verdict.as_json())
        assert verdict.skips == 0, verdict.skipped
        assert verdict.rows > 300


DECISIONS = (
    "SELECT id, name, prefix, revision FROM ipam.subnet",
    "SELECT * FROM ipam.subnet_wire WHERE role <> 'detected'",
    "SELECT * FROM ipam.reserved_address WHERE until IS NULL OR until > {lasting}",
    "SELECT scope_id, address FROM ipam.address WHERE holder_kind = 'reserved'"
    " AND (until IS NULL OR until > {lasting})",
    "SELECT * FROM inventory.fix",
    "SELECT * FROM inventory.statement WHERE source <> 'reservation'",
    "SELECT * FROM inventory.wire_mapping",
    "SELECT * FROM inventory.shared_address",
    # One that is held may be confirmed any moment, when its VM is seen.
    "SELECT id, nics, state IN ('held', 'confirmed') FROM placement.reservation WHERE expires_at > {lasting}",
)


async def _decisions(day: Day, lasting: datetime) -> list[list[str]]:
    """Less those that end by themselves before `lasting`."""
    moment = f"'{lasting.isoformat()}'::timestamptz"
    queries = [query.format(lasting=moment) for query in DECISIONS]
    return [sorted(map(repr, await day.platform.pool.fetch(query))) for query in queries]


async def _decide_of_each_kind(day: Day) -> None:
    plan = next(p for p in day.simulator.world.natural_subnets()[1:] if ":" not in p.prefix)
    subnet = f"{plan.name}-{plan.prefix}"
    first = ip_network(plan.prefix).network_address
    wires = await day.platform.pool.fetch("SELECT id FROM inventory.wire WHERE NOT uplink ORDER BY id")
    ranges = (AddressRange(first=str(first + 240), last=str(first + 243)),)
    await day.order(AddressReserve(ranges=ranges, note="kept", by="day"))
    await day.order(AddressShare(address=str(first + 245), note="a VIP", by="day"))
    await day.order(AddressBind(address=str(first + 246), mac="00:50:56:00:00:99", by="day"))
    roles: tuple[Any, ...] = ("pin", "deny")
    for wire, policy in zip(wires, roles, strict=False):
        await day.order(SubnetSetWire(subnet=subnet, wire=str(wire["id"]), policy=policy, by="day"))
    for _ in range(3):
        await day.fix()
        await day.provision()


_RECORDS = """
SELECT n.id, n.vm_name, min(a.since) AS since
FROM inventory.nic n JOIN inventory.nic_address a ON a.nic_id = n.id GROUP BY n.id ORDER BY n.id
"""


async def test_g5_what_was_damaged_is_found_and_mended_and_every_decision_stays(day: Day) -> None:
    """NIC records deleted and changed, addresses let go of, a VM that never was; with no log to tell."""
    await day.live(4)
    await _decide_of_each_kind(day)
    await day.quiet()
    pool = day.platform.pool
    sound = await pool.fetch(_RECORDS)
    lasting = datetime.now(UTC) + timedelta(minutes=4)
    decided = await _decisions(day, lasting)
    deleted, changed = sound[0]["id"], sound[1]["id"]
    await pool.execute("DELETE FROM ipam.address WHERE holder_kind = 'nic' AND holder_id = $1", deleted)
    await pool.execute("DELETE FROM inventory.nic WHERE id = $1", deleted)
    await pool.execute("DELETE FROM inventory.nic_address WHERE nic_id = $1", deleted)
    await pool.execute("UPDATE inventory.nic SET mac = '02:00:00:00:00:01' WHERE id = $1", changed)
    await pool.execute("DELETE FROM inventory.unmatched")
    await pool.execute(
        "INSERT INTO inventory.vm (vcenter_id, moid, epoch, sequence, observed_at, name)"
        " SELECT id, 'vm-never', 1, 1, now(), 'ghost' FROM inventory.vcenter"
    )
    await pool.execute("DELETE FROM bus.message WHERE logged")

    found = await _verified(day)
    told = {(d.table, d.key, d.column) for d in found.differences}
    assert ("inventory.nic", str(deleted), None) in told
    assert ("inventory.nic", str(changed), "mac") in told
    assert found.by_table["ipam.address"] >= 1, found.as_json()
    assert found.by_table["inventory.vm"] == 1, found.as_json()
    assert {table for table, _, _ in told} <= {
        "inventory.nic", "inventory.nic_address", "inventory.unmatched", "inventory.vm", "ipam.address",
        "ipam.free_interval",
    }, found.as_json()  # fmt: skip
    assert found.as_json()["compared"]["not_compared"]["inventory.tenure"].startswith("of the past")

    busy = asyncio.create_task(day.change_vcenter(20))
    replaced = await replace(day.source, FromResync(timedelta(minutes=1)), QUIET)
    await busy
    assert await _decisions(day, lasting) == decided
    after = {row["id"]: row for row in await pool.fetch(_RECORDS)}
    assert after[deleted]["since"] == sound[0]["since"], "it has it since then, not since the read"
    verdict = await _verified(day)
    assert verdict.equal, verdict.as_json()
    await drop_scratch(day.platform.database_url, replaced.before)


async def test_g4_a_read_that_tells_no_addresses_frees_none(day: Day) -> None:
    """Tools that fell silent since, and VMs that are off: their records are made of what was said before."""
    await day.quiet()
    pool = day.platform.pool
    before = await pool.fetch("SELECT nic_id, since FROM inventory.nic_address ORDER BY nic_id, address")
    for machine in list(day.simulator.world.machines.values()):
        if machine.power == "poweredOn":
            day.simulator.world.power(machine, on=False)
    await eventually(partial(_powered_on, day), lambda number: number == 0, within=30)
    await day.quiet()
    await pool.execute("DELETE FROM bus.message WHERE logged")
    replaced = await replace(day.source, FromResync(timedelta(minutes=1)), QUIET)
    assert (
        await pool.fetch("SELECT nic_id, since FROM inventory.nic_address ORDER BY nic_id, address") == before
    )
    assert before
    await drop_scratch(day.platform.database_url, replaced.before)


async def test_a_vcenter_that_is_not_watched_any_more_stays_as_it_is_known(day: Day) -> None:
    """Nobody can read it; what is known of it is taken over, and said to be."""
    await day.live(2)
    await day.quiet()
    pool = day.platform.pool
    other = uuid4()
    await pool.execute(
        "INSERT INTO inventory.vcenter (id, name, scope_id, state, epoch, sequence, current_to)"
        " SELECT $1, 'closed', scope_id, 'lost', 3, 9, now() FROM inventory.vcenter",
        other,
    )
    await pool.execute(
        "INSERT INTO inventory.host (vcenter_id, moid, epoch, sequence, observed_at, name)"
        " VALUES ($1, 'host-1', 3, 4, now(), 'esx-closed')",
        other,
    )
    verdict = await _verified(day)
    assert verdict.equal, verdict.as_json()
    assert verdict.as_json()["begun"]["not_read"] == ["closed"]
    assert "closed" in (verdict.origin.sentence or "")


async def test_a_vcenter_that_does_not_answer_is_named_and_nothing_is_replaced(day: Day) -> None:
    """Too slow, out of sight, paused, or none at all: each with its own words and its next step."""
    await day.quiet()
    pool = day.platform.pool
    await pool.execute("DELETE FROM inventory.unmatched")
    async with refused("vcenter_unread", "'lab' was not read within 0 s; lab is in state", "--wait"):
        await replace(day.source, FromResync(timedelta(0)), QUIET)
    await pool.execute("UPDATE collector.vcenter SET url = 'https://127.0.0.1:9/sdk'")
    await eventually(partial(_state, day), lambda state: state == "lost", within=60)
    async with refused("vcenter_unreadable", "'lab' can't be read anew, as it is out of sight", "check lab"):
        await replace(day.source, FromResync(), QUIET)
    await registry.pause(pool, "lab")
    async with refused("vcenter_unreadable", "as it is paused", "vcenter resume lab"):
        await replace(day.source, FromResync(), QUIET)
    await pool.execute("UPDATE collector.vcenter SET instance_uuid = NULL")
    async with refused("vcenter_unreadable", "no vCenter is watched", "--from FILE"):
        await replace(day.source, FromResync(), QUIET)
    assert await pool.fetchval("SELECT count(*) FROM inventory.unmatched") == 0, "as it was left"
    assert await scratch_names(day.platform.database_url) == []


async def test_g4_a_read_that_the_brake_holds_is_no_beginning(day: Day) -> None:
    """Much that was there is not in the read: whether it is gone, a person says."""
    await day.quiet()
    await day.platform.pool.execute(
        "INSERT INTO collector.known_object (vcenter_id, kind, moid, epoch)"
        " SELECT instance_uuid, 'vm', 'vm-gone-' || n, 1 FROM collector.vcenter, generate_series(1, 200) n"
    )
    async with refused("sweep_held", "'lab' lacks much that was there .200 of kind vm.", "release-brake lab"):
        await replace(day.source, FromResync(timedelta(minutes=1)), QUIET)
    assert await scratch_names(day.platform.database_url) == []


async def _powered_on(day: Day) -> int:
    query = "SELECT count(*) FROM inventory.vm WHERE power = 'on' AND NOT removed"
    return int(await day.platform.pool.fetchval(query))


async def _state(day: Day) -> str:
    return str(await day.platform.pool.fetchval("SELECT state FROM collector.vcenter"))


@asynccontextmanager
async def refused(code: str, words: str, hint: str) -> AsyncIterator[None]:
    """The block is refused like this."""
    with pytest.raises(PermanentError, match=words) as told:
        yield
    assert told.value.code == code
    assert hint in (told.value.hint or "")
