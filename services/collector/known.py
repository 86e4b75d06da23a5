"""What was said to exist: the memory that a sweep compares a snapshot with.

An object is remembered before it is published and forgotten after its removal was: whatever happens between,
a later snapshot that lacks it removes it (G2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from services.collector.domain.mirror import News
from shared.events.inventory import KINDS, Kind
from shared.store.pool import Pool, transaction

_NEVER = object()
Names = dict[str, str | None]
"""Name by managed object id."""


class KnownObjects:
    """The known objects of one vCenter, as one epoch sees them."""

    def __init__(self, pool: Pool, vcenter: UUID, epoch: int) -> None:
        self._pool = pool
        self._vcenter = vcenter
        self._epoch = epoch
        self._remembered: dict[tuple[Kind, str], str | None] = {}

    async def remember(self, news: Iterable[News]) -> None:
        """Note the objects that are about to be published as existing."""
        fresh = {
            (item.kind, item.moid): item.name
            for item in news
            if not item.gone and self._remembered.get((item.kind, item.moid), _NEVER) != item.name
        }
        if not fresh:
            return
        async with transaction(self._pool) as connection:
            await connection.execute(
                """
                INSERT INTO collector.known_object (vcenter_id, kind, moid, name, epoch)
                SELECT $1, kind, moid, name, $2
                FROM unnest($3::text[], $4::text[], $5::text[]) AS o (kind, moid, name)
                ON CONFLICT (vcenter_id, kind, moid)
                DO UPDATE SET name = excluded.name, epoch = excluded.epoch, held_at = NULL
                """,
                *(self._vcenter, self._epoch),
                *([kind for kind, _ in fresh], [moid for _, moid in fresh], list(fresh.values())),
            )
        self._remembered.update(fresh)

    async def forget(self, objects: Iterable[tuple[Kind, str]]) -> None:
        """Drop objects whose removal was published."""
        gone = list(objects)
        if not gone:
            return
        async with transaction(self._pool) as connection:
            await connection.execute(
                """
                DELETE FROM collector.known_object k USING unnest($2::text[], $3::text[]) AS o (kind, moid)
                WHERE k.vcenter_id = $1 AND k.kind = o.kind AND k.moid = o.moid
                """,
                *(self._vcenter, [kind for kind, _ in gone], [moid for _, moid in gone]),
            )
        for key in gone:
            self._remembered.pop(key, None)

    async def counts(self) -> dict[Kind, int]:
        """Known objects by kind."""
        async with transaction(self._pool, readonly=True) as connection:
            rows = await connection.fetch(
                "SELECT kind, count(*) AS n FROM collector.known_object WHERE vcenter_id = $1 GROUP BY kind",
                self._vcenter,
            )
        found = {row["kind"]: row["n"] for row in rows}
        return {kind: found.get(kind, 0) for kind in KINDS}

    async def unseen(self) -> dict[Kind, Names]:
        """Objects that this epoch has not published: what its snapshot lacks."""
        return await self._select("epoch < $2", self._epoch)

    async def held_since(self, before: datetime) -> dict[Kind, Names]:
        """Objects whose removal is held since before that time."""
        return await self._select("held_at <= $2", before)

    async def hold(self, objects: Mapping[Kind, Iterable[str]], at: datetime) -> None:
        """Note that the removal of these is held, keeping the time of those that are already."""
        pairs = [(kind, moid) for kind, moids in objects.items() for moid in moids]
        async with transaction(self._pool) as connection:
            await connection.execute(
                """
                UPDATE collector.known_object k SET held_at = coalesce(k.held_at, $4)
                FROM unnest($2::text[], $3::text[]) AS o (kind, moid)
                WHERE k.vcenter_id = $1 AND k.kind = o.kind AND k.moid = o.moid
                """,
                *(self._vcenter, [kind for kind, _ in pairs], [moid for _, moid in pairs], at),
            )

    async def _select(self, condition: str, value: object) -> dict[Kind, Names]:
        names: dict[Kind, Names] = {kind: {} for kind in KINDS}
        async with transaction(self._pool, readonly=True) as connection:
            rows = await connection.fetch(
                f"SELECT kind, moid, name FROM collector.known_object WHERE vcenter_id = $1 AND {condition}",  # noqa: S608
                *(self._vcenter, value),
            )
        for row in rows:
            names[row["kind"]][row["moid"]] = row["name"]
        return names
