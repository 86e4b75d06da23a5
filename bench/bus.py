"""Throughput of the bus: both adapters and, in the same run, aio-pika with nothing of ours around it.

    python -m bench.bus [--amqp amqp://…] [--database postgresql://…] [--messages 20000]

Prints JSON. Without addresses a private RabbitMQ and a private PostgreSQL are started; a database that is
named must be migrated, and on servers that are named the queue `bench.work` stays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractIncomingMessage

from bench._servers import PRIVATE, broker, database
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus, Message
from shared.events.topology import Queue, Topology

QUEUE = "bench.work"
BODY = 600
WINDOW = 500
BATCH = 200


def messages(count: int) -> list[Message]:
    """Messages of the size of a typical event."""
    body = b"x" * BODY
    return [
        Message(body, "bench.key", str(number), type="bench.message", subject="bench/1")
        for number in range(count)
    ]


async def measured(count: int, work: Callable[[], Awaitable[None]]) -> dict[str, float]:
    """Messages per second, and our CPU per message in microseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"per_second": round(count / wall), "client_cpu_us": round(cpu / count * 1e6, 1)}


async def of_bus(bus: Bus, count: int) -> dict[str, Any]:
    """Publish in windows, then consume in batches with one acknowledgement each."""
    sent = messages(count)

    async def publish() -> None:
        for start in range(0, count, 2 * WINDOW):
            await bus.publish(sent[start : start + 2 * WINDOW])

    async def consume() -> None:
        left = count
        async with bus.consume(QUEUE, prefetch=2 * BATCH) as consumer:
            while left:
                deliveries = await consumer.batch(BATCH)
                await consumer.ack(deliveries[-1])
                left -= len(deliveries)

    return {"publish": await measured(count, publish), "consume": await measured(count, consume)}


async def latency(bus: Bus, rounds: int = 300) -> dict[str, float]:
    """Milliseconds from publishing one message to having it, nothing else going on."""
    took = []
    async with bus.consume(QUEUE) as consumer:
        for message in messages(rounds):
            began = time.perf_counter()
            await bus.publish([message])
            (delivery,) = await consumer.batch(1)
            took.append(time.perf_counter() - began)
            await consumer.ack(delivery)
    took.sort()
    return {f"p{share}_ms": round(took[rounds * share // 100] * 1000, 2) for share in (50, 99)}


async def of_bare_aio_pika(url: str, count: int) -> dict[str, Any]:
    """The same with the client library alone: gathered confirms, an asyncio queue, one ack per batch."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(Topology().exchange)

        async def publish() -> None:
            for start in range(0, count, WINDOW):
                window = range(start, min(start + WINDOW, count))
                await asyncio.gather(
                    *(
                        exchange.publish(
                            aio_pika.Message(
                                b"x" * BODY,
                                message_id=str(number),
                                type="bench.message",
                                delivery_mode=2,
                                headers={"subject": "bench/1"},
                            ),
                            routing_key="bench.key",
                        )
                        for number in window
                    )
                )

        async def consume() -> None:
            consuming = await connection.channel()
            await consuming.set_qos(2 * BATCH)
            queue = await consuming.get_queue(QUEUE)
            arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            await queue.consume(arrived.put)
            left = count
            while left:
                message, taken = await arrived.get(), 1
                while taken < BATCH and not arrived.empty():
                    message, taken = arrived.get_nowait(), taken + 1
                await message.ack(multiple=True)
                left -= taken
            await consuming.close()

        return {"publish": await measured(count, publish), "consume": await measured(count, consume)}


@asynccontextmanager
async def opened(amqp_url: str | None, database_url: str) -> AsyncIterator[Bus]:
    """A bus with the queue for this benchmark."""
    bus = await connect_bus(amqp_url=amqp_url, database_url=database_url, name="bench")
    try:
        await bus.declare(Topology(queues=(Queue(QUEUE, ("bench.#",), dead_letter=None),)))
        yield bus
    finally:
        await bus.close()


async def on_rabbitmq(url: str, count: int) -> dict[str, Any]:
    """Ours and the bare client library, on one broker, and how they compare."""
    async with opened(url, "") as bus:
        bare = await of_bare_aio_pika(url, count)
        ours = await of_bus(bus, count) | {"latency": await latency(bus)}
    for step in ("publish", "consume"):
        ours[step]["of_bare"] = round(ours[step]["per_second"] / bare[step]["per_second"], 2)
        ours[step]["cpu_of_bare"] = round(ours[step]["client_cpu_us"] / bare[step]["client_cpu_us"], 2)
    return {"bare_aio_pika": bare, "rabbitmq": ours}


async def on_postgresql(url: str, count: int) -> dict[str, Any]:
    """The embedded bus."""
    async with opened(None, url) as bus:
        return {"embedded": await of_bus(bus, count) | {"latency": await latency(bus)}}


def measure(amqp: str, database_url: str, count: int) -> dict[str, Any]:
    """One bus after the other, so that only one server runs at a time."""
    results: dict[str, Any] = {}
    with broker(amqp) as url:
        if url is not None:
            results |= asyncio.run(on_rabbitmq(url, count))
    with database(database_url) as url:
        results |= asyncio.run(on_postgresql(url, count))
    return results


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--amqp", default=PRIVATE, help="default: a private RabbitMQ; `embedded`: without")
    parser.add_argument("--database", default=PRIVATE, help="default: a private PostgreSQL")
    parser.add_argument("--messages", type=int, default=20_000)
    given = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the result goes to stdout
    result = {
        "benchmark": "bus",
        "machine": {"cpus": os.cpu_count(), "system": platform.platform()},
        "versions": {name: version(name) for name in ("aio-pika", "aiormq", "asyncpg")}
        | {"python": platform.python_version()},
        "sizes": {"messages": given.messages, "body_bytes": BODY, "window": WINDOW, "batch": BATCH},
        "results": measure(given.amqp, given.database, given.messages),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
