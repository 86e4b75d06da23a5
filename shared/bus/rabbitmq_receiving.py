"""A connection of the client library's that hands deliveries out as they come in from the socket.

The library reads frame by frame: for each of a message's three a task wakes up, decodes, and puts it into a
queue, and a task of its own carries the message to the consumer. Here the socket's reader sorts what has
arrived in one go (`rabbitmq_sorting`). The library reads the rest from it, and knows nothing of the
deliveries. Connecting, TLS, heartbeats, channels, calls and their answers, and errors are its own.
"""

from __future__ import annotations

import asyncio
import inspect
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol, SupportsIndex

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.connection import Connection as UnderlayConnection
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from shared.bus.rabbitmq_sorting import Sorter, Takers
from shared.bus.rabbitmq_wire import SIGN_OF_LIFE

QUIET_SECONDS = 1.0
"""How seldom the library is told that the broker is there, while nothing comes that it has to read."""


def library_fits() -> bool:
    """Whether the library lets us make its transport, and its channels be of a class of ours."""
    takes = inspect.signature(UnderlayConnection.__init__).parameters
    passes_on = "kwargs" in AbstractConnection.__annotations__
    return "transport_factory" in takes and passes_on and hasattr(aio_pika.Connection, "CHANNEL_CLASS")


class SortingReader(asyncio.StreamReader):
    """What the library reads from: without the deliveries that somebody else takes."""

    def __init__(self, takers: Takers, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._takers = takers
        self._sorter = Sorter(takers)
        self._heard = self._clock()

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Called by asyncio with the bytes that have arrived."""
        others = self._sorter.sort(bytes(data))
        if not others and self._takers and self._clock() - self._heard > QUIET_SECONDS:
            # Who consumes is long past the handshake, where this would be an error.
            others = SIGN_OF_LIFE
        if others:
            self._heard = self._clock()
            super().feed_data(others)

    def feed_eof(self) -> None:
        """Called by asyncio at the end, more than once."""
        if rest := self._sorter.rest():
            super().feed_data(rest)
        super().feed_eof()


class _Contexts(Protocol):
    async def get_context(self) -> ssl.SSLContext: ...


class _Transports:
    """Opens connections as the library's own factories do, but for the reader."""

    def __init__(self, takers: Takers) -> None:
        self._takers = takers

    async def create(
        self, url: URL, *, ssl_context_provider: _Contexts, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Called by the library. Raises its `AMQPConnectionError`."""
        context = await ssl_context_provider.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = SortingReader(self._takers)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, host=url.host or "", port=url.port or 0, ssl=context, **options
            )
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class SortedChannel(aio_pika.Channel):
    """A channel whose deliveries can be taken."""

    def __init__(self, connection: SortedConnection, *args: Any, **kwargs: Any) -> None:
        super().__init__(connection, *args, **kwargs)
        self.takers = connection.takers


class SortedConnection(aio_pika.Connection):
    """A connection whose deliveries can be taken."""

    CHANNEL_CLASS = SortedChannel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.takers = Takers()
        self.kwargs["transport_factory"] = _Transports(self.takers)


def takers_of(channel: AbstractChannel) -> Takers:
    """Where to take deliveries of a channel. On a connection of the library's own nobody asks for them."""
    return channel.takers if isinstance(channel, SortedChannel) else Takers()
