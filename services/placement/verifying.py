"""Compares what was reserved for a confirmed VM with what its Tools say.

Which port a reserved address went to is the allocator's knowledge (`inventory.statement`), as are the
addresses that are seen on it. While Tools are silent nothing is concluded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from services.placement.reservations import Reservation, Verdict, reservation_from
from shared.events.placement import NicCheck, VmCreateDrifted, VmCreateVerified
from shared.store.pool import Connection

BATCH = 200
"""Reservations looked at in one transaction."""

# Only those with a sighting that the last verdict did not know.
_TO_VERIFY = """
SELECT r.*, s.stated
FROM placement.reservation r
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('reserved', host(t.address), 'seen', g.seen)) AS stated
    FROM inventory.statement t
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(host(g.address) ORDER BY g.address), '[]') AS seen
        FROM inventory.sighting g WHERE g.port_id = t.port_id AND g.live
    ) g
    WHERE t.reservation = r.id AND t.source = 'reservation'
) s
WHERE r.state = 'confirmed' AND r.verdict IS DISTINCT FROM 'verified' AND s.stated IS NOT NULL
  AND EXISTS (
      SELECT FROM inventory.statement t JOIN inventory.sighting g ON g.port_id = t.port_id AND g.live
      WHERE t.reservation = r.id AND t.source = 'reservation'
        AND NOT (g.address << 'fe80::/10' OR g.address << '169.254.0.0/16')
        AND NOT host(g.address) = ANY (ARRAY(
            SELECT jsonb_array_elements_text(c -> 'seen')
            FROM jsonb_array_elements(coalesce(r.seen, '[]')) c)))
ORDER BY r.ended_at DESC
LIMIT $1
FOR UPDATE OF r SKIP LOCKED
"""


async def verify(conn: Connection, now: datetime) -> list[VmCreateVerified | VmCreateDrifted]:
    """Judge confirmed reservations of which Tools say something new, within the caller's transaction."""
    events: list[VmCreateVerified | VmCreateDrifted] = []
    for row in await conn.fetch(_TO_VERIFY, BATCH):
        reservation = reservation_from(row)
        checks = _checks(reservation, row["stated"])
        verdict = judge(checks)
        await conn.execute(
            "UPDATE placement.reservation SET verdict = $2, seen = $3 WHERE id = $1",
            reservation.id,
            verdict or reservation.verdict,
            [check.model_dump(mode="json") for check in checks],
        )
        if verdict is not None and (verdict, checks) != (reservation.verdict, reservation.seen):
            events.append(_event(reservation, verdict, checks, now))
    return events


def judge(checks: Sequence[NicCheck]) -> Verdict | None:
    """`verified` when all reserved addresses are there; `drifted` when a NIC has another of the same family
    instead; None while Tools have not said enough."""
    complete = True
    for check in checks:
        families = {ip_address(text).version for text in check.seen}
        for reserved in check.reserved:
            if reserved in check.seen:
                continue
            if ip_address(reserved).version in families:
                return "drifted"
            complete = False
    return "verified" if checks and complete else None


def _checks(reservation: Reservation, stated: Iterable[Mapping[str, Any]]) -> tuple[NicCheck, ...]:
    """What each NIC of the reservation has reserved, and what is seen on its port."""
    seen_at = {item["reserved"]: item["seen"] for item in stated}
    checks: list[NicCheck] = []
    for nic in reservation.nics:
        reserved = [placed.address for placed in nic.addresses if placed.address in seen_at]
        if reserved:
            seen = [text for text in seen_at[reserved[0]] if not ip_address(text).is_link_local]
            checks.append(NicCheck(index=nic.index, reserved=tuple(reserved), seen=tuple(seen)))
    return tuple(checks)


def _event(
    reservation: Reservation, verdict: Verdict, checks: tuple[NicCheck, ...], now: datetime
) -> VmCreateVerified | VmCreateDrifted:
    model = VmCreateVerified if verdict == "verified" else VmCreateDrifted
    assert reservation.vm is not None  # noqa: S101  a confirmed reservation has its VM
    assert reservation.vm_moid is not None  # noqa: S101  as above
    return model(
        request_id=reservation.request_id,
        reservation=reservation.id,
        vcenter=reservation.vcenter,
        vm=reservation.vm,
        vm_moid=reservation.vm_moid,
        nics=checks,
        checked_at=now,
    )
