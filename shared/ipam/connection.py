"""The connection that every function of the ledger works on: the caller's, in the caller's transaction."""

from __future__ import annotations

from shared.store.pool import Connection

__all__ = ["Connection", "require_transaction"]


def require_transaction(conn: Connection) -> None:
    """Raise RuntimeError outside a transaction: there, locks end with their statement and guard nothing."""
    if not conn.is_in_transaction():
        raise RuntimeError("the address ledger is written inside a transaction; open one around the call")
