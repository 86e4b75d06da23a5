"""A way to the broker on which things happen to what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

Spoil = Callable[[bytes], list[bytes]]
"""What becomes of bytes that the broker sent: pieces to pass on; an empty one cuts the connection."""


@asynccontextmanager
async def wire_to(url: str, spoil: Spoil) -> AsyncIterator[str]:
    """The URL of another port that leads to the broker of `url`."""
    parts = urlsplit(url)
    passing: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, calls = await asyncio.open_connection(parts.hostname, parts.port)
        there = asyncio.create_task(_pass(reader, calls, lambda data: [data]))
        back = asyncio.create_task(_pass(answers, writer, spoil))
        passing.update((there, back))
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, calls):
            each.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"))
    finally:
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoil: Spoil) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            for piece in spoil(data):
                if not piece:
                    return
                writer.write(piece)
                await writer.drain()
