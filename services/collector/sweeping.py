"""The end of a snapshot: what it lacks is removed, or held."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from services.collector import registry
from services.collector.domain.brake import BrakeRule, Sweep, decide
from services.collector.domain.mirror import Mirror
from services.collector.domain.removals import removed
from services.collector.domain.stamp import UNNUMBERED
from services.collector.known import KnownObjects, Names
from services.collector.orders import Orders
from services.collector.outgoing import Outgoing
from services.collector.settings import CollectorSettings
from shared.events.inventory import KINDS, Kind, SnapshotCompleted, SnapshotHeld
from shared.store.pool import Pool

log = structlog.get_logger(__name__)


class Sweeper:
    """Removes what a snapshot lacks, once; the brake may make it wait."""

    def __init__(
        self,
        *,
        pool: Pool,
        known: KnownObjects,
        outgoing: Outgoing,
        orders: Orders,
        settings: CollectorSettings,
        rule: BrakeRule,
    ) -> None:
        self._pool = pool
        self._known = known
        self._outgoing = outgoing
        self._orders = orders
        self._recheck_seconds = settings.brake_recheck_seconds
        self._rule = rule
        self._recheck_at: float | None = None

    @property
    def release_due(self) -> bool:
        """Whether something is held that an operator wants to go."""
        return self._recheck_at is not None and self._orders.vcenter.brake_released

    @property
    def second_look_due(self) -> bool:
        """Whether something is held, for long enough that another snapshot may tell."""
        return self._recheck_at is not None and monotonic() >= self._recheck_at

    async def sweep(self, mirror: Mirror) -> None:
        """Publish removals of what `mirror`, a full read, lacks; then that the snapshot is complete."""
        now = datetime.now(UTC)
        missing = await self._missing(mirror)
        known = await self._known.counts()
        held = await self._known.held_since(now - timedelta(seconds=self._recheck_seconds))
        verdict = decide(
            known=known,
            missing={kind: frozenset(missing[kind]) for kind in KINDS},
            confirmed={kind: frozenset(held[kind]) for kind in KINDS},
            rule=self._rule,
            # Read now: what the orders last heard may be a release that an earlier sweep has used up.
            released=await registry.is_brake_released(self._pool, self._orders.vcenter),
        )
        gone = [(kind, moid) for kind in KINDS for moid in sorted(verdict.remove[kind])]
        await self._outgoing.publish(
            [
                removed(self._outgoing.stamp, kind, moid, missing[kind][moid], how="sweep")
                for kind, moid in gone
            ],
            now,
        )
        await self._known.forget(gone)
        if any(verdict.hold.values()):
            await self._hold(known, verdict, now)
        else:
            await self._finish(mirror, {kind: len(verdict.remove[kind]) for kind in KINDS}, now)

    async def _missing(self, mirror: Mirror) -> dict[Kind, Names]:
        """What is known, was not published in this epoch, and is not there unreadably either."""
        unseen = await self._known.unseen()
        for kind in KINDS:
            present = mirror.present(kind)
            unseen[kind] = {moid: name for moid, name in unseen[kind].items() if moid not in present}
        return unseen

    async def _hold(self, known: Mapping[Kind, int], verdict: Sweep, now: datetime) -> None:
        await self._known.hold(verdict.hold, now)
        self._recheck_at = monotonic() + self._recheck_seconds
        vcenter = self._orders.vcenter
        missing = {kind: len(moids) for kind, moids in verdict.hold.items()}
        release = (
            f"look whether they are really gone, then: patchbay vcenter release-brake {vcenter.name}; "
            f"what a second snapshot in {self._recheck_seconds:g} s lacks too is removed"
        )
        fact = SnapshotHeld(
            **self._order(),
            known=dict(known),
            missing=missing,
            limit_percent=self._rule.percent,
            release=release,
        )
        await self._outgoing.publish([fact], now)
        await registry.set_held(self._pool, vcenter, {kind: n for kind, n in missing.items() if n})
        await registry.set_state(self._pool, vcenter, "held", release)
        log.warning("sweep held", vcenter=vcenter.name, missing=missing)

    async def _finish(self, mirror: Mirror, swept: dict[Kind, int], now: datetime) -> None:
        counts = mirror.counts()
        await self._outgoing.publish([SnapshotCompleted(**self._order(), counts=counts, swept=swept)], now)
        self._recheck_at = None
        vcenter = self._orders.vcenter
        await registry.set_held(self._pool, vcenter, None)
        await registry.set_state(self._pool, vcenter, "watching")
        log.info("snapshot completed", vcenter=vcenter.name, counts=counts, swept=swept)

    def _order(self) -> dict[str, object]:
        stamp = self._outgoing.stamp
        return {"vcenter": stamp.vcenter, "epoch": stamp.epoch, "sequence": UNNUMBERED}
