"""A broker that takes nothing: publishing waits, says why, loses nothing and sends nothing in vain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from shared.bus import rabbitmq_publishing
from shared.bus.port import Message, NoReply, PublishFailed
from shared.bus.rabbitmq import RabbitBus, connect
from shared.bus.rabbitmq_pace import Pace
from shared.events.topology import Queue, Topology
from tests.contract.bus.samples import DEAD, SMALL, STREAM, WORK, collect, jobs, numbers, take
from tests.integration.bus.alarms import Alarm, alarm
from tests.servers.rabbitmq import PrivateRabbit, private_broker

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]

COUNT = 1500
WORDS = {"memory": "blocked by the broker: memory alarm", "disk": "blocked by the broker: disk alarm"}


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateRabbit]:
    with private_broker() as server:
        yield server


@pytest.fixture
async def bus(broker: PrivateRabbit) -> AsyncIterator[RabbitBus]:
    bus = await connect(broker.vhost(), name="test")
    await bus.declare(SMALL)
    yield bus
    await bus.close()


async def until(bus: RabbitBus, *, blocked: bool) -> None:
    """Until the bus says so."""
    for _ in range(600):
        if (await bus.obstacle() is not None) == blocked:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never says so")


@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_g2_publishing_waits_for_the_end_of_an_alarm(
    bus: RabbitBus, broker: PrivateRabbit, kind: Alarm
) -> None:
    told: list[str | None] = []
    blocked = asyncio.Event()

    def hear(reason: str | None) -> None:
        told.append(reason)
        blocked.set()

    bus.on_obstacle(hear)
    async with alarm(broker, kind):
        publishing = asyncio.create_task(bus.publish(jobs(700)))
        await blocked.wait()
        assert await bus.obstacle() == WORDS[kind]
        assert not publishing.done()
    await publishing
    assert told == [WORDS[kind], None]
    assert await bus.obstacle() is None
    async with bus.consume(WORK) as consumer:
        deliveries = await take(consumer, 700)
        assert numbers(deliveries) == list(range(700))
        await consumer.ack(deliveries[-1])


async def test_g2_who_gives_up_and_tries_again_sends_nothing_in_vain(
    bus: RabbitBus, broker: PrivateRabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_publishing, "BLOCKED_SECONDS", 0.3)
    async with alarm(broker, "memory"):
        for _ in range(5):
            with pytest.raises(PublishFailed, match="memory alarm") as caught:
                await bus.publish(jobs(3))
            assert caught.value.unconfirmed == (0, 1, 2)
        with pytest.raises(NoReply, match="memory alarm"):
            await bus.request(Message(b"?", "ask.x", "q"), timedelta(seconds=0.2))
    await bus.publish(jobs(3))
    async with bus.consume(WORK) as consumer:
        # What was on its way when the alarm was heard of arrives too; repeats do no harm.
        deliveries = await take(consumer, 6)
        assert numbers(deliveries) == [0, 1, 2] * 2
        await consumer.ack(deliveries[-1])
    assert (await bus.state("asked")).ready == 0


async def test_consuming_goes_on_while_publishing_is_blocked(bus: RabbitBus, broker: PrivateRabbit) -> None:
    await bus.publish(jobs(20))
    async with alarm(broker, "disk"):
        publishing = asyncio.create_task(bus.publish(jobs(1, 20)))
        async with bus.consume(WORK) as consumer:
            deliveries = await take(consumer, 20)
            await consumer.ack(deliveries[-1])
    await publishing


async def test_a_command_of_one_process_asks_whether_the_broker_is_blocked(
    bus: RabbitBus, broker: PrivateRabbit
) -> None:
    """One that has not published anything is told by asking."""
    assert await bus.obstacle() is None
    async with alarm(broker, "memory"):
        assert await bus.obstacle() == WORDS["memory"]
    await until(bus, blocked=False)


async def test_a_bus_that_is_blocked_can_be_closed(broker: PrivateRabbit) -> None:
    bus = await connect(broker.vhost(), name="test")
    await bus.declare(SMALL)
    async with alarm(broker, "memory"):
        publishing = asyncio.create_task(bus.publish(jobs(3)))
        await until(bus, blocked=True)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await bus.close()


async def short_queue(broker: PrivateRabbit, policy: dict[str, object]) -> RabbitBus:
    """A bus whose queue a policy keeps short."""
    url = broker.vhost()
    bus = await connect(url, name="test")
    await bus.declare(Topology(queues=(DEAD, STREAM, Queue(WORK, ("job.#",)))))
    limits = json.dumps({"max-length": 10, **policy})
    vhost = urlsplit(url).path[1:]
    await asyncio.to_thread(broker.control, "set_policy", "-p", vhost, "short", "^work$", limits)
    return bus


async def test_g2_a_queue_that_a_policy_makes_drop_drops_into_the_dead_letters(broker: PrivateRabbit) -> None:
    """A policy's overflow goes before ours. What it drops can still be retried from there."""
    bus = await short_queue(broker, {"overflow": "drop-head"})
    await bus.publish(jobs(100))
    async with bus.consume(WORK) as consumer:
        taken = numbers(await take(consumer, 10))
    letters = await collect(bus.dead_letters())
    assert set(taken) | set(numbers(letters)) == set(range(100))
    assert {letter.reason for letter in letters} == {"maxlen"}
    await bus.close()


async def test_g2_a_full_queue_refuses_and_loses_nothing(broker: PrivateRabbit) -> None:
    bus = await short_queue(broker, {})
    told: list[str | None] = []
    full = asyncio.Event()

    def hear(reason: str | None) -> None:
        told.append(reason)
        full.set()

    bus.on_obstacle(hear)

    async def publish() -> None:
        left = jobs(COUNT)
        while left:
            try:
                await bus.publish(left)
                left = []
            except PublishFailed as error:
                left = [left[index] for index in error.unconfirmed]

    publishing = asyncio.create_task(publish())
    await full.wait()
    taken: set[int] = set()
    async with bus.consume(WORK, prefetch=10) as consumer:
        while len(taken) < COUNT:
            deliveries = await consumer.batch(10)
            taken.update(numbers(deliveries))
            await consumer.ack(deliveries[-1])
    await publishing
    assert taken == set(range(COUNT))
    assert "full" in str(told[0])
    assert told[-1] is None
    await bus.close()


def test_a_refused_window_is_tried_again_from_one_message() -> None:
    pace = Pace()
    assert (pace.size, pace.windows) == (250, 2)
    pace.refused()
    sizes = []
    while pace.windows == 1:
        sizes.append(pace.size)
        pace.taken()
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128]
