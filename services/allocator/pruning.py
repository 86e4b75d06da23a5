"""Keeps histories short: what is older than a set age is kept as what it came to, or forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from asyncpg import Record

from services.allocator.domain.history import NO_GRACE, NO_PAUSE, SightingKey, Track, fold
from services.allocator.history_rows import read_history, write_base
from services.allocator.locking import lock_writes
from services.allocator.objects import Key
from services.allocator.tables import SIGHTING
from shared.store.pool import Connection, Pool, transaction

VMS_AT_ONCE = 500
ROWS_AT_ONCE = 5000


async def prune(
    pool: Pool, before: datetime, pause: timedelta = NO_PAUSE, grace: timedelta = NO_GRACE
) -> int:
    """Fold facts observed before `before` into one row per VM; how many VMs that was done for.

    What follows from the facts stays the same. Only a fact that comes so late that it belongs before the
    folded ones no longer counts.
    """
    done = 0
    while True:
        async with transaction(pool) as conn:
            await lock_writes(conn)
            rows = await conn.fetch(
                """
                SELECT DISTINCT vcenter_id, moid FROM (
                    SELECT vcenter_id, moid FROM inventory.vm_history
                    WHERE kind <> 'base' AND observed_at < $1 ORDER BY observed_at LIMIT $2
                ) old
                """,
                before,
                VMS_AT_ONCE,
            )
            if not rows:
                return done
            history = await read_history(conn, [(r["vcenter_id"], r["moid"]) for r in rows])
            bases = {}
            for key, (base, entries) in history.items():
                # Up to the last old one in the vCenter's order: its clock may have been set back meanwhile.
                old = max((i for i, entry in enumerate(entries, 1) if entry.at < before), default=0)
                bases[key] = fold(base, entries[:old], pause, grace)
            await write_base(conn, bases)
            done += len(rows)


async def forget_tenures(pool: Pool, before: datetime) -> int:
    """Delete periods that ended before `before`, in small steps; how many."""
    done = 0
    while True:
        async with transaction(pool) as conn:
            gone: int = await conn.fetchval(
                """
                WITH old AS (
                    -- By its beginning, which has the index: one of ends would make each end cost more.
                    SELECT ctid FROM inventory.tenure WHERE opened_at < $1 AND ended_at < $1
                    LIMIT $2 FOR UPDATE SKIP LOCKED
                ), gone AS (
                    DELETE FROM inventory.tenure t USING old WHERE t.ctid = old.ctid RETURNING 1
                )
                SELECT count(*) FROM gone
                """,
                before,
                ROWS_AT_ONCE,
            )
        done += gone
        if gone < ROWS_AT_ONCE:
            return done


async def forget_sightings(pool: Pool, before: datetime) -> int:
    """Delete sightings that ended before `before` and whose facts were folded already; how many.

    They are no evidence for additional wires any more, and no cool-down counts from them.
    """
    done, after = 0, (None, "")
    while True:
        async with transaction(pool) as conn:
            await lock_writes(conn)
            places = await conn.fetch(
                """
                SELECT DISTINCT vcenter_id, moid FROM inventory.sighting
                WHERE first_seen < $1 AND NOT live AND ended_at < $1
                  AND ($3::uuid IS NULL OR (vcenter_id, moid) > ($3, $4))
                ORDER BY vcenter_id, moid LIMIT $2
                """,
                before,
                VMS_AT_ONCE,
                *after,
            )
            if not places:
                return done
            after = (places[-1]["vcenter_id"], places[-1]["moid"])
            done += await _forget_at(conn, [(r["vcenter_id"], r["moid"]) for r in places], before)


async def _forget_at(conn: Connection, places: list[Key], before: datetime) -> int:
    rows = await conn.fetch(
        """
        SELECT s.vcenter_id, s.moid, s.device_key, host(s.address) AS address, s.wire_id, s.ended_at
        FROM inventory.sighting s JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid)
            USING (vcenter_id, moid)
        WHERE NOT s.live AND s.ended_at < $3
        """,
        [place[0] for place in places],
        [place[1] for place in places],
        before,
    )
    bases = {place: base for place, (base, _) in (await read_history(conn, places)).items()}
    gone: list[tuple[Key, SightingKey]] = []
    for row in rows:
        place, key = (row["vcenter_id"], row["moid"]), _key(row)
        known = bases[place].sightings.get(key)
        # Facts that are still kept one by one would bring it back when they are folded again.
        if known is not None and known.ended_at == row["ended_at"]:
            gone.append((place, key))
    await write_base(conn, {place: _without(bases[place], place, gone) for place in {p for p, _ in gone}})
    await SIGHTING.delete(conn, [(*place, *key) for place, key in gone])
    return len(gone)


def _key(row: Record) -> SightingKey:
    return SightingKey(row["device_key"], row["address"], row["wire_id"])


def _without(base: Track, place: Key, gone: list[tuple[Key, SightingKey]]) -> Track:
    dropped = {key for where, key in gone if where == place}
    kept = {key: s for key, s in base.sightings.items() if key not in dropped}
    return replace(base, sightings=kept)
