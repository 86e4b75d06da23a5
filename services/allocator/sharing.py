"""`command.address.share` and `.unshare`: addresses that several may have."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Occasion
from services.allocator.dispatching import Commands
from services.allocator.domain.sentences import party_sentence
from services.allocator.domain.settlement import shared_by
from services.allocator.domain.ways_out import free
from services.allocator.naming import read_parties
from services.allocator.settling import Policy, settle
from shared.events.address_sharing import AddressShare, AddressShared, AddressUnshare, AddressUnshared
from shared.events.envelope import Envelope, wrap
from shared.ipam.ledger import holders, lock_subnets
from shared.ipam.reserving import reserved_at
from shared.ipam.scopes import ensure_scope, scope_name
from shared.model.addresses import parse_address
from shared.model.command_line import typed
from shared.model.identifiers import derive, scope_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection


async def share(
    conn: Connection, envelope: Envelope[Any], command: AddressShare, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Declare an address shared.

    Raises `PermanentError` scope_unknown, address_useless, address_fixed, address_taken.
    """
    scope = await _scope(conn, command.scope)
    ip = parse_address(command.address)
    if ip.is_loopback or ip.is_multicast or ip.is_link_local or ip.is_unspecified:
        raise PermanentError(
            f"{command.address} identifies nobody: loopback, multicast and link-local addresses are "
            "everybody's anyway",
            code="address_useless",
        )
    # A reservation that placement makes from here on would be taken over by those who share.
    await lock_subnets(conn, (), addresses=[(scope, command.address)])
    await _refuse_kept(conn, scope, command.address)
    decision = AddressShared(**await _decided(conn, envelope, scope, command.note))
    return await _carry_out(conn, decision, envelope, out, policy)


async def unshare(
    conn: Connection, envelope: Envelope[Any], command: AddressUnshare, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Take it back. Raises `PermanentError` scope_unknown, not_shared."""
    scope = await _scope(conn, command.scope)
    note = await conn.fetchrow(
        "SELECT note FROM inventory.shared_address WHERE scope_id = $1 AND address = $2::inet AND shared",
        scope,
        command.address,
    )
    if note is None:
        raise PermanentError(
            f"{command.address} in scope {command.scope!r} is not declared shared",
            code="not_shared",
            hint="see those that are with: patchbay address shared",
        )
    decision = AddressUnshared(**await _decided(conn, envelope, scope, note["note"]))
    return await _carry_out(conn, decision, envelope, out, policy)


async def apply_sharing(conn: Connection, envelope: Envelope[AddressShared | AddressUnshared]) -> Dirty:
    """Take in a decision; the newest word on an address counts, in whatever order they are heard."""
    event = envelope.data
    await conn.execute(
        """
        INSERT INTO inventory.shared_address AS s (scope_id, address, at, id, shared, note, by)
        VALUES ($1, $2::text::inet, $3, $4, $5, $6, $7)
        ON CONFLICT (scope_id, address) DO UPDATE SET
            at = excluded.at, id = excluded.id, shared = excluded.shared, note = excluded.note,
            by = excluded.by
        WHERE (excluded.at, excluded.id) > (s.at, s.id)
        """,
        await ensure_scope(conn, event.scope),
        event.address,
        event.at,
        event.id,
        isinstance(event, AddressShared),
        event.note,
        event.by,
    )
    return Dirty(addresses={event.address})


async def _decided(
    conn: Connection, envelope: Envelope[Any], scope: UUID, note: str | None
) -> dict[str, Any]:
    command = envelope.data
    subnets = await conn.fetchval("SELECT ipam.subnets_of($1, $2::text[]::inet[])", scope, [command.address])
    return {
        "id": derive("sharing", envelope.id),
        "scope": command.scope,
        "address": command.address,
        "subnet": subnets[0],
        "note": note,
        "by": command.by,
        "at": envelope.time,
    }


async def _carry_out(
    conn: Connection,
    decision: AddressShared | AddressUnshared,
    envelope: Envelope[Any],
    out: Announcements,
    policy: Policy,
) -> dict[str, Any]:
    out.add(decision, decision.id, cause=envelope)
    told = wrap(decision, source="allocator", time=envelope.time, cause=envelope)
    await settle(conn, await apply_sharing(conn, told), Occasion([envelope]), out, policy)
    vms = await conn.fetch(
        """
        SELECT DISTINCT coalesce(v.name, s.moid) FROM inventory.sighting s
        JOIN inventory.vm v ON v.vcenter_id = s.vcenter_id AND v.moid = s.moid
        WHERE s.live AND s.address = $1::text::inet ORDER BY 1
        """,
        decision.address,
    )
    return {**decision.model_dump(mode="json"), "vms": [row[0] for row in vms]}


async def _scope(conn: Connection, name: str) -> UUID:
    names = [row[0] for row in await conn.fetch("SELECT name FROM ipam.scope ORDER BY name")]
    if name not in names:
        raise PermanentError(
            f"there is no scope {name!r}; there are {', '.join(map(repr, names))}", code="scope_unknown"
        )
    return scope_id(name)


async def _refuse_kept(conn: Connection, scope: UUID, address: str) -> None:
    """What people keep for one, or out of use, can't be everybody's."""
    fixed = await conn.fetchrow(
        """
        SELECT coalesce(v.name, v.moid) AS vm, n.label FROM inventory.nic_address a
        JOIN inventory.nic n ON n.id = a.nic_id
        JOIN inventory.vm v ON v.vcenter_id = n.vcenter_id AND v.moid = n.vm_moid
        WHERE a.scope_id = $1 AND a.address = $2::text::inet AND a.source = 'fixed'
        """,
        scope,
        address,
    )
    if fixed is not None:
        raise PermanentError(
            f"{address} is fixed for {fixed['label']!r} of VM {fixed['vm']!r}",
            code="address_fixed",
            hint=f"take that back first: {typed('vm', 'unfix-nics', fixed['vm'])}",
        )
    held = (await holders(conn, scope, [address])).get(address)
    if held is None or held.holder.kind not in ("reserved", "reservation"):
        return
    if held.holder == shared_by(scope, address):
        return
    party = (await read_parties(conn, [held.holder]))[held.holder]
    said = (await reserved_at(conn, [address])).get((scope, address))
    raise PermanentError(
        f"{address} is held by {party_sentence(party)} since {held.since:%Y-%m-%d %H:%M:%S %Z}",
        code="address_taken",
        hint=free(party, address, await scope_name(conn, scope), None if said is None else said.mac),
    )


COMMANDS: Commands = {AddressShare: share, AddressUnshare: unshare}
