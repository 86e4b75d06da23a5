"""Gives back what reservations hold: cancelled by their owner, or expired because nobody confirmed them.

Who cancels says that no VM will use the addresses: they are free at once. Who lets a reservation expire says
nothing, and its VM may be booting: the addresses rest for the subnet's cool-down.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.placement.confirming import confirm
from services.placement.domain.recognising import How
from services.placement.reservation_states import mark_ended, settle
from services.placement.reservations import Reservation, lock_due
from shared.events.inventory import VmChanged
from shared.events.placement import (
    RestingAddress,
    VmCreateCancelled,
    VmCreateConfirmed,
    VmCreateExpired,
)
from shared.ipam.domain import release_note
from shared.ipam.ledger import Release, held_by, lock_subnets, release
from shared.store.pool import Connection

BATCH = 100
"""Reservations that expire in one transaction."""

_VMS = """
SELECT v.state, v.observed_at, 'annotation' AS how FROM inventory.vm v
WHERE v.reservation = $1 AND v.vcenter_id = $2 AND NOT v.removed AND NOT v.template AND v.state IS NOT NULL
UNION ALL
SELECT v.state, v.observed_at, 'extra_config' FROM inventory.vm v
WHERE v.extra_config_reservation = $1 AND v.vcenter_id = $2
  AND NOT v.removed AND NOT v.template AND v.state IS NOT NULL
UNION ALL
SELECT v.state, v.observed_at, 'mac' FROM placement.reservation_nic m
JOIN inventory.port p ON p.mac = m.mac AND p.vcenter_id = $2
JOIN inventory.vm v ON v.vcenter_id = p.vcenter_id AND v.moid = p.vm_moid
WHERE m.reservation_id = $1 AND NOT v.removed AND NOT v.template AND v.state IS NOT NULL
"""

_RESTING = f"""
SELECT host(address) AS address, subnet_id AS subnet, until FROM ipam.address
WHERE holder_kind = 'cooling' AND holder_id = $1 AND note = '{release_note("reservation")}'
  AND subnet_id IS NOT NULL
ORDER BY subnet_id, address
"""  # noqa: S608  our own words, spelled out: the index is of rows with them


async def cancel(
    conn: Connection, reservation: Reservation, at: datetime, note: str | None, by: str
) -> VmCreateCancelled:
    """Give a held reservation, locked by the caller, back at its owner's wish."""
    await release_all(conn, [reservation], at, cooldown=False)
    await mark_ended(conn, reservation.id, "cancelled", at, note)
    return VmCreateCancelled(request_id=reservation.request_id, reservation=reservation.id, note=note, by=by)


async def expire_due(conn: Connection, now: datetime) -> list[VmCreateExpired | VmCreateConfirmed]:
    """End the reservations whose time is over, at most `BATCH`, within the caller's transaction.

    A reservation whose VM the inventory shows is confirmed instead: its fact may still wait in the queue of a
    service that was down.
    """
    await settle(conn)
    due = await lock_due(conn, now, BATCH)
    if not due:
        return []
    await lock_subnets(conn, {placed.subnet for item in due for nic in item.nics for placed in nic.addresses})
    events: list[VmCreateExpired | VmCreateConfirmed] = []
    for reservation in due:
        confirmed = await _confirm_shown(conn, reservation)
        if confirmed is not None:
            events.append(confirmed)
            continue
        await release_all(conn, [reservation], now, cooldown=True)
        await mark_ended(conn, reservation.id, "expired", now)
        events.append(
            VmCreateExpired(
                request_id=reservation.request_id,
                reservation=reservation.id,
                expired_at=reservation.expires_at,
                resting=await _resting(conn, reservation.id),
            )
        )
    return events


async def _resting(conn: Connection, reservation: UUID) -> tuple[RestingAddress, ...]:
    """The addresses that cool down after a reservation."""
    rows = await conn.fetch(_RESTING, reservation)
    return tuple(RestingAddress(**row) for row in rows)


async def _confirm_shown(conn: Connection, reservation: Reservation) -> VmCreateConfirmed | None:
    """Confirm a reservation by the VM that the inventory shows, if there is exactly one."""
    rows = await conn.fetch(_VMS, reservation.id, reservation.vcenter)
    shown: dict[str, tuple[VmChanged, datetime, How]] = {}
    for row in rows:
        vm = VmChanged.model_validate(row["state"])
        shown.setdefault(vm.moid, (vm, row["observed_at"], row["how"]))
    if len(shown) != 1:
        return None
    vm, at, how = next(iter(shown.values()))
    return await confirm(conn, reservation, vm, how, at, partly=True)


async def release_all(
    conn: Connection, reservations: Sequence[Reservation], at: datetime, *, cooldown: bool
) -> None:
    """Release whatever the ledger still holds for these reservations."""
    held = await held_by(conn, [reservation.id for reservation in reservations])
    by_scope: dict[UUID, list[Release]] = {}
    for rows in held.values():
        for row in rows:
            by_scope.setdefault(row.scope, []).append(Release(row.address, row.holder, at))
    for scope in sorted(by_scope):
        await release(conn, scope, by_scope[scope], cooldown=cooldown)
