"""A copied state taken back to what people decided and what only the past can tell.

With a fresh read of the vCenters all else follows from these: records, verdicts, conflicts, who holds
which address, detected wires. That is forgotten here, and so is what the read told already. What no read
tells again stays: what guests said before they fell silent (G4), since when they have said it, who is gone,
and objects that their vCenter has but could not describe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Occasion
from services.allocator.domain.history import fold
from services.allocator.history_rows import read_history, write_heads
from services.allocator.locking import lock_writes, plan_anew
from services.allocator.objects import Key
from services.allocator.scopes import everything_of
from services.allocator.settling import Policy, settle
from services.allocator.sighting_rows import Tagged, write_sightings
from shared.events.envelope import Envelope
from shared.ipam.reserving import reserve_again
from shared.model.ordering import BEFORE_ALL
from shared.store.pool import Connection, Pool, transaction

VMS_AT_ONCE = 500


class Known(NamedTuple):
    """An object that a collector has told to exist."""

    vcenter: UUID
    kind: str
    moid: str


_DECIDED = "decided by people, or told by placement; taken as it stands"
_PAST = "of the past, which no read tells again; taken as it stands"

TAKEN_OVER = MappingProxyType(
    {
        "ipam.scope": _DECIDED,
        "ipam.subnet": _DECIDED,
        "ipam.subnet_range": _DECIDED,
        "ipam.reserved_address": _DECIDED,
        "inventory.wire_mapping": _DECIDED,
        "inventory.shared_address": _DECIDED,
        "inventory.fix": _DECIDED,
        "inventory.statement": _DECIDED,
        "placement.request": _DECIDED,
        "placement.reservation": _DECIDED,
        "placement.reservation_nic": _DECIDED,
        "inventory.tenure": _PAST,
        "inventory.wire_name": _PAST,
        "inventory.vm_history": _PAST,
        "inventory.vm.appeared_at": _PAST,
        "inventory.vm.gone_at": _PAST,
        "inventory.vm.gone_epoch": _PAST,
        "inventory.vm.gone_sequence": _PAST,
        "inventory.vcenter": "told again by each vCenter's next heartbeat",
    }
)
"""Tables and columns that stay as they are, each with the reason. Of the others these rows do: pinned and
denied wires; reserved, held and resting addresses; removed objects; VMs that a vCenter could not describe."""

_GIVEN = """
CREATE TEMPORARY TABLE read_anew (vcenter_id uuid PRIMARY KEY, epoch bigint) ON COMMIT DROP;
CREATE TEMPORARY TABLE known (vcenter_id uuid, kind text, moid text) ON COMMIT DROP;
CREATE TEMPORARY TABLE place (vcenter_id uuid, moid text) ON COMMIT DROP;
CREATE TEMPORARY TABLE ghost (vcenter_id uuid, moid text) ON COMMIT DROP;
"""

# What nobody removed, the read did not tell, and no collector knows of, does not exist.
_GHOSTS = """
INSERT INTO ghost SELECT vcenter_id, moid FROM inventory.vm v JOIN read_anew r USING (vcenter_id)
WHERE NOT v.removed AND v.epoch < r.epoch AND NOT EXISTS (
    SELECT FROM known k WHERE k.kind = 'vm' AND k.vcenter_id = v.vcenter_id AND k.moid = v.moid);
DELETE FROM inventory.host o USING read_anew r
WHERE o.vcenter_id = r.vcenter_id AND NOT o.removed AND o.epoch < r.epoch AND NOT EXISTS (
    SELECT FROM known k WHERE k.kind = 'host' AND k.vcenter_id = o.vcenter_id AND k.moid = o.moid);
DELETE FROM inventory.switch o USING read_anew r
WHERE o.vcenter_id = r.vcenter_id AND NOT o.removed AND o.epoch < r.epoch AND NOT EXISTS (
    SELECT FROM known k WHERE k.kind = 'switch' AND k.vcenter_id = o.vcenter_id AND k.moid = o.moid);
DELETE FROM inventory.wire o USING read_anew r
WHERE o.vcenter_id = r.vcenter_id AND NOT o.retired AND o.epoch < r.epoch AND NOT EXISTS (
    SELECT FROM known k WHERE k.kind = 'portgroup' AND k.vcenter_id = o.vcenter_id AND k.moid = o.moid);
"""

# Told by the read, so it is told again when the log from there on is played.
_TOLD = """
INSERT INTO place SELECT vcenter_id, moid FROM inventory.vm v JOIN read_anew r USING (vcenter_id)
WHERE NOT v.removed AND v.epoch >= r.epoch;
UPDATE inventory.vm v SET epoch = 0, sequence = 0, told_epoch = 0, told_sequence = 0, vm_id = NULL
FROM place p WHERE v.vcenter_id = p.vcenter_id AND v.moid = p.moid;
UPDATE inventory.host o SET epoch = 0, sequence = 0, told_epoch = 0, told_sequence = 0
FROM read_anew r WHERE o.vcenter_id = r.vcenter_id AND NOT o.removed AND o.epoch >= r.epoch;
UPDATE inventory.switch o SET epoch = 0, sequence = 0, told_epoch = 0, told_sequence = 0
FROM read_anew r WHERE o.vcenter_id = r.vcenter_id AND NOT o.removed AND o.epoch >= r.epoch;
UPDATE inventory.wire o SET epoch = 0, sequence = 0, told_epoch = 0, told_sequence = 0
FROM read_anew r WHERE o.vcenter_id = r.vcenter_id AND NOT o.retired AND o.epoch >= r.epoch;
DELETE FROM inventory.vm_history h USING place p, read_anew r
WHERE h.vcenter_id = p.vcenter_id AND h.moid = p.moid AND r.vcenter_id = h.vcenter_id
  AND h.epoch >= r.epoch AND h.kind <> 'base';
