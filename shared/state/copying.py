"""Copies the state from one database to another in the server's own binary form; memory stays flat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from shared.state.tables import Table
from shared.store.connection import translate_errors
from shared.store.pool import Connection

PIECES = 32
"""Pieces of a table, some kilobytes each, that wait between reading and writing."""

Copied = Callable[[str, int], None]
"""Is told of each table that is copied: its name and how many rows it has."""


async def copy_state(
    source: Connection, target: Connection, tables: Sequence[Table], copied: Copied | None = None
) -> int:
    """Copy `tables` into the empty ones of `target`; how many rows. Both are in the caller's transactions."""
    total = 0
    for table in tables:
        rows = await _copy(source, target, table)
        total += rows
        if copied is not None:
            copied(table.full_name, rows)
    return total


async def clear_state(conn: Connection, tables: Sequence[Table]) -> None:
    """Empty `tables`, in the caller's transaction."""
    await conn.execute(f"TRUNCATE {', '.join(table.quoted for table in tables)}")


async def _copy(source: Connection, target: Connection, table: Table) -> int:
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(PIECES)

    async def read() -> None:
        try:
            await source.copy_from_table(
                table.name,
                schema_name=table.schema,
                columns=list(table.columns),
                output=pieces.put,
                format="binary",
            )
        finally:
            await pieces.put(None)

    async def arriving() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece
        await reading  # what went wrong there is the reason, and not that the copy ends here

    async with translate_errors():
        reading = asyncio.create_task(read())
        try:
            told = await target.copy_to_table(
                table.name,
                schema_name=table.schema,
                columns=list(table.columns),
                source=arriving(),
                format="binary",
            )
        except BaseException:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            raise
    return int(told.split()[-1])
