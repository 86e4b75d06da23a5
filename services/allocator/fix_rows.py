"""Operators' decisions about ports as rows: kept one by one, and what they come to as statements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.allocator.batch import Dirty
from services.allocator.domain.fixes import Decision, Fixed, stand
from services.allocator.following import follow_subnets
from services.allocator.tables import FIX, STATEMENT
from shared.events.envelope import Envelope
from shared.events.vm_nics import VmNicsFixed, VmNicsUnfixed
from shared.ipam.scopes import ensure_scope
from shared.store.pool import Connection


async def apply_fixes(conn: Connection, envelope: Envelope[VmNicsFixed | VmNicsUnfixed]) -> Dirty:
    """Take in a decision; in any order with others, and as often as it comes, the same follows.

    The ports need not be known: what is stated for them waits.
    """
    event = envelope.data
    scopes = {a.scope for port in event.ports for a in port.addresses}
    ids = {name: await ensure_scope(conn, name) for name in sorted(scopes)}
    await FIX.insert_new(
        conn,
        [
            (
                port.port, event.at, event.id, event.vm, port.device_key,
                [a.address for a in port.addresses],
                [ids[a.scope] for a in port.addresses],
                [a.subnet for a in port.addresses],
                event.by,
            )
            for port in event.ports
        ],
    )  # fmt: skip
    ports = [port.port for port in event.ports]
    return Dirty(addresses=await _stand_anew(conn, ports), ports=set(ports))


async def _stand_anew(conn: Connection, ports: Iterable[UUID]) -> set[str]:
    """Write what all decisions about these ports come to; the addresses that ever mattered to them."""
    rows = await conn.fetch(
        "SELECT *, addresses::text[] AS texts FROM inventory.fix WHERE port_id = ANY ($1::uuid[])",
        list(ports),
    )
    by_port: dict[UUID, list[Record]] = {}
    for row in rows:
        by_port.setdefault(row["port_id"], []).append(row)
    statements: list[tuple[Any, ...]] = []
    for port, decided in by_port.items():
        vm, key = decided[0]["vm_id"], decided[0]["device_key"]
        for said in stand(map(_decision, decided)).values():
            fixed = said.fixed
            statements.append(
                (port, fixed.address, "fixed", vm, key, fixed.scope, fixed.subnet, None, said.by, said.at,
                 said.ended_at)
            )  # fmt: skip
    # Every address that was ever stated still has a row: nothing is to be deleted.
    await STATEMENT.upsert(conn, statements)
    await follow_subnets(conn, ports=by_port)
    return {row[1] for row in statements}


def _decision(row: Record) -> Decision:
    fixed = zip((text.partition("/")[0] for text in row["texts"]), row["scopes"], row["subnets"], strict=True)
    return Decision(row["at"], row["id"], row["by"], tuple(Fixed(*one) for one in fixed))
