"""Connections to RabbitMQ that come back on their next use, and its errors in the words of the bus.

Deliberately not aio-pika's "robust" kind: that consumes again by itself, which on a stream starts over from
the first offset and on a queue hides that unacknowledged deliveries went to somebody else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import AbstractConnection as UnderlayConnection
from aiormq.exceptions import (
    AMQPConnectionError,
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ConnectionNotAllowed,
    IncompatibleProtocolError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from shared.bus.obstacles import AWAY, BLOCKED, Obstacles
from shared.bus.port import BusLost
from shared.bus.rabbitmq_address import BrokerAddress, untrusted
from shared.bus.rabbitmq_blocking import listen
from shared.bus.rabbitmq_receiving import SortedConnection, library_fits
from shared.bus.rabbitmq_versions import check_version
from shared.bus.redaction import without_secrets
from shared.runtime.errors import PermanentError

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT = 10.0
CLOSE_TIMEOUT = 5.0


LIBRARY_ERRORS = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, asyncio.CancelledError)
"""What the client library raises. It also cancels its waiting calls when a connection closes under them."""


@asynccontextmanager
async def broker_errors(doing: str) -> AsyncIterator[None]:
    """Errors of the client library as `BusLost` or `PermanentError`; `doing` completes "while …"."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise in_our_words(doing, error) from _cause(error)


