"""G2: the bus goes away and comes back; what was confirmed is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Any, Protocol, cast

import pytest

from shared.bus.port import Bus, BusLost, LogEntry, Message, PublishFailed, Unroutable
from shared.runtime.errors import TransientError
from shared.store.migrate import upgrade
from tests.contract.bus.conftest import BusAddress, Kind
from tests.contract.bus.samples import SMALL, WORK, entries, job, jobs, numbers, take
from tests.servers.postgres import PrivatePostgres, find_binaries
from tests.servers.processes import missing
from tests.servers.rabbitmq import PrivateRabbit, private_broker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Restartable(Protocol):
    """A server of this module's own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


Fault = Callable[[Restartable], Awaitable[None]]


async def restart(server: Restartable) -> None:
    """An orderly restart."""
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)


async def crash(server: Restartable) -> None:
    """The server is killed, and started again."""
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


@pytest.fixture(scope="module")
def rabbit() -> Iterator[PrivateRabbit]:
    with private_broker() as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PrivatePostgres]:
    binaries = find_binaries()
    if binaries is None:
        missing("PostgreSQL", "a private one is needed here; install it (apt-get install postgresql)")
    server = PrivatePostgres(binaries, options=())
    server.start()
    asyncio.run(upgrade(server.url))
    yield server
    server.stop()


@pytest.fixture
def server(kind: Kind, request: pytest.FixtureRequest) -> Restartable:
    name = "rabbit" if kind == "rabbitmq" else "postgres"
    found: Restartable = request.getfixturevalue(name)
    return found


@pytest.fixture
async def bus(kind: Kind, server: Restartable) -> AsyncIterator[Bus]:
    if isinstance(server, PrivateRabbit):
        url = server.vhost()
    else:
        assert isinstance(server, PrivatePostgres)
        url = server.url
    bus = await BusAddress(kind, url).connect()
    await bus.declare(SMALL)
    yield bus
    async with bus.consume(WORK) as consumer:
        try:
            while True:
                deliveries = await asyncio.wait_for(consumer.batch(1000), 0.5)
                await consumer.ack(deliveries[-1])
        except TimeoutError:
            pass
    await bus.close()


async def until_it_works(work: Callable[[], Awaitable[Any]]) -> tuple[Any, int]:
    """Try as a service would; what it gave, and how many clear errors came before."""
    errors = 0
    while True:
        try:
            return await work(), errors
        except TransientError:
            errors += 1
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("fault", [restart, crash])
async def test_g2_nothing_confirmed_is_lost(bus: Bus, server: Restartable, fault: Fault) -> None:
    """A publisher that retries what was not confirmed, and a consumer that comes back."""
    confirmed: set[int] = set()
    seen: set[int] = set()
    restarted = asyncio.Event()
    failures = 0

    async def publish() -> None:
        nonlocal failures
        number = 0
        while not restarted.is_set() or number < 200:
            window: list[Message] = jobs(20, number)
            while window:
                try:
                    await bus.publish(window)
                except PublishFailed as error:
                    failures += 1
                    window = [window[index] for index in error.unconfirmed]
                    await asyncio.sleep(0.05)
                else:
                    break
            confirmed.update(range(number, number + 20))
            number += 20
            await asyncio.sleep(0.01)

    async def consume_once() -> None:
        async with bus.consume(WORK) as consumer:
            while True:
                deliveries = await consumer.batch(100)
                seen.update(numbers(deliveries))
                await consumer.ack(deliveries[-1])
                if publishing.done() and seen >= confirmed:
                    return

    publishing = asyncio.create_task(publish())
    consuming = asyncio.create_task(until_it_works(consume_once))
    await asyncio.sleep(0.3)
    await fault(server)
    await asyncio.sleep(0.5)
    restarted.set()
    await publishing
    while not consuming.done():
        await bus.publish([job(10**6)])
        await asyncio.sleep(0.05)
    _, lost = await consuming
    assert failures > 0
    assert lost > 0
    assert seen >= confirmed


async def test_g2_unacknowledged_deliveries_come_again(bus: Bus, server: Restartable) -> None:
    await bus.publish(jobs(30))

    async def hold_across_a_restart() -> None:
        async with bus.consume(WORK) as consumer:
            held = await take(consumer, 30)
            await restart(server)
            await consumer.ack(held[-1])
            await consumer.batch(1)

    with pytest.raises(BusLost):
        await hold_across_a_restart()

    async def again() -> list[int]:
        async with bus.consume(WORK) as consumer:
            return numbers(await take(consumer, 30))

    back, _ = await until_it_works(again)
    assert back == list(range(30))


async def test_the_log_is_followed_across_a_restart_without_repeats(bus: Bus, server: Restartable) -> None:
    old = len(await entries(bus, "first"))
    read: list[LogEntry] = []
    half = asyncio.Event()

    async def follow() -> None:
        async with aclosing(cast("Any", bus.read_log("first", follow=True))) as following:
            while len(read) < old + 40:
                read.append(await anext(following))
                if len(read) == old + 20:
                    half.set()

    following = asyncio.create_task(follow())
    await bus.publish(jobs(20))
    await half.wait()
    await restart(server)
    await until_it_works(lambda: bus.publish(jobs(20, 20)))
    await following
    assert numbers(read[old : old + 20]) == list(range(20))
    assert numbers(read[old + 20 :]) == list(range(20, 40))
    assert len({entry.offset for entry in read}) == len(read)


async def test_requests_work_again_after_a_restart(bus: Bus, server: Restartable) -> None:
    question = Message(body=b"?", routing_key="ask.x", message_id="q")
    with pytest.raises(TransientError):
        await bus.request(question, timedelta(milliseconds=200))
    await restart(server)

    async def answer_once() -> None:
        async with bus.consume("asked") as consumer:
            while True:
                for delivery in await consumer.batch(10):
                    asked = delivery.message
                    answer = Message(
                        body=b"!",
                        routing_key=asked.reply_to or "",
                        message_id="a",
                        correlation_id=asked.correlation_id,
                    )
                    with suppress(Unroutable):  # the first asker is gone
                        await bus.publish([answer], to_queue=True)
                    await consumer.ack(delivery)

    answering = asyncio.create_task(until_it_works(answer_once))
    got, _ = await until_it_works(lambda: bus.request(question, timedelta(seconds=5)))
    assert got.body == b"!"
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
