"""Locks that a transaction takes up front when it will call the ledger more than once."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from shared.ipam.connection import Connection, require_transaction


async def lock_subnets(
    conn: Connection, subnets: Iterable[UUID], *, addresses: Iterable[tuple[UUID, str]] = ()
) -> None:
    """Keep other writers from the addresses of `subnets`, and of the subnets that contain `addresses`.

    `addresses` are (scope, address). The locks end with the transaction. Each call of the ledger locks what
    it needs in one order for all; a transaction with several calls takes all its locks here first, so that
    two such transactions can't wait for each other.
    """
    require_transaction(conn)
    wanted = set(subnets)
    by_scope: dict[UUID, list[str]] = {}
    for scope, address in addresses:
        by_scope.setdefault(scope, []).append(address)
    for scope in sorted(by_scope):
        await conn.execute("SELECT ipam.lock_scope($1, false)", scope)
    # Looked up only now: with the scopes locked, no subnet comes or goes.
    for scope, texts in by_scope.items():
        found = await conn.fetchval("SELECT ipam.subnets_of($1, $2::text[]::inet[])", scope, texts)
        wanted.update(subnet for subnet in found if subnet is not None)
    if wanted:
        await conn.execute("SELECT ipam.lock_subnets($1)", list(wanted))