def in_our_words(doing: str, error: BaseException) -> BaseException:
    """The error to raise for one of `LIBRARY_ERRORS`; a cancellation that is meant for us stays one."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return error if task is not None and task.cancelling() > 0 else _lost(doing, error)
    if isinstance(error, ProbableAuthenticationError):
        return _refused("the broker refused the login", "broker_login", error)
    if isinstance(error.__cause__, ssl.SSLError):
        return untrusted(error.__cause__)
    if isinstance(error, AuthenticationError):
        return _no_mechanism(error)
    if isinstance(error, ConnectionNotAllowed | IncompatibleProtocolError):
        return _refused("the broker refused the connection", "broker_refused", error)
    if isinstance(error, ChannelAccessRefused):
        return _refused(f"the broker forbids {doing}", "broker_permission", error)
    if isinstance(error, ChannelNotFoundEntity) and is_unknown(error):
        return PermanentError(
            f"{doing}: {without_secrets(error)}",
            code="unknown_queue",
            hint="start a service, which declares the topology",
        )
    return _lost(doing, error)


def _cause(error: BaseException) -> BaseException | None:
    # A refused login is explained by us; the library's own account of it quotes what it tried (G9).
    return None if isinstance(error, AMQPConnectionError) else error


def is_unknown(error: ChannelNotFoundEntity) -> bool:
    """Whether queue or exchange do not exist. One that is merely not there yet gets the same error code.

    The broker takes connections up to half a second before it has found all of its streams again.
    """
    return "no queue '" in str(error) or "no exchange '" in str(error)


def _lost(doing: str, error: BaseException) -> BusLost:
    if isinstance(error, InvalidFrameError) and "Connection.OpenOk" in str(error):
        # The library keeps the broker's reason to itself. A broker that is still starting looks the same.
        return BusLost("the broker does not open the virtual host: does it exist, and may this user use it?")
    reason = without_secrets(error) or type(error).__name__
    return BusLost(f"the connection to the broker was lost while {doing}: {reason}")


def _refused(what: str, code: str, error: Exception) -> PermanentError:
    return PermanentError(
        f"{what}: {without_secrets(error)}",
        code=code,
        hint="check user, password, virtual host and permissions of PATCHBAY_AMQP_URL",
    )


def _no_mechanism(error: AuthenticationError) -> PermanentError:
    offered = error.args[0] if error.args else "?"
    return PermanentError(
        f"the broker does not offer the way we want to log in; it offers {offered}",
        code="broker_login",
        hint="for a client certificate enable its plugin rabbitmq_auth_mechanism_ssl and add EXTERNAL to"
        " auth_mechanisms; or put a user into PATCHBAY_AMQP_URL",
    )


class Link:
    """One connection, opened when needed and again after it was lost."""

    def __init__(self, address: BrokerAddress, name: str, obstacles: Obstacles | None = None) -> None:
        """`obstacles`, of a connection to publish on, are told what is in its way."""
        self._address = address
        self._admitted = False
        self._name = name
        self._connection: AbstractConnection | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._obstacles = obstacles

    async def connection(self) -> AbstractConnection:
        """The open connection. Raises `BusLost`, `PermanentError`."""
        async with self._opening:
            if self._closed:
                raise BusLost("the bus is closed")
            if not _is_open(self._connection):
                await self._connect()
            if self._connection is None:
                raise BusLost("the connection to the broker was lost")
            return self._connection

    async def _connect(self) -> None:
        try:
            async with broker_errors("connecting"):
                self._connection = await aio_pika.connect(
                    self._address.now(),
                    timeout=CONNECT_TIMEOUT,
                    client_properties={"connection_name": self._name},
                    connection_class=_connection_class(),
                )
                await self._check(self._connection)
        except (BusLost, PermanentError) as error:
            if self._obstacles is not None:
                self._obstacles.arise(AWAY, f"no connection to the broker: {error}")
            if self._admitted and isinstance(error, PermanentError):
                # Who was let in before is not shut out for good: a password may be just being changed.
                raise BusLost(str(error)) from error
            raise
        self._admitted = True
        if self._obstacles is not None and self._connection is not None:
            self._watch(self._connection, self._obstacles)

    @staticmethod
    async def _check(connection: AbstractConnection) -> None:
        if connection.transport is not None:
            properties = connection.transport.connection.server_properties or {}
            try:
                check_version(properties.get("version"))
            except PermanentError:
                await connection.close()
                raise

    @staticmethod
    def _watch(connection: AbstractConnection, obstacles: Obstacles) -> None:
        obstacles.clear(AWAY)
        if connection.transport is not None:
            listen(connection.transport.connection, obstacles)
        # Who waits for the broker to take more must come and find that it is gone.
        connection.close_callbacks.add(lambda *_: obstacles.clear(BLOCKED))

    async def open_channel(self, *, confirms: bool = False) -> AbstractChannel:
        """A new channel; the caller closes it with `close_channel`."""
        connection = await self.connection()
        async with broker_errors("opening a channel"):
            channel = connection.channel(publisher_confirms=confirms)
            await channel.initialize(timeout=CONNECT_TIMEOUT)
            return channel

    async def transport(self) -> UnderlayConnection:
        """The open connection as the library's lower half has it."""
        connection = await self.connection()
        if connection.transport is None:
            raise BusLost("the connection to the broker was lost")
        return connection.transport.connection

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """A channel of its own for a few calls: a refused call closes it, and nobody else shall suffer."""
        channel = await self.open_channel()
        try:
            yield channel
        finally:
            await close_channel(channel)

    async def close(self) -> None:
        """Disconnect. Idempotent."""
        self._closed = True
        async with self._opening:
            connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(BusLost, TimeoutError):
                async with broker_errors("closing"), asyncio.timeout(CLOSE_TIMEOUT):
                    await connection.close()


def _connection_class() -> type[aio_pika.Connection]:
    if library_fits():
        return SortedConnection
    log.warning("receiving by the client library's own means: this version of it is not known")
    return aio_pika.Connection


def _is_open(connection: AbstractConnection | None) -> bool:
    return connection is not None and not connection.is_closed and connection.connected.is_set()


class Closable(Protocol):
    """A channel of either half of the library."""

    @property
    def is_closed(self) -> bool: ...

    def close(self) -> Awaitable[None]: ...


async def close_channel(channel: Closable) -> None:
    """Close a channel, also when the caller is being cancelled. What is unacknowledged on it goes back."""
    if channel.is_closed:
        return
    closing = asyncio.create_task(_close(channel))
    await asyncio.shield(closing)


async def _close(channel: Closable) -> None:
    with suppress(BusLost, TimeoutError):
        async with broker_errors("closing a channel"), asyncio.timeout(CLOSE_TIMEOUT):
            await channel.close()
