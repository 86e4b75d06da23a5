"""Turns a reservation into the VM it waited for.

The addresses stay with the reservation in the ledger: the allocator, which reads vm.create.confirmed, hands
them over to the VM's NIC records.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from services.placement.domain.recognising import Binding, How, bind, recognise
from services.placement.reservation_states import mark_confirmed
from services.placement.reservations import Reservation, lock_matching
from shared.events.inventory import VmChanged
from shared.events.placement import PlacedNic, VmCreateConfirmed
from shared.ipam.ledger import Claim, Holder, Release, lock_subnets, occupy, release
from shared.ipam.subnets import list_subnets
from shared.model.identifiers import vm_id
from shared.store.pool import Connection

log = structlog.get_logger(__name__)

_NEWER_REMOVAL = """
SELECT true FROM inventory.vm
WHERE vcenter_id = $1 AND moid = $2 AND removed AND (epoch, sequence) > ($3, $4)
"""


class Seen(NamedTuple):
    """A fact about a VM, and when it was observed."""

    vm: VmChanged
    at: datetime


class _Taken(Exception):
    """An address of an expired reservation has another holder by now."""


async def confirm_seen(conn: Connection, seen: Sequence[Seen]) -> list[VmCreateConfirmed]:
    """Confirm the reservations that these VMs answer, within the caller's transaction.

    Facts about other VMs, repeats and templates change nothing. A VM that comes after its reservation expired
    gets its addresses back where they are all still free or cooling down; otherwise it is left to the
    allocator, which sees it as any other VM.
    """
    carried = [named for vm, _ in seen for named in (vm.reservation, vm.extra_config_reservation)]
    ids = [named for named in carried if named is not None]
    macs = [port.mac for vm, _ in seen for port in vm.ports if port.mac is not None]
    matching = await lock_matching(conn, ids, macs, [vm.name for vm, _ in seen])
    if not matching:
        return []
    await lock_subnets(conn, _subnets(matching))
    waiting = {reservation.id: reservation for reservation in matching}
    confirmed: list[VmCreateConfirmed] = []
    for vm, at in seen:
        found = recognise(vm, at, [reservation.expected() for reservation in waiting.values()])
        if found is None or await _gone(conn, vm):
            continue
        expected, how = found
        event = await confirm(conn, waiting[expected.id], vm, how, at, partly=False)
        if event is not None:
            confirmed.append(event)
            del waiting[expected.id]
    return confirmed


async def confirm(
    conn: Connection, reservation: Reservation, vm: VmChanged, how: How, at: datetime, *, partly: bool
) -> VmCreateConfirmed | None:
    """Bind a held or expired reservation, locked by the caller, to a VM.

    With `partly`, NICs that the VM lacks give their addresses back; else None until the VM has them all, as
    a VM may be made first and given its devices later. None, too, when no NIC can be bound, or an expired
    reservation's address is somebody else's by now.
    """
    binding = bind(vm, reservation.nics)
    if not binding.ports or (binding.unbound and not partly):
        return None
    try:
        async with conn.transaction():
            if reservation.state == "expired":
                await _take_back(conn, reservation, binding, at)
            await _give_back(conn, reservation, binding.unbound, at)
    except _Taken as error:
        log.info("reservation.too_late", reservation=str(reservation.id), vm=vm.moid, detail=str(error))
        return None
    identity = vm_id(vm.vcenter, vm.moid, vm.instance_uuid)
    token = await mark_confirmed(conn, reservation.id, vm=identity, moid=vm.moid, how=how, at=at)
    return VmCreateConfirmed(
        request_id=reservation.request_id,
        reservation=reservation.id,
        vcenter=vm.vcenter,
        vm=identity,
        vm_moid=vm.moid,
        vm_name=vm.name,
        recognised_by=how,
        ports=binding.ports,
        confirmed_at=at,
        token=token,
        late=reservation.state == "expired",
        given_back=tuple(placed for nic in binding.unbound for placed in nic.addresses),
    )


async def _gone(conn: Connection, vm: VmChanged) -> bool:
    """Whether the fact is late, and the VM known to be removed since."""
    return bool(await conn.fetchval(_NEWER_REMOVAL, vm.vcenter, vm.moid, vm.epoch, vm.sequence))


async def _take_back(conn: Connection, reservation: Reservation, binding: Binding, at: datetime) -> None:
    """Hold the addresses of an expired reservation again. Raises `_Taken`."""
    holder = Holder("reservation", reservation.id)
    cooling = Holder("cooling", reservation.id)
    scopes = {subnet.id: subnet.scope_id for subnet in await list_subnets(conn, ids=_subnets([reservation]))}
    for port in binding.ports:
        for placed in port.addresses:
            if placed.subnet not in scopes:
                raise _Taken(f"subnet {placed.subnet_name} of {placed.address} was deleted")
            claim = Claim(placed.address, holder, at, instead_of=cooling)
            result = await occupy(conn, scopes[placed.subnet], [claim])
            for _, rival in result.refused:
                raise _Taken(f"{placed.address} is held by {rival.kind} {rival.id}")


async def _give_back(
    conn: Connection, reservation: Reservation, nics: Sequence[PlacedNic], at: datetime
) -> None:
    """Release the addresses of NICs that the VM does not have."""
    scopes = {subnet.id: subnet.scope_id for subnet in await list_subnets(conn, ids=_subnets([reservation]))}
    holder = Holder("reservation", reservation.id)
    for nic in nics:
        for placed in nic.addresses:
            if placed.subnet in scopes:
                await release(conn, scopes[placed.subnet], [Release(placed.address, holder, at)])


def _subnets(reservations: Sequence[Reservation]) -> set[UUID]:
    return {
        placed.subnet for reservation in reservations for nic in reservation.nics for placed in nic.addresses
    }
