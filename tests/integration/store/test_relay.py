"""G2 on the write side: what a transaction says is published, once it commits, whatever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from shared.bus.port import Bus, BusLost, Message, PublishFailed, Unroutable
from shared.runtime.errors import PermanentError
from shared.store import relay as relay_module
from shared.store.outbox import depth, enqueue
from shared.store.pool import Pool, open_pool, transaction
from shared.store.relay import LOCK, relay
from tests.integration.store.buses import ScriptedBus
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.postgres


def message(number: int, key: str = "nic.created") -> Message:
    return Message(body=b"{}", routing_key=key, message_id=f"m{number}", headers={"n": number, "x": "y"})


async def write(pool: Pool, *messages: Message, to_queue: bool = False) -> None:
    async with transaction(pool) as connection:
        await enqueue(connection, messages, to_queue=to_queue)


@asynccontextmanager
async def relaying(pool: Pool, bus: Bus, name: str = "test") -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(relay(pool, bus, stop=stop, name=name))
        try:
            yield stop
        finally:
            stop.set()


async def waiting(pool: Pool) -> int:
    async with pool.acquire() as connection:
        return (await depth(connection)).messages


async def until_empty(pool: Pool) -> None:
    async with asyncio.timeout(30):
        while await waiting(pool):  # noqa: ASYNC110  the database tells nobody that a table is empty
            await asyncio.sleep(0.01)


async def relay_backend(pool: Pool) -> int | None:
    pid: int | None = await pool.fetchval(
        "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database() AND granted"
        " AND (classid::bigint << 32) | objid::bigint = $1",
        LOCK,
    )
    return pid


async def test_what_is_written_is_published_in_order_and_as_it_was(pool: Pool) -> None:
    bus = ScriptedBus()
    first = Message(
        body=b"\x00body",
        routing_key="nic.created.x",
        message_id="m0",
        type="nic.created",
        subject="x",
        content_type="application/cloudevents+json",
        correlation_id="c",
        reply_to="r",
        headers={"text": "t", "number": 7, "flag": True},
    )
    await write(pool, first, message(1))
    await write(pool, message(2))
    async with relaying(pool, bus):
        assert await bus.until(3) == ["m0", "m1", "m2"]
    assert bus.published[0] == first
    assert await waiting(pool) == 0


async def test_g2_a_transaction_that_fails_says_nothing(pool: Pool) -> None:
    bus = ScriptedBus()

    async def fail() -> None:
        async with transaction(pool) as connection:
            await enqueue(connection, [message(1)])
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        await fail()
    await write(pool, message(2))
    async with relaying(pool, bus):
        assert await bus.until(1) == ["m2"]


async def test_a_sleeping_relay_is_woken_by_a_commit(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("IDLE_SECONDS", "DEPTH_SECONDS", "PARKED_SECONDS"):
        monkeypatch.setattr(relay_module, pause, 3600.0)
    bus = ScriptedBus()
    async with relaying(pool, bus):
        for number in range(20):
            await write(pool, message(number))
            await bus.until(number + 1)


async def test_g2_no_commit_is_missed_between_the_last_look_and_sleep(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("IDLE_SECONDS", "DEPTH_SECONDS", "PARKED_SECONDS"):
        monkeypatch.setattr(relay_module, pause, 3600.0)
    bus = ScriptedBus()
    pool = await open_pool(database, name="test", size=8)

    async def writer(first: int) -> None:
        for number in range(first, first + 60):
            async with transaction(pool) as connection:
                await enqueue(connection, [message(number)])
                await asyncio.sleep(0.003 * (number % 4))

    async with relaying(pool, bus), asyncio.TaskGroup() as writers:
        for number in range(6):
            writers.create_task(writer(number * 60))
        ids = await bus.until(360)
    assert sorted(ids) == sorted(f"m{number}" for number in range(360))
    pool.terminate()


async def test_g2_what_is_not_confirmed_is_published_again_under_the_same_id(pool: Pool) -> None:
    bus = ScriptedBus()

    async def lose_the_second(messages: Sequence[Message]) -> None:
        await bus.take([messages[0], messages[2]])
        raise PublishFailed([1], "nack")

    async def lose_all(messages: Sequence[Message]) -> None:
        del messages
        raise BusLost("gone")

    bus.faults = [lose_the_second, lose_all]
    await write(pool, *(message(number) for number in range(3)))
    async with relaying(pool, bus):
        assert await bus.until(3) == ["m0", "m2", "m1"]
        await until_empty(pool)
    assert bus.offered == [["m0", "m1", "m2"], ["m1"], ["m1"]]


async def test_g2_a_relay_that_dies_between_confirm_and_delete_repeats_with_the_same_ids(pool: Pool) -> None:
    bus = ScriptedBus()

    async def die_after_the_confirm(messages: Sequence[Message]) -> None:
        await bus.take(messages)
        await pool.execute("SELECT pg_terminate_backend($1)", await relay_backend(pool))
        bus.published.pop()  # what follows counts it again

    bus.faults = [die_after_the_confirm]
    await write(pool, message(1))
    async with relaying(pool, bus):
        await bus.until(1)
        await until_empty(pool)
    assert bus.offered == [["m1"], ["m1"]]


async def test_one_relay_works_and_the_other_takes_over(
    pool: Pool, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "STANDBY_SECONDS", 0.05)
    one, other = ScriptedBus(), ScriptedBus()
    pool_of_other = await open_pool(database, name="other")
    async with relaying(pool_of_other, other, "other") as stop_other:
        await write(pool, message(1))
        await other.until(1)
        async with relaying(pool, one, "one"):
            await write(pool, message(2))
            await other.until(2)
            stop_other.set()
            await write(pool, message(3))
            await asyncio.wait(
                [asyncio.create_task(one.until(1)), asyncio.create_task(other.until(3))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            await write(pool, message(4))
            await until_empty(pool)
    ids = [sent.message_id for sent in one.published + other.published]
    assert sorted(ids) == ["m1", "m2", "m3", "m4"]
    assert one.published[-1].message_id == "m4"
    pool_of_other.terminate()


async def test_an_event_that_no_queue_takes_waits_and_holds_up_nobody(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "PARKED_SECONDS", 0.2)
    bus = ScriptedBus()

    async def no_queue_for_the_first(messages: Sequence[Message]) -> None:
        await bus.take(messages[1:])
        raise Unroutable([0], [messages[0].routing_key])

    bus.faults = [no_queue_for_the_first]
    await write(pool, message(1, "odd.key"), message(2))
    async with relaying(pool, bus):
        assert await bus.until(2) == ["m2", "m1"]
        await until_empty(pool)


async def test_a_reply_whose_asker_is_gone_is_dropped(pool: Pool) -> None:
    bus = ScriptedBus()

    async def nobody_there(messages: Sequence[Message]) -> None:
        raise Unroutable([0], [messages[0].routing_key])

    bus.faults = [nobody_there]
    await write(pool, message(1, "amq.gone"), to_queue=True)
    async with relaying(pool, bus):
        await until_empty(pool)
    assert bus.published == []
    assert bus.offered == [["m1"]]


async def test_g8_a_message_that_the_bus_refuses_stops_nobody(pool: Pool) -> None:
    bus = ScriptedBus()

    async def refuse_the_second(messages: Sequence[Message]) -> None:
        if any(one.message_id == "m2" for one in messages):
            raise PermanentError("too large")

    bus.faults = [refuse_the_second] * 4
    await write(pool, message(1), message(2), message(3))
    async with relaying(pool, bus):
        assert await bus.until(2) == ["m1", "m3"]
    assert await waiting(pool) == 1


async def test_g2_the_database_restarts_under_a_relay(
    pool: Pool, database: str, postgres_server: PostgresServer
) -> None:
    bus = ScriptedBus()
    async with relaying(pool, bus):
        await write(pool, message(1))
        await bus.until(1)
        postgres_server.stop()
        postgres_server.start()
        again = await open_pool(database, name="again")
        await write(again, message(2))
        assert "m2" in await bus.until(2)
        again.terminate()


async def test_a_relay_asked_to_stop_publishes_what_is_there_first(pool: Pool) -> None:
    bus = ScriptedBus()
    stop = asyncio.Event()
    await write(pool, *(message(number) for number in range(1200)))

    async def ask_to_stop(messages: Sequence[Message]) -> None:
        del messages
        stop.set()

    bus.faults = [ask_to_stop]
    await relay(pool, bus, stop=stop, name="test")
    assert len(bus.published) == 1200
    assert await waiting(pool) == 0
