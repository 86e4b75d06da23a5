"""A login at a vCenter, and the stream of its changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import thread_time
from typing import Any, TypeVar
from uuid import UUID

import structlog
from pyVmomi import vim, vmodl

from services.collector.domain.changes import Change, Page
from services.collector.domain.sight import SightLost
from services.collector.domain.spelling import uuid_or_none
from services.collector.domain.state import ObjectKind
from services.collector.vsphere.decoding.answers import decode_page
from services.collector.vsphere.endpoint import Credentials, Endpoint
from services.collector.vsphere.faults import OUT_OF_SIGHT, sight_lost_by
from services.collector.vsphere.fetching import fetch
from services.collector.vsphere.filters import watch_groups
from services.collector.vsphere.pages import Pages
from services.collector.vsphere.probing import probe
from services.collector.vsphere.transport import Transport
from services.collector.vsphere.wholes import read_wholes
from services.collector.vsphere.worker import Worker

_WaitOptions: Any = vmodl.query.PropertyCollector.WaitOptions
_ServiceInstance: Any = vim.ServiceInstance
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Patience:
    """Seconds: for connecting and for each wait for bytes; for a call as a whole; and to say goodbye."""

    bytes: float = 60.0
    call: float = 300.0
    goodbye: float = 3.0


@dataclass(frozen=True)
class About:
    """Who answered: its identity, product in words, and how many seconds its clock is ahead of ours."""

    instance_uuid: UUID
    product: str
    clock_skew: float


class Session:
    """One login. All calls run in the vCenter's own thread, in turn; answers are decoded in another one.

    Everything raises `SightLost`.
    """

    def __init__(
        self,
        content: Any,
        transport: Transport,
        workers: tuple[Worker, Worker],
        patience: Patience,
        about: About,
    ) -> None:
        """`workers`: the one that calls, and the one that decodes."""
        self.about = about
        self.decode_seconds = 0.0
        """Spent on decoding so far."""
        self.strays: Counter[str] = Counter()
        """Values that were left to pyVmomi, by "Type.path"; whoever reports them empties it."""
        self.unsupported: frozenset[str] = frozenset()
        """Property paths that this vCenter does not know."""
        self._content = content
        self._transport = transport
        self._worker, self._decoder = workers
        self._patience = patience
        self._options: Any = None
        self._pages = Pages(self._ask, self._decode)

    async def watch(self, *, partial: bool = True) -> None:
        """Ask to be told of everything; once per session, before the first page.

        `partial`: of lists, only the elements that changed.
        """
        self.unsupported = await self.call(lambda: watch_groups(self._content, partial=partial))

    async def read_wholes(self, objects: Sequence[tuple[ObjectKind, str, str]]) -> list[Change]:
        """All that is watched of each object, by kind, finer type and managed object id."""
        return await self.call(lambda: read_wholes(self._content, objects, self.unsupported))

    async def next_page(self, version: str, *, wait_seconds: int, objects: int) -> Page | None:
        """What changed since `version` ("" at first), at most `objects` of it; None when nothing did in time.

        Asking with a page's version acknowledges that page: the vCenter forgets it. Pages of an answer that
        has more are asked for ahead; what is lost by that, a new session finds again.
        """
        self._options = _WaitOptions(maxWaitSeconds=wait_seconds, maxObjectUpdates=objects)
        return await self._pages.next(version)

    async def _ask(self, version: str) -> bytes:
        collector, options = self._content.propertyCollector, self._options
        return await self.call(lambda: fetch(collector, "WaitForUpdatesEx", version, options))

    async def _decode(self, body: bytes, received_at: datetime) -> Page | None:
        strays: Counter[str] = Counter()

        def decode() -> tuple[Page | None, float]:
            began = thread_time()
            return decode_page(body, received_at, strays=strays), thread_time() - began

        try:
            page, seconds = await self._decoder.run(decode, seconds=self._patience.call)
        except Exception as error:
            raise sight_lost_by(error) from error
        self.decode_seconds += seconds
        self.strays.update(strays)
        return page

    async def probe(self) -> None:
        """Make sure that this session still sees; due whenever a vCenter was silent."""
        await self.call(lambda: probe(self._content))

    async def call(self, ask: Callable[[], T]) -> T:
        """The result of a blocking call."""
        try:
            return await self._worker.run(ask, seconds=self._patience.call)
        except Exception as error:
            raise sight_lost_by(error) from error

    @property
    def content(self) -> Any:
        """The service content, for what else there is to ask."""
        return self._content

    async def close(self) -> None:
        """Cut what is under way and log out, if that is quickly done: left-over sessions are few per user."""
        self._transport.cut()
        await self._pages.close()
        try:
            await self._worker.run(self._log_out, seconds=self._patience.goodbye)
        except (*OUT_OF_SIGHT, TimeoutError) as error:
            log.info("not logged out", reason=sight_lost_by(error).detail)
        self._transport.cut()

    def _log_out(self) -> None:
        sessions = self._content.sessionManager
        sessions._stub.DropConnections()  # they are cut; this takes a new one
        sessions.Logout()


@asynccontextmanager
async def open_session(
    endpoint: Endpoint, credentials: Credentials, *, patience: Patience, name: str
) -> AsyncIterator[Session]:
    """Log in; log out on leaving. Raises `SightLost`; `PermanentError` for an unreadable CA bundle."""
    worker, decoder = Worker(f"vcenter-{name}"), Worker(f"decoder-{name}")
    transport = Transport(endpoint, patience.bytes)
    session: Session | None = None
    try:
        try:
            content, about = await worker.run(lambda: _log_in(transport, credentials), seconds=patience.call)
        except Exception as error:
            raise sight_lost_by(error) from error
        session = Session(content, transport, (worker, decoder), patience, about)
        yield session
    finally:
        if session is not None:
            await session.close()
        transport.cut()
        worker.stop()
        decoder.stop()


def _log_in(transport: Transport, credentials: Credentials) -> tuple[Any, About]:
    instance = _ServiceInstance("ServiceInstance", transport.stub())
    content = instance.RetrieveContent()
    identity = uuid_or_none(content.about.instanceUuid)
    if identity is None:
        raise SightLost("identity_changed", f"{content.about.fullName} has no instance UUID: not a vCenter")
    content.sessionManager.Login(credentials.user, credentials.password.get_secret_value(), None)
    return content, About(identity, content.about.fullName, _clock_skew(instance))


def _clock_skew(instance: Any) -> float:
    asked = datetime.now(UTC)
    clock: datetime = instance.CurrentTime()
    # Taken in the middle of the call: a slow way there is no wrong clock.
    return (clock - (asked + (datetime.now(UTC) - asked) / 2)).total_seconds()
