"""Replays into a queue: marked, to nobody else, paused and resumed, and never losing one (G2, G3)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from shared.bus.port import Bus
from shared.events.codec import decode
from shared.events.selecting import Selection
from shared.events.topology import (
    ALLOCATOR_FACTS,
    COLLECTOR_COMMANDS,
    DEAD_LETTER_QUEUE,
    LOG,
    TOPOLOGY,
)
from shared.replay import jobs
from shared.replay.finding import stretch
from shared.replay.places import EventId
from shared.replay.plan import Progress, Target
from shared.replay.rules import KEY_HEADER, ORIGIN_HEADER, REPLAY_HEADER, check_queue
from shared.replay.running import WINDOW, summarise
from shared.replay.targets import queue_exists
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool
from tests.integration.replay.story import (
    EAVESDROPPER,
    MINE,
    VC2,
    beats,
    begun,
    drained,
    ids,
    log_of,
    order,
    plan_of,
    played,
    with_queues,
)


async def test_a_replay_reaches_one_queue_marked_and_otherwise_as_it_was(bus: Bus, pool: Pool) -> None:
    await bus.publish([*beats(3), order()])
    await with_queues(bus)
    before = await log_of(bus)
    replay = await begun(pool, await plan_of(bus, Target(queue=MINE)))
    progress = await played(bus, pool, replay)
    assert (progress.read, progress.sent) == (4, 3)
    found = await drained(bus, MINE)
    assert ids(found) == ["1-1", "1-2", "1-3"]
    for delivery, entry in zip(found, before, strict=False):
        message, original = delivery.message, entry.message
        assert message.headers[REPLAY_HEADER] == replay.id
        assert message.headers[KEY_HEADER] == original.routing_key
        assert datetime.fromisoformat(str(message.headers[ORIGIN_HEADER])) == entry.time
        assert (message.type, message.subject) == (original.type, original.subject)
        assert decode(message.body).replayed == replay.id
        said = json.loads(message.body)
        del said["replayed"]
        assert said == json.loads(original.body)
    assert await drained(bus, EAVESDROPPER) == [], "nobody else hears of it"
    assert [entry.offset for entry in await log_of(bus)] == [entry.offset for entry in before]


async def test_commands_are_left_out_unless_asked_for(bus: Bus, pool: Pool) -> None:
    await bus.publish([*beats(1), order()])
    await drained(bus, COLLECTOR_COMMANDS)
    without = await plan_of(bus, Target(queue=COLLECTOR_COMMANDS))
    found = await summarise(bus, without, lambda _: None)
    assert (found.sent, found.commands, found.not_for_queue) == (0, 1, 1)
    assert (await played(bus, pool, await begun(pool, without))).sent == 0
    assert await drained(bus, COLLECTOR_COMMANDS) == []
    asked = without.model_copy(update={"with_commands": True})
    await played(bus, pool, await begun(pool, asked))
    (delivery,) = await drained(bus, COLLECTOR_COMMANDS)
    assert delivery.message.message_id == "order"
    assert delivery.message.reply_to is None


async def test_a_service_s_queue_gets_what_it_is_bound_to(bus: Bus, pool: Pool) -> None:
    await bus.publish([*beats(2), order()])
    await drained(bus, ALLOCATOR_FACTS)
    plan = await plan_of(bus, Target(queue=ALLOCATOR_FACTS), with_commands=True)
    await played(bus, pool, await begun(pool, plan))
    assert ids(await drained(bus, ALLOCATOR_FACTS)) == ["1-1", "1-2"]


async def test_g2_a_paused_replay_goes_on_where_it_stood(bus: Bus, pool: Pool) -> None:
    await bus.publish(beats(3 * WINDOW))
    await with_queues(bus)
    replay = await begun(pool, await plan_of(bus, Target(queue=MINE)))

    def pause(_: Progress, stop: asyncio.Event) -> None:
        stop.set()

    assert (await played(bus, pool, replay, pause)).sent == WINDOW
    kept = await jobs.find(pool, replay.id[:5])
    assert (kept.state, kept.progress.sent, kept.active) == ("paused", WINDOW, False)
    assert (await played(bus, pool, kept)).sent == 3 * WINDOW
    assert (await jobs.find(pool, replay.id)).state == "done"
    assert ids(await drained(bus, MINE)) == [f"1-{number}" for number in range(1, 3 * WINDOW + 1)]


async def test_g2_a_replay_that_died_before_it_remembered_sends_again_and_loses_nothing(
    bus: Bus, pool: Pool
) -> None:
    await bus.publish(beats(3 * WINDOW))
    await with_queues(bus)
    replay = await begun(pool, await plan_of(bus, Target(queue=MINE)))

    def die(_: Progress, __: asyncio.Event) -> None:
        raise RuntimeError("power failed")

    with pytest.raises(RuntimeError):
        await played(bus, pool, replay, die)
    # As if the window had been sent, and the place not been written.
    await pool.execute(
        "UPDATE bus.replay SET next = $2, read = 0, sent = 0 WHERE id = $1", replay.id, replay.progress.next
    )
    assert (await jobs.find(pool, replay.id)).standing == "interrupted"
    await played(bus, pool, await jobs.find(pool, replay.id))
    found = ids(await drained(bus, MINE))
    assert len(found) == 4 * WINDOW
    assert set(found) == {f"1-{number}" for number in range(1, 3 * WINDOW + 1)}


async def test_one_process_at_a_time(bus: Bus, pool: Pool) -> None:
    await bus.publish(beats(1))
    await with_queues(bus)
    replay = await begun(pool, await plan_of(bus, Target(queue=MINE)))
    async with jobs.claimed(pool, replay.id):
        assert (await jobs.find(pool, replay.id)).active
        with pytest.raises(PermanentError) as caught:
            await played(bus, pool, replay)
    assert caught.value.code == "replay_active"
    assert [one.id for one in await jobs.all_replays(pool)] == [replay.id]
    with pytest.raises(PermanentError, match="no replay 'nobody'"):
        await jobs.find(pool, "nobody")


async def test_a_stretch_is_named_by_offset_time_and_event(bus: Bus) -> None:
    with pytest.raises(PermanentError) as empty:
        await stretch(bus, "first", "last")
    assert empty.value.code == "log_empty"
    await bus.publish(beats(5))
    await bus.publish(beats(1, first=2))
    offsets = [entry.offset for entry in await log_of(bus)]
    whole = await stretch(bus, "first", "last")
    assert (whole.first, whole.last) == (offsets[0], offsets[-1])
    by_id = await stretch(bus, EventId("1-2"), EventId("1-2"))
    assert (by_id.first, by_id.last) == (offsets[1], offsets[5]), "from its first to its last place"
    part = await stretch(bus, offsets[2], offsets[3])
    assert (part.first, part.last) == (offsets[2], offsets[3])
    lately = await stretch(
        bus, datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    )
    assert (lately.first, lately.last) == (offsets[0], offsets[-1])
    with pytest.raises(PermanentError) as nothing:
        await stretch(bus, datetime.now(UTC) + timedelta(hours=1), "last")
    assert nothing.value.code == "stretch_empty"
    with pytest.raises(PermanentError, match="no event 'nobody'"):
        await stretch(bus, EventId("nobody"), "last")


async def test_the_selection_and_a_look_before(bus: Bus, pool: Pool) -> None:
    await bus.publish([*beats(3), *beats(4, VC2)])
    await with_queues(bus)
    plan = await plan_of(bus, Target(queue=MINE), selection=Selection(vcenter=str(VC2)))
    found = await summarise(bus, plan, lambda _: None)
    assert (found.read, found.sent, dict(found.types)) == (7, 4, {"vcenter.heartbeat": 4})
    assert [entry.message.message_id for entry in found.sample] == ["2-1", "2-2", "2-3", "2-4"]
    assert await drained(bus, MINE) == []
    assert await jobs.all_replays(pool) == []
    await played(bus, pool, await begun(pool, plan))
    assert ids(await drained(bus, MINE)) == ["2-1", "2-2", "2-3", "2-4"]


async def test_a_rate_is_kept_in_small_windows(bus: Bus, pool: Pool) -> None:
    await bus.publish(beats(10))
    await with_queues(bus)
    replay = await begun(pool, await plan_of(bus, Target(queue=MINE), rate=20.0))
    seen: list[int] = []
    began = asyncio.get_running_loop().time()
    await played(bus, pool, replay, lambda at, _: seen.append(at.sent))
    assert asyncio.get_running_loop().time() - began >= 5 / 20, "it may not be faster than it was told"
    assert seen == [5, 10, 10]


async def test_a_fresh_queue_and_one_that_went_away(bus: Bus, pool: Pool) -> None:
    await bus.publish(beats(2))
    fresh = await begun(pool, await plan_of(bus, Target(queue="test.fresh", fresh=True)))
    await played(bus, pool, fresh)
    assert ids(await drained(bus, "test.fresh")) == ["1-1", "1-2"]
    lost = await begun(pool, await plan_of(bus, Target(queue="test.nowhere")))
    with pytest.raises(PermanentError) as caught:
        await played(bus, pool, lost)
    assert caught.value.code == "queue_unknown"
    kept = await jobs.find(pool, lost.id)
    assert (kept.state, kept.progress.sent) == ("failed", 0)
    assert kept.problem is not None


async def test_a_log_that_was_cut_is_noticed(bus: Bus, pool: Pool) -> None:
    await bus.publish(beats(3))
    await with_queues(bus)
    plan = await plan_of(bus, Target(queue=MINE))
    replay = await begun(pool, plan.model_copy(update={"first": plan.first - 1}))
    with pytest.raises(PermanentError) as caught:
        await played(bus, pool, replay)
    assert caught.value.code == "log_cut"
    assert (await played(bus, pool, replay, accept_loss=True)).sent == 3


@pytest.mark.parametrize(
    ("queue", "fresh", "exists", "code"),
    [
        (LOG, False, True, "queue_forbidden"),
        (DEAD_LETTER_QUEUE, True, False, "queue_forbidden"),
        ("allocator.fact", False, False, "queue_unknown"),
        (MINE, True, True, "queue_exists"),
        ("amq.rabbitmq.trace", True, False, "queue_name"),
        (" ", True, False, "queue_name"),
    ],
)
def test_a_queue_that_can_t_be_a_target_is_refused(queue: str, fresh: bool, exists: bool, code: str) -> None:
    with pytest.raises(PermanentError) as caught:
        check_queue(queue, fresh=fresh, exists=exists, topology=TOPOLOGY)
    assert caught.value.code == code


async def test_whether_a_queue_exists(bus: Bus) -> None:
    assert await queue_exists(bus, ALLOCATOR_FACTS)
    assert not await queue_exists(bus, "test.nowhere")
