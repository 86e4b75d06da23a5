"""G3: allocators that know networks from before do, event by event, what one does that asks each time."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from shared.events import commands as cmd
from shared.events import inventory as inv
from shared.events.envelope import Envelope
from shared.events.subnet_commands import SubnetMove, SubnetSplit
from shared.store.pool import Pool, open_pool
from tests.integration.allocator.knowing import assert_true
from tests.integration.allocator.story import Stage, Teller
from tests.integration.allocator.test_decisions_among_many import Plan, plan, work

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]

SEEDS = [int(seed) for seed in os.environ.get("PATCHBAY_TEST_DAYS", "21,22,23").split(",")]


def with_wires(schedule: Plan, dice: random.Random) -> list[list[Envelope[Any]]]:
    """The plan's jobs, and between them port groups that change; some commands are only tried first."""
    say, jobs = Teller(epoch=3), []
    for number, job in enumerate(schedule.jobs):
        if dice.random() < 0.15:
            moid = f"pg-{dice.choice(('web', 'app', 'lab'))}"
            jobs.append([_portgroup(say, moid, dice)])
        command = job[0].data
        if isinstance(command, cmd.SubnetCreate | SubnetSplit | SubnetMove) and number > 4:
            tried = command.model_copy(update={"dry_run": True})
            jobs.append([job[0].model_copy(update={"data": tried, "id": f"{job[0].id}:tried"})])
        jobs.append(job)
    return jobs


def _portgroup(say: Teller, moid: str, dice: random.Random) -> Envelope[Any]:
    if dice.random() < 0.2:
        return say.portgroup_gone(moid)
    vlan: Any = dice.choice((inv.VlanNone(), inv.VlanId(id=7), inv.VlanTrunk(ranges=((5, 9),))))
    return say.envelope(
        inv.PortgroupChanged, moid=moid, name=dice.choice((moid[3:], "web", "new")), kind="distributed",
        vlan=vlan, switch=dice.choice(("dvs-1", "dvs-2")),
    )  # fmt: skip


async def _outcome(pool: Pool) -> tuple[list[bytes], dict[str, list[str]]]:
    """All events as they were told, and the state."""
    told = await pool.fetch("SELECT body FROM bus.outbox ORDER BY id")
    return [row["body"] for row in told], await Stage(pool).dump()


async def _forget_all(pool: Pool) -> None:
    tables = [table for table in await Stage(pool).dump() if table != "ipam.scope"]
    await pool.execute(f"TRUNCATE bus.outbox, audit.command, {', '.join(tables)} CASCADE")


@pytest.mark.parametrize("seed", SEEDS)
async def test_g3_two_allocators_that_remember_do_as_one_that_does_not(
    pool: Pool, database: str, seed: int
) -> None:
    """Whoever does the next job, what both know is true after it, and every event is the same to the byte."""
    dice = random.Random(seed)  # noqa: S311  a reproducible schedule, no secret
    jobs = with_wires(plan(dice), dice)
    other = await open_pool(database, name="other", size=2)
    two = [Stage(pool), Stage(other)]
    for job in jobs:
        await work(dice.choice(two), [job])
        for each in two:
            await assert_true(each)
    events, state = await _outcome(pool)
    other.terminate()
    await _forget_all(pool)
    # With other plans the database has rows in another order: neither may what is told depend on that.
    name = await pool.fetchval("SELECT current_database()")
    for setting in ("enable_seqscan", "enable_hashjoin"):
        await pool.execute(f'ALTER DATABASE "{name}" SET {setting} = off')
    alone = await open_pool(database, name="alone", size=2)
    for job in jobs:
        await work(Stage(alone), [job])
    alone.terminate()
    events_anew, state_anew = await _outcome(pool)
    assert len(events) > 100, "the schedule shows nothing"
    assert events == events_anew
    for table, rows in state_anew.items():
        assert state[table] == rows, table
