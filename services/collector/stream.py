"""One epoch of one vCenter: a full read, then every change, each confirmed before the next is asked for.

Asking for the changes after a version lets the vCenter forget those before it. So the order here is the
guarantee (G2): remember, publish, get the confirmation, and only then ask on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from services.collector import metrics, registry
from services.collector.domain.brake import BrakeRule, Sweep, decide
from services.collector.domain.changes import Page
from services.collector.domain.mirror import Mirror
from services.collector.domain.removals import removed
from services.collector.domain.sight import judge_leaves, judge_signs, judge_snapshot
from services.collector.domain.stamp import UNNUMBERED
from services.collector.known import KnownObjects, Names
from services.collector.orders import Orders
from services.collector.outgoing import Outgoing, about_vcenter
from services.collector.settings import CollectorSettings
from services.collector.vsphere.session import Session
from shared.events.inventory import KINDS, Kind, SnapshotCompleted, SnapshotHeld, SnapshotStarted
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
        self._session = session
        self._pool = pool
        self._outgoing = outgoing
        self._orders = orders
        self._settings = settings
        self._stamp = outgoing.stamp
        self._name = orders.vcenter.name
        self._mirror = Mirror(self._stamp)
        self._known = KnownObjects(pool, self._stamp.vcenter, self._stamp.epoch)
        self._rule = BrakeRule(settings.brake_percent, settings.brake_minimum)
        self._begun = monotonic()
        self.complete = False
        """Whether the full read is done."""
        self._recheck_at: float | None = None
        self._lag = 0.0
        self._beaten_at = 0.0

    async def run(self) -> None:
        """The epoch, from its first fact on."""
        now = datetime.now(UTC)
        connected = about_vcenter(
            VcenterConnected, self._stamp, self._name, product=self._session.about.product
        )
        await self._outgoing.publish([connected, SnapshotStarted(**self._order())], now)
        await registry.set_state(self._pool, self._orders.vcenter, "snapshot")
        await self._session.watch()
        version = ""
        while not self._second_look_due():
            page = await self._session.next_page(
                version, wait_seconds=self._wait_seconds(), objects=self._settings.page_objects
            )
            if page is None:
                await self._session.probe()
            else:
                await self._digest(page)
                version = page.version
            if not self.complete and (page is None or not page.truncated):
                await self._end_snapshot()
            elif self._recheck_at is not None and self._orders.vcenter.brake_released:
                await self._sweep()
            if self.complete and (page is None or not page.truncated):
                await self._beat(page.received_at if page is not None else datetime.now(UTC))

    def _wait_seconds(self) -> int:
        """How long to wait for changes: a heartbeat is owed when the answer comes."""
        if not self.complete:
            return 1
        return max(1, min(self._settings.max_wait_seconds, int(self._settings.heartbeat_seconds)))

    def _second_look_due(self) -> bool:
        return self._recheck_at is not None and monotonic() >= self._recheck_at

    async def _digest(self, page: Page) -> None:
        began = monotonic()
        self._judge(page)
        self._mirror.apply(page.changes)
        news = list(self._mirror.news())
        await self._known.remember(news)
        await self._outgoing.publish([item.fact for item in news], page.received_at)
        await self._known.forget((item.kind, item.moid) for item in news if item.gone)
        self._lag = monotonic() - began
        self._count()

    def _judge(self, page: Page) -> None:
        lost = judge_signs(page.signs)
        if lost is None and self.complete:
            leaves: dict[Kind, int] = dict.fromkeys(KINDS, 0)
            for change in page.changes:
                if change.action == "leave" and change.kind != "place":
                    leaves[change.kind] += 1
            lost = judge_leaves(leaves, self._mirror.counts(), self._rule)
        if lost is not None:
            raise lost

    def _count(self) -> None:
        metrics.PAGES.labels(self._name).inc()
        metrics.LAG.labels(self._name).set(self._lag)
        for reason, times in self._mirror.suppressed.items():
            metrics.SUPPRESSED.labels(self._name, reason).inc(times)
        self._mirror.suppressed.clear()
        for kind, number in self._mirror.counts().items():
            metrics.OBJECTS.labels(self._name, kind).set(number)

    async def _end_snapshot(self) -> None:
        lost = judge_snapshot(self._mirror.counts(), await self._known.counts())
        if lost is not None:
            raise lost
        self.complete = True
        metrics.SNAPSHOT.labels(self._name).observe(monotonic() - self._begun)
        await self._sweep()

    async def _missing(self) -> dict[Kind, Names]:
        """What is known and was not published in this epoch, nor is there unreadably."""
        unseen = await self._known.unseen()
        for kind in KINDS:
            present = self._mirror.present(kind)
            unseen[kind] = {moid: name for moid, name in unseen[kind].items() if moid not in present}
        return unseen

    async def _sweep(self) -> None:
        now = datetime.now(UTC)
        missing = await self._missing()
        # Read now: what the orders last heard may be a release that an earlier sweep has used up.
        released = await registry.is_brake_released(self._pool, self._orders.vcenter)
        known = await self._known.counts()
        held = await self._known.held_since(now - timedelta(seconds=self._settings.brake_recheck_seconds))
        verdict = decide(
            known=known,
            missing={kind: frozenset(missing[kind]) for kind in KINDS},
            confirmed={kind: frozenset(held[kind]) for kind in KINDS},
            rule=self._rule,
            released=released,
        )
        gone = [(kind, moid) for kind in KINDS for moid in sorted(verdict.remove[kind])]
        await self._outgoing.publish(
            [removed(self._stamp, kind, moid, missing[kind][moid], how="sweep") for kind, moid in gone], now
        )
        await self._known.forget(gone)
        if any(verdict.hold.values()):
            await self._hold(known, verdict, now)
        else:
            await self._finish({kind: len(verdict.remove[kind]) for kind in KINDS}, now)

    async def _hold(self, known: Mapping[Kind, int], verdict: Sweep, now: datetime) -> None:
        await self._known.hold(verdict.hold, now)
        self._recheck_at = monotonic() + self._settings.brake_recheck_seconds
        missing = {kind: len(moids) for kind, moids in verdict.hold.items()}
        release = (
            f"look whether these objects are really gone, then: patchbay vcenter release-brake {self._name}; "
            f"what a second snapshot in {self._settings.brake_recheck_seconds:g} s lacks too is removed"
        )
        fact = SnapshotHeld(
            **self._order(),
            known=dict(known),
            missing=missing,
            limit_percent=self._rule.percent,
            release=release,
        )
        await self._outgoing.publish([fact], now)
        vcenter = self._orders.vcenter
        await registry.set_held(self._pool, vcenter, {kind: n for kind, n in missing.items() if n})
        await registry.set_state(self._pool, vcenter, "held", release)
        log.warning("sweep held", vcenter=self._name, missing=missing)

    async def _finish(self, swept: dict[Kind, int], now: datetime) -> None:
        counts = self._mirror.counts()
        await self._outgoing.publish([SnapshotCompleted(**self._order(), counts=counts, swept=swept)], now)
        self._recheck_at = None
        vcenter = self._orders.vcenter
        await registry.set_held(self._pool, vcenter, None)
        await registry.set_state(self._pool, vcenter, "watching")
        log.info("snapshot completed", vcenter=self._name, counts=counts, swept=swept)

    async def _beat(self, current_to: datetime) -> None:
        if monotonic() - self._beaten_at < self._settings.heartbeat_seconds * 0.9:
            return
        self._beaten_at = monotonic()
        beat = about_vcenter(
            VcenterHeartbeat, self._stamp, self._name, current_to=current_to, lag_seconds=self._lag
        )
        await self._outgoing.publish([beat], current_to)

    def _order(self) -> dict[str, object]:
        return {"vcenter": self._stamp.vcenter, "epoch": self._stamp.epoch, "sequence": UNNUMBERED}
