"""Who takes events from the queue: an allocator, several in processes of their own, and their bare rival."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aio_pika
import psutil
import structlog
from aio_pika.abc import AbstractIncomingMessage

from services.allocator.app import collect_seldom
from services.allocator.handlers import Allocator
from services.allocator.settings import AllocatorSettings
from shared.bus.connecting import connect_bus
from shared.bus.port import Bus
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.events.topology import ALLOCATOR_FACTS
from shared.runtime.consuming import Received, consume
from shared.runtime.publishing import publish
from shared.store.pool import Pool, open_pool

BATCH = 200
"""The rival's: larger ones do not make it faster."""
LINGER = timedelta(milliseconds=5)


async def of_allocator(
    bus: Bus, pool: Pool, events: Sequence[Envelope[Event]], batch: int
) -> dict[str, float]:
    """Events per second from a full queue to commits."""
    await publish(bus, events)
    allocator, stop, left = Allocator(pool, AllocatorSettings()), asyncio.Event(), len(events)

    async def facts(received: Sequence[Received]) -> None:
        nonlocal left
        await allocator.facts(received)
        left -= len(received)
        if left <= 0:
            stop.set()

    wall, cpu = time.perf_counter(), time.process_time()
    await consume(bus, ALLOCATOR_FACTS, facts, stop=stop, batch=batch, linger=LINGER, name="bench")
    return per_event(len(events), wall, cpu)


async def of_bare_consumer(url: str, bus: Bus, events: Sequence[Envelope[Event]]) -> dict[str, float]:
    """The same with aio-pika alone: messages into an asyncio queue, one acknowledgement for a batch."""
    await publish(bus, events)
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(2 * BATCH)
        queue = await channel.get_queue(ALLOCATOR_FACTS)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        wall, cpu = time.perf_counter(), time.process_time()
        await queue.consume(arrived.put)
        left = len(events)
        while left > 0:
            message, taken = await arrived.get(), 1
            while taken < BATCH and not arrived.empty():
                message, taken = arrived.get_nowait(), taken + 1
            await message.ack(multiple=True)
            left -= taken
        return per_event(len(events), wall, cpu)


def per_event(count: int, wall: float, cpu: float) -> dict[str, float]:
    """Events a second and our CPU for each, since these readings of the clocks."""
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"per_second": round(count / wall), "our_cpu_us": round(cpu / count * 1e6, 1)}


async def of_allocators(
    bus: Bus, events: Sequence[Envelope[Event]], batch: int, *, count: int, amqp: str, url: str
) -> dict[str, float]:
    """The same with so many allocators in processes of their own."""
    await publish(bus, events)
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(_process(amqp, url, batch)) for _ in range(count)]
        wall, cpu = time.perf_counter(), _cpu(processes)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        left = len(events)

        async def listen(process: asyncio.subprocess.Process) -> None:
            nonlocal left
            while left > 0:
                committed = await _said(process)
                left -= committed

        tasks = [asyncio.create_task(listen(process)) for process in processes]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        wall, cpu = time.perf_counter() - wall, _cpu(processes) - cpu
        for task in tasks:
            task.cancel()
    return {"per_second": round(len(events) / wall), "our_cpu_us": round(cpu / len(events) * 1e6, 1)}


@asynccontextmanager
async def _process(amqp: str, url: str, batch: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench._consumers", amqp, url, str(batch),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert process.stdin is not None
    try:
        await _said(process)
        yield process
    finally:
        # It acknowledges what it has committed, and leaves an empty queue to whoever is next.
        process.stdin.close()
        await process.wait()


async def _said(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise SystemExit("an allocator of the benchmark ended before its time; see its error above")
    return int(line)


def _cpu(processes: Sequence[asyncio.subprocess.Process]) -> float:
    times = [psutil.Process(process.pid).cpu_times() for process in processes]
    return sum(time.user + time.system for time in times)


async def allocate(amqp: str, url: str, batch: int) -> None:
    """Say 0 when ready, begin at the first line of input, say what is committed, stop at the input's end."""
    pool = await open_pool(url, name="bench")
    bus = await connect_bus(amqp_url=amqp, database_url=url, name="bench")
    allocator, stop = Allocator(pool, AllocatorSettings()), asyncio.Event()
    print(0, flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    async def facts(received: Sequence[Received]) -> None:
        await allocator.facts(received)
        print(len(received), flush=True)

    async def listen() -> None:
        await asyncio.to_thread(sys.stdin.read)
        stop.set()

    listening = asyncio.create_task(listen())
    await consume(bus, ALLOCATOR_FACTS, facts, stop=stop, batch=batch, linger=LINGER, name="bench")
    await listening
    await bus.close()
    await pool.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    collect_seldom()
    asyncio.run(allocate(sys.argv[1], sys.argv[2], int(sys.argv[3])))
