"""Scopes: address spaces in which an address is unique."""

from __future__ import annotations

from uuid import UUID

from shared.ipam.connection import Connection, require_transaction
from shared.ipam.errors import LedgerRefusal
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id

__all__ = ["DEFAULT_SCOPE_NAME", "ensure_scope", "list_scopes", "lock_scope_for_subnets", "scope_name"]


async def ensure_scope(conn: Connection, name: str) -> UUID:
    """The id of the scope called `name`, made if it is new. The scope "default" is always there."""
    identity = scope_id(name)
    if name != DEFAULT_SCOPE_NAME:
        await conn.execute(
            "INSERT INTO ipam.scope (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", identity, name
        )
    return identity


async def scope_name(conn: Connection, scope: UUID) -> str:
    """The name of a scope. Raises `LedgerRefusal` scope_unknown."""
    name = await conn.fetchval("SELECT name FROM ipam.scope WHERE id = $1", scope)
    if name is None:
        raise LedgerRefusal(f"there is no scope {scope}", code="scope_unknown")
    return str(name)


async def list_scopes(conn: Connection) -> dict[UUID, str]:
    """All scopes, id to name, by name."""
    rows = await conn.fetch("SELECT id, name FROM ipam.scope ORDER BY name")
    return {row["id"]: row["name"] for row in rows}


async def lock_scope_for_subnets(conn: Connection, scope: UUID) -> None:
    """Keep everybody else from the addresses and subnets of `scope` until the transaction ends.

    A writer that found no subnet for its address must not commit behind the back of the subnet's creation.
    """
    require_transaction(conn)
    await conn.execute("SELECT ipam.lock_scope($1, true)", scope)
