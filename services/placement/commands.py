"""What operators and provisioning systems say about reservations: confirm, extend, cancel.

Each command is answered once carried out, and again when it is repeated.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from services.placement.confirming import confirm
from services.placement.ending import cancel
from services.placement.reservation_states import extend
from services.placement.reservations import Reservation, lock_reservation
from shared.events.base import Event
from shared.events.commands import ReservationCancel, ReservationConfirm, ReservationExtend
from shared.events.inventory import VmChanged
from shared.events.placement import VmCreateExtended
from shared.ipam import ledger
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection

ReservationCommand = ReservationConfirm | ReservationExtend | ReservationCancel
Outcome = tuple[dict[str, object], list[Event]]
"""The result for the reply, and the events that tell of it."""

_VMS = """
SELECT vcenter_id, moid, name, vm_id, state, observed_at FROM inventory.vm
WHERE vcenter_id = $1 AND NOT removed AND state IS NOT NULL
  AND (moid = $2 OR vm_id::text = lower($2) OR name = $2)
"""


async def carry_out(
    conn: Connection, command: ReservationCommand, now: datetime, max_lease: timedelta
) -> Outcome:
    """Do what a command says, within the caller's transaction.

    Raises PermanentError with code reservation_unknown, already_confirmed, already_cancelled,
    already_expired, stale_token, vm_unknown, vm_ambiguous, vm_does_not_match, invalid_time or lease_too_long.
    """
    reservation = await lock_reservation(conn, command.reservation)
    if reservation is None:
        raise PermanentError(f"no reservation {command.reservation} is known", code="reservation_unknown")
    if isinstance(command, ReservationExtend) and _said_before(command, reservation):
        return _held_until(reservation.id, reservation.expires_at, reservation.token), []
    _require_newest(command, reservation)
    if isinstance(command, ReservationCancel):
        return await _cancel(conn, command, reservation, now)
    if isinstance(command, ReservationExtend):
        return await _extend(conn, command, reservation, now, max_lease)
    return await _confirm(conn, command, reservation, now)


async def _cancel(
    conn: Connection, command: ReservationCancel, reservation: Reservation, now: datetime
) -> Outcome:
    if reservation.state in {"cancelled", "expired"}:
        return _result(reservation.id, reservation.state), []
    _require_held(reservation, "cancel", "delete the VM; its addresses are released with it")
    event = await cancel(conn, reservation, now, command.note, command.by)
    return _result(reservation.id, "cancelled"), [event]


async def _extend(
    conn: Connection,
    command: ReservationExtend,
    reservation: Reservation,
    now: datetime,
    max_lease: timedelta,
) -> Outcome:
    _require_held(reservation, "extend", "publish a new create-VM request")
    if command.until <= now:
        raise PermanentError(
            f"{command.until.isoformat()} is over; name a later time, or cancel the reservation",
            code="invalid_time",
        )
    if command.until > now + max_lease:
        raise PermanentError(
            f"{command.until.isoformat()} is further ahead than {max_lease}", code="lease_too_long"
        )
    token = await extend(conn, reservation.id, command.until, hand_over=command.token is not None)
    await ledger.extend(conn, reservation.id, command.until)
    event = VmCreateExtended(
        request_id=reservation.request_id,
        reservation=reservation.id,
        expires_at=command.until,
        token=token,
        previous_token=command.token,
        by=command.by,
    )
    return _held_until(reservation.id, command.until, token), [event]


def _said_before(command: ReservationExtend, reservation: Reservation) -> bool:
    """Whether an extension is the repeated one that gave the reservation its present token."""
    return (
        reservation.state == "held"
        and command.token is not None
        and command.token == reservation.previous_token
        and command.until == reservation.expires_at
    )


def _require_newest(command: ReservationCommand, reservation: Reservation) -> None:
    """Refuse who held the reservation before somebody else did. Operators carry no token."""
    if command.token is not None and command.token != reservation.token:
        raise PermanentError(
            f"token {command.token} of reservation {reservation.id} is not the newest: "
            "somebody extended it, or it was bound after it had expired, under another one",
            code="stale_token",
        )


async def _confirm(
    conn: Connection, command: ReservationConfirm, reservation: Reservation, now: datetime
) -> Outcome:
    vm = await _find_vm(conn, reservation.vcenter, command.vm)
    if reservation.state == "confirmed" and reservation.vm_moid == vm.moid:
        return _confirmed(reservation.id, vm), []
    if reservation.state != "expired":
        _require_held(reservation, "confirm", "publish a new create-VM request")
    event = await confirm(conn, reservation, vm, "command", now, partly=True)
    if event is None:
        raise PermanentError(
            f"VM {vm.name} ({vm.moid}) has no port that a reserved NIC could have become, "
            "or a reserved address has another holder by now",
            code="vm_does_not_match",
        )
    return _confirmed(reservation.id, vm), [event.model_copy(update={"by": command.by})]


async def _find_vm(conn: Connection, vcenter: UUID, text: str) -> VmChanged:
    """The VM of this managed object id, identity or name."""
    rows = await conn.fetch(_VMS, vcenter, text)
    exact = [row for row in rows if row["moid"] == text or str(row["vm_id"]) == text.lower()] or rows
    if not exact:
        raise PermanentError(f"vCenter {vcenter} shows no VM {text!r}", code="vm_unknown")
    if len(exact) > 1:
        ids = ", ".join(sorted(row["moid"] for row in exact))
        raise PermanentError(
            f"{len(exact)} VMs are called {text!r}: {ids}; name one by id", code="vm_ambiguous"
        )
    return VmChanged.model_validate(exact[0]["state"])


def _require_held(reservation: Reservation, verb: str, next_step: str) -> None:
    if reservation.state == "held":
        return
    moment = reservation.ended_at.isoformat() if reservation.ended_at else "before"
    vm = f" by VM {reservation.vm_moid}" if reservation.vm_moid else ""
    raise PermanentError(
        f"cannot {verb} reservation {reservation.id}: "
        f"it was {reservation.state}{vm} at {moment}; {next_step}",
        code=f"already_{reservation.state}",
    )


def _result(reservation: UUID, state: str) -> dict[str, object]:
    return {"reservation": str(reservation), "state": state}


def _held_until(reservation: UUID, until: datetime, token: int) -> dict[str, object]:
    return _result(reservation, "held") | {"expires_at": until.isoformat(), "token": token}


def _confirmed(reservation: UUID, vm: VmChanged) -> dict[str, object]:
    return _result(reservation, "confirmed") | {"vm": vm.moid, "vm_name": vm.name}
