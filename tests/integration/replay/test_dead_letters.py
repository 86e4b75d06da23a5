"""G8: dead letters name the guilty field, go back where they came from, or are dropped with a note."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from shared.bus.port import Bus, DeadLetter, Message
from shared.events.codec import Unreadable, decode
from shared.events.operations import DeadLetterDropped, DeadLetterRetried
from shared.events.topology import DEAD_LETTER_QUEUE, Queue, Topology
from shared.replay.letters import (
    RETRIED_HEADER,
    WINDOW,
    as_it_lay,
    drop,
    key_of,
    letter_of,
    retry,
)
from shared.replay.rules import KEY_HEADER, REPLAY_HEADER
from shared.runtime.consuming import Received, consume
from shared.runtime.consuming_metrics import DEAD_LETTERED
from shared.runtime.dead_letter_metrics import WAITING, dead_letters_counted
from shared.runtime.errors import PermanentError
from tests.contract.bus.samples import collect, eventually, take
from tests.integration.replay.story import beats, drained, ids, log_of

WORK, OTHER = "test.work", "test.other"


async def dead(bus: Bus, messages: Sequence[Message], queue: str = WORK, reason: str = "bad") -> None:
    """Let messages die in a queue."""
    await bus.declare(Topology(queues=(Queue(queue),)))
    before = (await bus.state(DEAD_LETTER_QUEUE)).ready
    await bus.publish(
        [Message(m.body, queue, m.message_id, m.type, m.subject, headers=m.headers) for m in messages],
        to_queue=True,
    )
    async with bus.consume(queue, prefetch=5000) as consumer:
        for delivery in await take(consumer, len(messages)):
            await consumer.dead_letter(delivery, reason, f"{reason} indeed")
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == before + len(messages))


def nothing(_seen: int, _chosen: int) -> None:
    """Watches nothing."""


async def outcomes(bus: Bus) -> list[DeadLetterRetried | DeadLetterDropped]:
    """What was told about dead letters."""
    found = [decode(entry.message.body).data for entry in await log_of(bus)]
    return [event for event in found if isinstance(event, DeadLetterRetried | DeadLetterDropped)]


async def test_g8_a_poisoned_event_names_the_guilty_field(bus: Bus) -> None:
    (good,) = beats(1)
    raw = json.loads(good.body)
    raw["data"]["lag_seconds"] = "slow"
    del raw["data"]["name"]
    poisoned = Message(json.dumps(raw).encode(), good.routing_key, "poison", good.type, good.subject)
    await bus.publish([poisoned, *beats(1, first=2)])
    stop = asyncio.Event()
    handled: list[str] = []

    async def handler(received: Sequence[Received]) -> None:
        handled.extend(one.envelope.id for one in received)
        stop.set()

    await consume(bus, "allocator.facts", handler, stop=stop, name="test")
    assert handled == ["1-2"], "the queue moves on"
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 1)
    (letter,) = await collect(bus.dead_letters())
    assert letter.reason == "invalid_data"
    assert "data.name: " in letter.detail
    assert "data.lag_seconds: " in letter.detail
    with pytest.raises(Unreadable) as caught:
        decode(letter.message.body)
    assert {(fault.field, fault.found) for fault in caught.value.faults} == {
        ("data.name", "nothing"),
        ("data.lag_seconds", "'slow'"),
    }


async def test_g8_every_death_is_counted_by_its_reason_and_all_that_wait(bus: Bus) -> None:
    def died(reason: str) -> float:
        return float(DEAD_LETTERED.labels("allocator.facts", reason)._value.get())

    before = {reason: died(reason) for reason in ("broken_body", "delivery_limit", "vcenter_odd")}
    odd, defect = beats(2)
    await bus.publish([Message(b"{", odd.routing_key, "half", odd.type), odd, defect, *beats(1, first=3)])
    stop = asyncio.Event()

    async def handler(received: Sequence[Received]) -> None:
        for one in received:
            if one.envelope.id == odd.message_id:
                raise PermanentError("not like this", code="vcenter_odd")
            if one.envelope.id == defect.message_id:
                raise ZeroDivisionError
        if before["delivery_limit"] < died("delivery_limit"):
            stop.set()

    consuming = asyncio.create_task(consume(bus, "allocator.facts", handler, stop=stop, name="test"))
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 3)
    stop.set()
    await consuming
    assert {reason: died(reason) - before[reason] for reason in before} == dict.fromkeys(before, 1)
    assert {letter.reason for letter in await collect(bus.dead_letters())} == set(before)

    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 3)
    async with dead_letters_counted(bus):
        async with asyncio.timeout(10):
            while WAITING._value.get() != 3:  # noqa: ASYNC110  no other way
                await asyncio.sleep(0.05)


async def test_g8_letters_go_back_to_their_own_queue_and_no_other(bus: Bus) -> None:
    await dead(bus, beats(3))
    await dead(bus, beats(1, first=9), queue=OTHER)
    before = len(await log_of(bus))

    settled = await retry(bus, lambda letter: letter.message.message_id != "1-2", "anna", nothing)

    assert [key_of(letter) for letter in settled.letters] == ["1-1", "1-3", "1-9"]
    found = await drained(bus, WORK)
    assert ids(found) == ["1-1", "1-3"]
    assert found[0].message.headers[RETRIED_HEADER] == 1
    assert "x-patchbay-reason" not in found[0].message.headers
    assert ids(await drained(bus, OTHER)) == ["1-9"]
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 1)
    (left,) = await collect(bus.dead_letters())
    assert left.message.message_id == "1-2"
    told = await outcomes(bus)
    assert [(event.message_id, event.queue, event.by, event.reason) for event in told] == [
        ("1-1", WORK, "anna", "bad"),
        ("1-3", WORK, "anna", "bad"),
        ("1-9", OTHER, "anna", "bad"),
    ]
    assert len(await log_of(bus)) == before + 3, "only what was told is new in the log"


async def test_a_letter_that_dies_again_counts_its_returns(bus: Bus) -> None:
    await dead(bus, beats(1))
    for returns in (1, 2):
        await retry(bus, lambda _: True, "anna", nothing)
        async with bus.consume(WORK) as consumer:
            (delivery,) = await take(consumer, 1)
            await consumer.dead_letter(delivery, "worse", "still")
        await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 1)
        (letter,) = await collect(bus.dead_letters())
        assert (letter.reason, letter.queue) == ("worse", WORK)
        assert letter.message.headers[RETRIED_HEADER] == returns
    assert len({event.reason for event in await outcomes(bus)}) == 2


async def test_g2_a_retry_that_dies_in_the_middle_loses_no_letter(bus: Bus) -> None:
    count = 2 * WINDOW + 10
    await dead(bus, beats(count))

    settled = 0

    def die(seen: int, _: int) -> None:
        nonlocal settled
        if seen > WINDOW:
            raise RuntimeError("power failed")
        settled = seen

    with pytest.raises(RuntimeError):
        await retry(bus, lambda _: True, "anna", die)
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == count - settled)
    returned = ids(await drained(bus, WORK))
    left = [letter.message.message_id for letter in await collect(bus.dead_letters())]
    assert {*returned, *left} == {f"1-{number}" for number in range(1, count + 1)}


async def test_what_has_no_way_back_stays(bus: Bus) -> None:
    await dead(bus, beats(1))
    (good,) = beats(1, first=2)
    foreign = Message(good.body, DEAD_LETTER_QUEUE, "foreign", good.type)
    lost = Message(
        good.body, DEAD_LETTER_QUEUE, "lost", good.type,
        headers={"x-patchbay-reason": "bad", "x-patchbay-queue": "test.no-more", "x-patchbay-detail": "x"},
    )  # fmt: skip
    await bus.publish([foreign, lost], to_queue=True)
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 3)

    settled = await retry(bus, lambda _: True, "anna", nothing)

    assert [key_of(letter) for letter in settled.letters] == ["1-1"]
    assert {key_of(letter): why for letter, why in settled.kept} == {
        "foreign": "nobody says which queue it came from",
        "lost": "its queue 'test.no-more' is gone",
    }
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 2)


async def test_g8_what_is_dropped_is_on_record(bus: Bus) -> None:
    await dead(bus, beats(2))
    settled = await drop(bus, lambda letter: key_of(letter) == "1-1", "anna", "a test's leftovers", nothing)
    assert len(settled.letters) == 1
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 1)
    (left,) = await collect(bus.dead_letters())
    assert left.message.message_id == "1-2"
    (told,) = await outcomes(bus)
    assert isinstance(told, DeadLetterDropped)
    assert (told.message_id, told.note, told.by, told.queue) == ("1-1", "a test's leftovers", "anna", WORK)
    assert (await drop(bus, lambda _: False, "anna", "none", nothing)).letters == []


async def test_the_broker_s_own_count_is_history(bus: Bus, kind: str) -> None:
    await bus.declare(Topology(queues=(Queue(WORK, delivery_limit=1),)))
    await bus.publish([Message(b"{}", WORK, "tired")], to_queue=True)
    for _ in range(2):
        async with bus.consume(WORK) as consumer:
            await take(consumer, 1)
    await eventually(bus, DEAD_LETTER_QUEUE, lambda state: state.ready == 1)
    (letter,) = await collect(bus.dead_letters())
    assert (letter.reason, letter.queue) == ("delivery_limit", WORK)
    if kind == "rabbitmq":
        (death,) = letter.history
        assert (death.queue, death.reason, death.count) == (WORK, "delivery_limit", 1)
    settled = await retry(bus, lambda _: True, "anna", nothing)
    assert len(settled.letters) == 1
    assert ids(await drained(bus, WORK)) == ["tired"]


def test_a_letter_s_reasons_travel_in_its_headers() -> None:
    message = Message(b"{}", "job.a", "1", headers={REPLAY_HEADER: "r", KEY_HEADER: "nic.created.-.-"})
    letter = DeadLetter(message, "bad", "very", WORK, None)
    assert letter_of(as_it_lay(letter)) == letter
