"""The newest that Tools said of each guest, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from services.allocator.objects import Key
from shared.events.envelope import Envelope
from shared.events.guest import GuestAddressesChanged
from shared.store.ahead import begin
from shared.store.pool import Connection


async def apply_guests(conn: Connection, envelopes: Sequence[Envelope[GuestAddressesChanged]]) -> None:
    """Keep what is newer than the rows, all of which are locked for their VMs, in the order of their keys."""
    latest: dict[Key, Envelope[GuestAddressesChanged]] = {}
    for envelope in envelopes:
        key = (envelope.data.vcenter, envelope.data.moid)
        known = latest.setdefault(key, envelope)
        if known is not envelope and envelope.data.order > known.data.order:
            latest[key] = envelope
    if not latest:
        return
    # Not through `Table`: nothing else of the batch needs the row, so the condition does without reading it.
    rows = (
        (*key, e.data.epoch, e.data.sequence, e.time, e.data.tools, e.data.hostname, e.data.model_dump_json())
        for key, e in sorted(latest.items(), key=itemgetter(0))
    )
    await begin(
        conn,
        """
        INSERT INTO inventory.guest AS g (
            vcenter_id, moid, epoch, sequence, observed_at, tools, hostname, state
        )
        SELECT u.a, u.b, u.c, u.d, u.e, u.f, u.g, u.h::jsonb
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[],
                    $7::text[], $8::text[]) AS u (a, b, c, d, e, f, g, h)
        ON CONFLICT (vcenter_id, moid) DO UPDATE SET
            epoch = excluded.epoch, sequence = excluded.sequence, observed_at = excluded.observed_at,
            tools = excluded.tools, hostname = excluded.hostname, state = excluded.state
        WHERE (excluded.epoch, excluded.sequence) > (g.epoch, g.sequence)
        """,
        *map(list, zip(*rows, strict=True)),
    )