DELETE FROM inventory.guest g USING place p, read_anew r
WHERE g.vcenter_id = p.vcenter_id AND g.moid = p.moid AND r.vcenter_id = g.vcenter_id AND g.epoch >= r.epoch;
"""

_AT_BOTH = """
INSERT INTO place SELECT * FROM ghost;
DELETE FROM inventory.vm v USING ghost p WHERE v.vcenter_id = p.vcenter_id AND v.moid = p.moid;
DELETE FROM inventory.vm_history h USING ghost p WHERE h.vcenter_id = p.vcenter_id AND h.moid = p.moid;
DELETE FROM inventory.guest g USING ghost p WHERE g.vcenter_id = p.vcenter_id AND g.moid = p.moid;
DELETE FROM inventory.vm_head h USING place p WHERE h.vcenter_id = p.vcenter_id AND h.moid = p.moid;
DELETE FROM inventory.sighting s USING place p WHERE s.vcenter_id = p.vcenter_id AND s.moid = p.moid;
DELETE FROM inventory.changing c USING place p WHERE c.vcenter_id = p.vcenter_id AND c.moid = p.moid;
DELETE FROM inventory.lingering l USING place p WHERE l.vcenter_id = p.vcenter_id AND l.moid = p.moid;
DELETE FROM inventory.port o USING place p WHERE o.vcenter_id = p.vcenter_id AND o.vm_moid = p.moid;
DELETE FROM inventory.port o USING read_anew r WHERE o.vcenter_id = r.vcenter_id AND NOT EXISTS (
    SELECT FROM inventory.vm v WHERE v.vcenter_id = o.vcenter_id AND v.moid = o.vm_moid);
"""

_FOLLOWS = """
TRUNCATE inventory.nic, inventory.nic_address, inventory.unmatched, inventory.conflict;
DELETE FROM ipam.subnet_wire WHERE role = 'detected';
DELETE FROM ipam.free_interval;
DELETE FROM ipam.address WHERE holder_kind IN ('nic', 'sighting');
"""


async def begin_anew(
    pool: Pool, read: Mapping[UUID, int], known: Iterable[Known], cause: Envelope[Any], policy: Policy
) -> None:
    """Forget what follows, in a database that nobody else uses; then make it anew of what stays.

    `read` is the epoch of each vCenter's fresh read, all of which is to be applied afterwards; `known` is
    what collectors know to exist; `cause` is the occasion. Other vCenters stay as they are known.
    """
    async with transaction(pool) as conn:
        await lock_writes(conn)
        await plan_anew(conn)
        await conn.execute(_GIVEN)
        await conn.execute(
            "INSERT INTO read_anew SELECT * FROM unnest($1::uuid[], $2::bigint[])",
            *(list(read), list(read.values())),
        )
        await conn.executemany("INSERT INTO known VALUES ($1, $2, $3)", known)
        for statements in (_GHOSTS, _TOLD, _AT_BOTH, _FOLLOWS):
            await conn.execute(statements)
        await _fold_again(conn, policy)
        await reserve_again(conn)
        await conn.execute("SELECT ipam.rebuild_free(id) FROM ipam.subnet ORDER BY id")
        vcenters = [row["id"] for row in await conn.fetch("SELECT id FROM inventory.vcenter ORDER BY id")]
        out = Announcements()
        await settle(conn, await everything_of(conn, vcenters), Occasion([cause]), out, policy)


async def _fold_again(conn: Connection, policy: Policy) -> None:
    """What guests had said by the read, as sightings that are nobody's until it tells whose they are."""
    rows = await conn.fetch("SELECT vcenter_id, moid FROM place ORDER BY vcenter_id, moid")
    for start in range(0, len(rows), VMS_AT_ONCE):
        places: list[Key] = [(row["vcenter_id"], row["moid"]) for row in rows[start : start + VMS_AT_ONCE]]
        tracks = {
            place: fold(base, entries, policy.change)
            for place, (base, entries) in (await read_history(conn, places)).items()
        }
        tracks = {place: track for place, track in tracks.items() if track.order != BEFORE_ALL}
        await write_heads(conn, tracks)
        nobodys = {
            place: {key: Tagged(seen, None, live=False) for key, seen in track.sightings.items()}
            for place, track in tracks.items()
        }
        await write_sightings(conn, [(place, {}, tags) for place, tags in nobodys.items()])
