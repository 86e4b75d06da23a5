"""One epoch of one vCenter: a full read, then every change, each confirmed before the next is asked for.

Asking for the changes after a version lets the vCenter forget those before it. So the order here is the
guarantee (G2): remember, publish, get the confirmation, and only then ask on. Pages read ahead and VMs held
back for a moment are the exceptions; whatever keeps them from being told ends the session, and the next one
reads everything.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic, thread_time

import structlog

from services.collector import metrics, registry
from services.collector.domain.brake import BrakeRule
from services.collector.domain.changes import Page
from services.collector.domain.coalescing import Coalescing
from services.collector.domain.departures import Departures
from services.collector.domain.mirror import Mirror, News
from services.collector.domain.sight import judge_signs, judge_snapshot
from services.collector.domain.stamp import UNNUMBERED
from services.collector.known import KnownObjects
from services.collector.orders import Orders
from services.collector.outgoing import Outgoing, about_vcenter
from services.collector.rereading import Rereader
from services.collector.settings import CollectorSettings
from services.collector.sweeping import Sweeper
from services.collector.vsphere.session import Session
from shared.events.inventory import SnapshotStarted
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat
from shared.store.pool import Pool

log = structlog.get_logger(__name__)


class Stream:
    """Reads and publishes until sight is lost (raises `SightLost`) or a second look is due (returns)."""

    def __init__(
        self,
        *,
        session: Session,
        pool: Pool,
        outgoing: Outgoing,
        orders: Orders,
        settings: CollectorSettings,
    ) -> None:
        rule = BrakeRule(settings.brake_percent, settings.brake_minimum)
        self._session = session
        self._pool = pool
        self._outgoing = outgoing
        self._orders = orders
        self._settings = settings
        self._stamp = outgoing.stamp
        self._name = orders.vcenter.name
        self._mirror = Mirror(self._stamp)
        self._departures = Departures(rule)
        self._known = KnownObjects(pool, self._stamp.vcenter, self._stamp.epoch)
        self._sweeper = Sweeper(
            pool=pool, known=self._known, outgoing=outgoing, orders=orders, settings=settings, rule=rule
        )
        self._rereader = Rereader(
            session=session,
            pool=pool,
            orders=orders,
            mirror=self._mirror,
            publish=self._publish,
            objects=settings.page_objects,
        )
        self.complete = False
        """Whether the full read is done."""
        self._coalescing = Coalescing(settings.coalesce_seconds)
        self._held_from: datetime | None = None
        """Since when something is known and not told yet."""
        self._begun = monotonic()
        self._lag = 0.0
        self._beaten_at = 0.0
        self._unread: frozenset[str] = frozenset()
        self._strays: set[str] = set()
        self._suppressed: Counter[str] = Counter()
        self._shown: Counter[str] | None = None
        self._decode_seconds = 0.0

    async def run(self) -> None:
        """The epoch, from its first fact on."""
        await self._announce()
        await self._session.watch(partial=self._settings.partial_updates)
        if self._session.unsupported:
            log.info("properties unknown there", vcenter=self._name, paths=sorted(self._session.unsupported))
        version, more = "", False
        while not self._sweeper.second_look_due:
            page = await self._next_page(version)
            current_to = page.received_at if page is not None else datetime.now(UTC)
            if page is None:
                await self._session.probe()
            else:
                await self._digest(page)
                version, more = page.version, page.truncated
            if not more:
                await self._settle(current_to)

    async def _announce(self) -> None:
        connected = about_vcenter(
            VcenterConnected, self._stamp, self._name, product=self._session.about.product
        )
        started = SnapshotStarted(vcenter=self._stamp.vcenter, epoch=self._stamp.epoch, sequence=UNNUMBERED)
        await self._outgoing.publish([connected, started], datetime.now(UTC))
        await registry.set_state(self._pool, self._orders.vcenter, "snapshot")

    async def _digest(self, page: Page) -> None:
        """Publish what a page says; removals only with the last page of an answer."""
        began = monotonic()
        lost = judge_signs(page.signs)
        if lost is not None:
            raise lost
        began_cpu = thread_time()
        self._mirror.apply(page.changes)
        if stale := self._mirror.take_stale():
            metrics.REREAD.labels(self._name).inc(len(stale))
            self._mirror.apply(await self._session.read_wholes(stale))
        now = monotonic()
        news = list(self._mirror.news(lambda moid: self._coalescing.may_tell(moid, now)))
        metrics.TRANSLATE.labels(self._name).inc(thread_time() - began_cpu)
        news = self._departures.sift(news, self._mirror)
        if not page.truncated:
            news += self._departures.take()
        await self._publish(news, page.received_at)
        if self._coalescing.holding and self._held_from is None:
            self._held_from = page.received_at
        self._lag = monotonic() - began
        self._report(page)

    async def _next_page(self, version: str) -> Page | None:
        """The next page. While it is waited for, VMs that were held back are told of when they are due."""
        question = asyncio.create_task(
            self._session.next_page(
                version, wait_seconds=self._settings.wait_seconds, objects=self._settings.page_objects
            )
        )
        try:
            while not (await asyncio.wait((question,), timeout=self._coalescing.wait(monotonic())))[0]:
                await self._tell_held()
            return question.result()
        finally:
            question.cancel()
            await asyncio.gather(question, return_exceptions=True)

    async def _tell_held(self) -> None:
        """Publish what is due. Whatever prevents it ends the login, and the next one reads everything."""
        at = self._held_from or datetime.now(UTC)
        due = frozenset(self._coalescing.due(monotonic()))
        news = self._departures.sift(list(self._mirror.news(due.__contains__)), self._mirror)
        self._coalescing.note(due, monotonic())
        await self._publish(news, at)
        if not self._coalescing.holding:
            self._held_from = None

    async def _publish(self, news: Sequence[News], at: datetime) -> None:
        began = monotonic()
        await self._known.remember(news)
        remembered = monotonic()
        metrics.REMEMBER.labels(self._name).inc(remembered - began)
        await self._outgoing.publish_news(news, at)
        await self._known.forget((item.kind, item.moid) for item in news if item.gone)
        metrics.PUBLISH.labels(self._name).inc(monotonic() - remembered)
        if self.complete:
            self._coalescing.note({item.moid for item in news if item.kind == "vm"}, monotonic())
            self._coalescing.forget_old(monotonic())

    async def _settle(self, current_to: datetime) -> None:
        """Nothing is left unsaid up to `current_to`: the first time, that ends the snapshot."""
        if not self.complete:
            lost = judge_snapshot(self._mirror.counts(), await self._known.counts())
            if lost is not None:
                raise lost
            self.complete = True
            metrics.SNAPSHOT.labels(self._name).observe(monotonic() - self._begun)
            await self._sweeper.sweep(self._mirror)
        elif self._sweeper.release_due:
            await self._sweeper.sweep(self._mirror)
        await self._rereader.note_datacenters()
        await self._rereader.carry_out()
        await self._beat(min(current_to, self._held_from or current_to))

    async def _beat(self, current_to: datetime) -> None:
        if monotonic() - self._beaten_at < self._settings.heartbeat_seconds * 0.9:
            return
        self._beaten_at = monotonic()
        if self._suppressed != self._shown:
            self._shown = +self._suppressed
            await registry.set_suppressed(self._pool, self._orders.vcenter, self._shown)
        beat = about_vcenter(
            VcenterHeartbeat, self._stamp, self._name, current_to=current_to, lag_seconds=self._lag
        )
        await self._outgoing.publish([beat], current_to)

    def _report(self, page: Page) -> None:
        """Metrics, and a word once about what can't be understood."""
        metrics.PAGES.labels(self._name).inc()
        metrics.DECODE.labels(self._name).inc(self._session.decode_seconds - self._decode_seconds)
        self._decode_seconds = self._session.decode_seconds
        if strays := set(self._session.strays) - self._strays:
            log.info("values left to pyVmomi", vcenter=self._name, paths=sorted(strays))
            self._strays |= strays
        metrics.STRAYS.labels(self._name).inc(self._session.strays.total())
        self._session.strays.clear()
        metrics.LAG.labels(self._name).set(self._lag)
        self._mirror.suppressed["coalesced"] += self._coalescing.merged
        self._coalescing.merged = 0
        self._suppressed.update(self._mirror.suppressed)
        for reason, times in self._mirror.suppressed.items():
            metrics.SUPPRESSED.labels(self._name, reason).inc(times)
        self._mirror.suppressed.clear()
        for kind, number in self._mirror.counts().items():
            metrics.OBJECTS.labels(self._name, kind).set(number)
        for (kind, moid), reason in self._mirror.invalid.items():
            log.error("object not told", vcenter=self._name, kind=kind, moid=moid, reason=reason)
        self._mirror.invalid.clear()
        if page.unread - self._unread:
            log.error("values not understood", vcenter=self._name, paths=sorted(page.unread - self._unread))
            self._unread |= page.unread
