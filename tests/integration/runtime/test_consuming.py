"""The consuming loop on a real bus: what each kind of error leads to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.bus.embedded import EmbeddedBus, connect
from shared.bus.port import Bus, DeadLetter, Message
from shared.events.base import Event
from shared.events.envelope import Envelope, wrap
from shared.events.topology import TOPOLOGY, Queue, Topology
from shared.events.vcenter import VcenterHeartbeat
from shared.runtime.consuming import Handler, Received, consume
from shared.runtime.errors import ConflictError, PermanentError, TransientError
from shared.runtime.publishing import message_of, publish, reply, reply_message
from shared.store.pool import Pool

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
VCENTER = UUID(int=7)
LIMIT = 2
SMALL = Topology(queues=(*TOPOLOGY.queues[:2], Queue("work", ("vcenter.#",), delivery_limit=LIMIT)))


def beat(number: int) -> Envelope[Event]:
    """An event that says its number."""
    event = VcenterHeartbeat(
        vcenter=VCENTER, epoch=1, sequence=number, name="v", current_to=NOW, lag_seconds=0
    )
    return wrap(event, source="test", time=NOW, id=f"beat-{number}")


def said(batch: Sequence[Received]) -> list[int]:
    """The numbers in a batch."""
    events = [received.envelope.data for received in batch]
    return [event.sequence for event in events if isinstance(event, VcenterHeartbeat)]


@pytest.fixture
async def bus(database: str) -> AsyncIterator[EmbeddedBus]:
    bus = await connect(database, name="test")
    await bus.declare(SMALL)
    yield bus
    await bus.close()


@asynccontextmanager
async def consuming(bus: Bus, handler: Handler, *, batch: int = 200) -> AsyncIterator[asyncio.Event]:
    """The loop, until the block ends; it must then end too."""
    stop = asyncio.Event()
    loop = asyncio.create_task(consume(bus, "work", handler, stop=stop, batch=batch, name="test"))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await loop


async def dead(bus: Bus, count: int) -> list[DeadLetter]:
    """The dead letters, once there are so many."""
    for _ in range(200):
        letters = [letter async for letter in bus.dead_letters()]
        if len(letters) >= count:
            return letters
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(letters)} dead letters")


async def empty(bus: Bus) -> None:
    """Once the queue is."""
    for _ in range(200):
        if (await bus.state("work")).ready == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("messages are left")


class Collecting:
    """A handler that remembers, raises what it is told to, and says when it has seen enough."""

    def __init__(self, enough: int, errors: dict[int, list[Exception]] | None = None) -> None:
        self.batches: list[list[int]] = []
        self.handled: list[int] = []
        self.errors = errors or {}
        self.enough = enough
        self.done = asyncio.Event()
        self.began = asyncio.Event()

    async def __call__(self, batch: Sequence[Received]) -> None:
        numbers = said(batch)
        self.batches.append(numbers)
        self.began.set()
        for number in numbers:
            if self.errors.get(number):
                raise self.errors[number].pop(0)
        self.handled += numbers
        if len(set(self.handled)) >= self.enough:
            self.done.set()


async def test_batches_come_in_order_and_are_acknowledged(bus: EmbeddedBus) -> None:
    await publish(bus, [beat(number) for number in range(1, 51)])
    handler = Collecting(50)
    async with consuming(bus, handler, batch=20):
        await handler.done.wait()
    assert handler.handled == list(range(1, 51))
    assert max(map(len, handler.batches)) <= 20
    assert (await bus.state("work")).ready == 0


async def test_g8_the_unreadable_are_dead_letters_and_the_rest_goes_on(bus: EmbeddedBus) -> None:
    broken = Message(body=b"{", routing_key="vcenter.x", message_id="broken")
    foreign = Message(body=b'{"type": "other.thing"}', routing_key="vcenter.x", message_id="foreign")
    await bus.publish([message_of(beat(1)), broken, foreign, message_of(beat(2)), broken])
    handler = Collecting(2)
    async with consuming(bus, handler):
        await handler.done.wait()
        letters = await dead(bus, 3)
    assert handler.handled == [1, 2]
    assert [letter.reason for letter in letters] == ["broken_body", "unknown_type", "broken_body"]
    assert "other.thing" in letters[1].detail


async def test_g8_a_permanent_error_costs_the_guilty_one_alone(bus: EmbeddedBus) -> None:
    await publish(bus, [beat(number) for number in range(1, 6)])
    refusal = PermanentError("no such wire", code="unknown_wire")
    handler = Collecting(4, {3: [refusal, refusal]})
    async with consuming(bus, handler):
        await handler.done.wait()
        (letter,) = await dead(bus, 1)
    assert handler.handled == [1, 2, 4, 5]
    assert (letter.message.message_id, letter.reason, letter.detail) == (
        "beat-3",
        "unknown_wire",
        "no such wire",
    )


async def test_g8_a_defect_is_tried_to_the_limit(bus: EmbeddedBus) -> None:
    await publish(bus, [beat(1), beat(2)])
    handler = Collecting(1, {1: [ZeroDivisionError() for _ in range(20)]})
    async with consuming(bus, handler):
        (letter,) = await dead(bus, 1)
        await handler.done.wait()
    assert handler.handled == [2]
    assert handler.batches.count([1]) >= LIMIT + 1
    assert (letter.message.message_id, letter.reason) == ("beat-1", "delivery_limit")


async def test_a_conflict_is_tried_again_with_the_whole_batch(bus: EmbeddedBus) -> None:
    await publish(bus, [beat(1), beat(2), beat(3)])
    handler = Collecting(3, {3: [ConflictError("somebody was faster")] * 3})
    async with consuming(bus, handler):
        await handler.done.wait()
    assert handler.handled == [1, 2, 3]
    assert handler.batches == [[1], *[[2, 3]] * 4]


async def test_g8_what_comes_back_is_handled_with_care(bus: EmbeddedBus) -> None:
    """The first alone; what came twice by a few; what came thrice one by one; the rest in batches."""
    await publish(bus, [beat(number) for number in range(1, 121)])
    async with bus.consume("work") as consumer:
        await consumer.batch(60)
        await consumer.batch(60)
    async with bus.consume("work", prefetch=10) as consumer:
        await consumer.batch(10)
    await publish(bus, [beat(number) for number in range(121, 221)])
    handler = Collecting(220)
    async with consuming(bus, handler, batch=50):
        await handler.done.wait()
    assert handler.handled == list(range(1, 221))
    sizes = [len(batch) for batch in handler.batches]
    assert sizes[:10] == [1] * 10
    assert max(sizes[10:16]) == 20
    assert max(sizes) > 20


async def test_g2_a_transient_error_never_drops(bus: EmbeddedBus) -> None:
    await publish(bus, [beat(1), beat(2)])
    handler = Collecting(2, {1: [TransientError("not now")] * (LIMIT + 2)})
    async with consuming(bus, handler):
        await handler.done.wait()
    assert handler.handled == [1, 2]
    assert [letter async for letter in bus.dead_letters()] == []


async def test_g2_stopping_in_a_transient_error_gives_back(bus: EmbeddedBus) -> None:
    await publish(bus, [beat(1), beat(2)])
    handler = Collecting(2, {1: [TransientError("not now")] * 1000})
    async with consuming(bus, handler) as stop:
        await handler.began.wait()
        stop.set()
    assert handler.handled == []
    assert (await bus.state("work")).ready == 2


async def test_stopping_finishes_the_batch_in_hand(bus: EmbeddedBus) -> None:
    await publish(bus, [beat(1)])
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Sequence[Received]) -> None:
        began.set()
        await go_on.wait()

    async with consuming(bus, slow) as stop:
        await began.wait()
        stop.set()
        go_on.set()
    await empty(bus)
    assert [letter async for letter in bus.dead_letters()] == []


async def test_stopping_while_idle_ends_at_once(bus: EmbeddedBus) -> None:
    async with consuming(bus, Collecting(1)):
        await asyncio.sleep(0.1)


async def test_g2_a_lost_bus_is_consumed_from_again(bus: EmbeddedBus, pool: Pool) -> None:
    handler = Collecting(2)
    async with consuming(bus, handler):
        await publish(bus, [beat(1)])
        await handler.began.wait()
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        while True:
            try:
                await publish(bus, [beat(2)])
                break
            except TransientError:
                await asyncio.sleep(0.05)
        await handler.done.wait()
    assert handler.handled[-1] == 2


async def test_an_undeclared_queue_is_a_clear_end(bus: EmbeddedBus) -> None:
    with pytest.raises(PermanentError, match="nowhere") as caught:
        await consume(bus, "nowhere", Collecting(1), stop=asyncio.Event(), name="test")
    assert caught.value.hint is not None


async def test_an_answer_goes_to_who_asked_and_to_nobody_else(bus: EmbeddedBus) -> None:
    answered: list[bool] = []
    all_answered = asyncio.Event()

    async def answering(batch: Sequence[Received]) -> None:
        answered.extend([await reply(bus, asked, beat(100)) for asked in batch])
        if len(answered) == 3:
            all_answered.set()

    async with consuming(bus, answering):
        got = await bus.request(message_of(beat(1)), timedelta(seconds=20))
        await publish(bus, [beat(2)])
        await bus.publish([replace(message_of(beat(3)), reply_to="temporary.gone")])
        await all_answered.wait()
    assert (got.message_id, got.correlation_id) == ("beat-100", "beat-1")
    assert answered == [True, False, False]


async def test_properties_repeat_the_envelope(bus: EmbeddedBus) -> None:
    caused = wrap(beat(2).data, source="test", time=NOW, id="second", cause=beat(1))
    message = message_of(caused)
    assert (message.message_id, message.type, message.subject) == ("second", caused.type, caused.subject)
    assert message.routing_key == caused.routing_key
    assert message.correlation_id == "beat-1"
    await bus.publish([message])
    async with bus.consume("work") as consumer:
        (delivery,) = await consumer.batch(1)
    assert reply_message(Received(caused, delivery), beat(3)) is None
