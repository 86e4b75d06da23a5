"""The life with one vCenter: login after login, loss after loss."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

import structlog

from services.collector import metrics, registry
from services.collector.credentials import log_in_with, reach
from services.collector.domain.sight import Cause, SightLost
from services.collector.domain.stamp import Stamp
from services.collector.exclusive import Lock, only_one
from services.collector.orders import Orders
from services.collector.outgoing import Outgoing, about_vcenter
from services.collector.racing import Interrupted, unless
from services.collector.registry import Vcenter
from services.collector.settings import CollectorSettings
from services.collector.stream import Stream
from services.collector.vsphere.endpoint import Credentials, Endpoint, parse_endpoint
from services.collector.vsphere.session import About, Patience, open_session
from shared.bus.port import Bus
from shared.events.vcenter import VcenterLost
from shared.runtime.errors import PermanentError, TransientError
from shared.store.pool import Pool

log = structlog.get_logger(__name__)
FAREWELL_SECONDS = 3.0
"""For telling the bus that we stop; whoever waits for us to end has a limit too."""

SLOW: frozenset[Cause] = frozenset({"rejected_login", "identity_changed"})
"""Causes that a person has to end, and that haste makes worse: accounts get locked."""


class Watcher:
    """Watches one vCenter until its orders end. `run` returns then, and raises only on a defect."""

    def __init__(
        self, orders: Orders, *, pool: Pool, bus: Bus, database_url: str, settings: CollectorSettings
    ) -> None:
        self._orders = orders
        self._pool = pool
        self._bus = bus
        self._database_url = database_url
        self._settings = settings
        self._outgoing: Outgoing | None = None
        self._stream: Stream | None = None
        self._told: Cause | None = None
        """The cause of the loss that the bus was told of; None while there is sight."""
        self._failures = 0

    async def run(self) -> None:
        """Watch while there is an order to."""
        while not self._orders.ended:
            try:
                if self._orders.vcenter.paused:
                    await registry.set_state(self._pool, self._orders.vcenter, "paused")
                    await self._orders.news()
                else:
                    await self._watch_alone()
            except TransientError as error:
                log.warning("store out of reach", vcenter=self._orders.vcenter.name, error=str(error))
                self._failures += 1
                await self._orders.news_within(self._delay(None))

    async def _watch_alone(self) -> None:
        """Hold the vCenter's lock, and log in again and again."""
        vcenter = self._orders.begin()
        async with AsyncExitStack() as stack:
            exclusively = only_one(
                self._database_url,
                vcenter.id,
                poll_seconds=self._settings.lock_poll_seconds,
                silence_seconds=self._settings.lock_silence_seconds,
            )
            try:
                lock = await unless(self._orders.interrupted(), stack.enter_async_context(exclusively))
            except Interrupted:
                return
            while not (lock.lost.is_set() or self._orders.ended or self._orders.vcenter.paused):
                await self._one_session(lock)

    async def _one_session(self, lock: Lock) -> None:
        vcenter = self._orders.begin()
        self._stream = None
        try:
            await unless(self._interruption(lock), self._see(vcenter, lock))
        except Interrupted:
            if not lock.lost.is_set():
                await self._say_goodbye(vcenter, lock)
        except SightLost as lost:
            seen = self._stream is not None and self._stream.complete
            self._failures = 1 if seen else self._failures + 1
            with contextlib.suppress(Interrupted):
                await unless(self._interruption(lock), self._lose(vcenter, lost, lock))
                await unless(self._interruption(lock), asyncio.sleep(self._delay(lost.cause)))

    async def _interruption(self, lock: Lock) -> None:
        """End when the session has to: by order, or because another collector may have the lock by now."""
        with contextlib.suppress(Interrupted):
            await unless(lock.lost.wait(), self._orders.interrupted())

    async def _see(self, vcenter: Vcenter, lock: Lock) -> None:
        """One login, from the first call to the loss of sight."""
        await registry.set_state(self._pool, vcenter, "connecting")
        endpoint, credentials = _how_to_log_in(vcenter)
        patience = Patience(self._settings.bytes_timeout_seconds, self._settings.call_timeout_seconds)
        async with open_session(endpoint, credentials, patience=patience, name=vcenter.name) as session:
            await self._identify(vcenter, session.about)
            stamp = await self._begin_epoch(vcenter, session.about.instance_uuid, lock)
            log.info("connected", vcenter=vcenter.name, product=session.about.product, epoch=stamp.epoch)
            self._outgoing = Outgoing(self._bus, stamp, vcenter.name)
            self._told = None
            self._stream = Stream(
                session=session,
                pool=self._pool,
                outgoing=self._outgoing,
                orders=self._orders,
                settings=self._settings,
            )
            await self._stream.run()

    async def _begin_epoch(self, vcenter: Vcenter, identity: UUID, lock: Lock) -> Stamp:
        epoch = await lock.write(lambda connection: registry.begin_epoch(connection, vcenter, identity))
        metrics.EPOCH.labels(vcenter.name).set(epoch)
        return Stamp(identity, epoch, vcenter.scope)

    async def _identify(self, vcenter: Vcenter, about: About) -> None:
        """Make sure that who answers is who was registered."""
        try:
            expected = await registry.bind_identity(self._pool, vcenter, about.instance_uuid)
        except PermanentError as error:
            raise SightLost("identity_changed", _said(error)) from error
        if expected != about.instance_uuid:
            raise SightLost(
                "identity_changed",
                f"{vcenter.url} is now vCenter {about.instance_uuid}, it was {expected}; its objects are "
                f"others. If that is right: patchbay vcenter remove {vcenter.name}, and add it again",
            )
        await registry.set_clock_skew(self._pool, vcenter, about.clock_skew)
        metrics.CLOCK_SKEW.labels(vcenter.name).set(about.clock_skew)
        if abs(about.clock_skew) > self._settings.skew_warning_seconds:
            log.warning("clocks differ", vcenter=vcenter.name, seconds=round(about.clock_skew))

    async def _lose(self, vcenter: Vcenter, lost: SightLost, lock: Lock) -> None:
        """Tell that sight is lost; nothing else changes by it."""
        metrics.LOST.labels(vcenter.name, lost.cause).inc()
        log.warning(
            "lost", vcenter=vcenter.name, cause=lost.cause, detail=lost.detail, failures=self._failures
        )
        await registry.set_state(self._pool, vcenter, "lost", f"{lost.cause}: {lost.detail}")
        if self._told != lost.cause:
            await self._tell(vcenter, lost, lock)

    async def _tell(self, vcenter: Vcenter, lost: SightLost, lock: Lock) -> None:
        if self._outgoing is None:
            # Nothing of this process was published yet: only a new epoch is sure to be newer than all before.
            identity = await registry.identity_of(self._pool, vcenter)
            if identity is None:
                return
            stamp = await self._begin_epoch(vcenter, identity, lock)
            self._outgoing = Outgoing(self._bus, stamp, vcenter.name)
        fact = about_vcenter(
            VcenterLost, self._outgoing.stamp, vcenter.name, cause=lost.cause, detail=lost.detail
        )
        await self._outgoing.publish([fact], datetime.now(UTC))
        self._told = lost.cause

    async def _say_goodbye(self, vcenter: Vcenter, lock: Lock) -> None:
        """Tell that nobody watches now, unless a new login follows at once."""
        reason = self._orders.interrupt
        if not (self._orders.ended or self._orders.vcenter.paused) or self._outgoing is None or self._told:
            return
        with contextlib.suppress(TransientError, TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._tell(vcenter, SightLost("stopped", reason or "stopped"), lock)
                await registry.set_state(self._pool, vcenter, "stopped", reason or "")

    def _delay(self, cause: Cause | None) -> float:
        """Seconds until the next try: longer each time, and never the same for two."""
        if cause in SLOW:
            return self._settings.rejected_retry_seconds
        longest = min(
            self._settings.backoff_max_seconds,
            self._settings.backoff_initial_seconds * 2.0 ** min(self._failures - 1, 32),
        )
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, guards nothing


def _how_to_log_in(vcenter: Vcenter) -> tuple[Endpoint, Credentials]:
    try:
        credentials = log_in_with(vcenter.user_ref, vcenter.password_ref)
    except PermanentError as error:
        raise SightLost("rejected_login", _said(error)) from error
    try:
        endpoint = parse_endpoint(vcenter.url, vcenter.tls, vcenter.tls_detail)
        return reach(endpoint, vcenter.proxy), credentials
    except PermanentError as error:
        raise SightLost("unreachable", _said(error)) from error


def _said(error: PermanentError) -> str:
    return f"{error}; {error.hint}" if error.hint else str(error)
