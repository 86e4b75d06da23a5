"""Every wait ends: a server that is silent, or that never comes to an end, is out of reach."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.collector.orders import Orders
from services.collector.registry import NewVcenter, add
from services.collector.settings import CollectorSettings
from services.collector.watcher import Watcher
from tests.integration.collector.conftest import QUICK, USER, Bench

pytestmark = pytest.mark.postgres
Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def dripping(writer: asyncio.StreamWriter) -> None:
    """A body without end: bytes come often enough, and an answer never."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)


async def babbling(writer: asyncio.StreamWriter) -> None:
    """Not even HTTP."""
    writer.write(b"220 mail.example.net ESMTP\r\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """The address of something that is no vCenter."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await talk(writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@pytest.mark.parametrize("talk", [silent, dripping, babbling])
async def test_what_never_answers_is_unreachable(bench: Bench, talk: Talk) -> None:
    hasty = QUICK.model_copy(update={"bytes_timeout_seconds": 1.5, "call_timeout_seconds": 3.0})
    async with server(talk) as url:
        await add(bench.pool, NewVcenter("lab", url, f"text:{USER}", f"file:{bench.password_file}"))
        async with bench.collector(hasty):
            lost = await bench.registered("lab", lambda vcenter: vcenter.state == "lost")
            assert lost.state_detail.startswith("unreachable: ")
    assert await bench.observer.read() == []


async def test_tries_are_ever_further_apart_and_never_in_step(bench: Bench) -> None:
    new = NewVcenter("lab", "vc.example.net", f"text:{USER}", f"file:{bench.password_file}")
    settings = CollectorSettings(
        backoff_initial_seconds=0.5, backoff_max_seconds=60, rejected_retry_seconds=300
    )
    watcher = Watcher(
        Orders(await add(bench.pool, new)),
        pool=bench.pool,
        bus=bench.bus,
        database_url=bench.database_url,
        settings=settings,
    )
    for failures, longest in ((1, 0.5), (2, 1.0), (4, 4.0), (8, 60.0), (100, 60.0)):
        watcher._failures = failures
        delays = {watcher._delay("unreachable") for _ in range(50)}
        assert len(delays) > 40
        assert longest / 2 <= min(delays)
        assert max(delays) <= longest
    # Haste locks accounts, and another vCenter at the address is for a person to explain.
    assert watcher._delay("rejected_login") == watcher._delay("identity_changed") == 300
