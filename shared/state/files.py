"""The whole state into a file, and out of one into an empty database. Memory stays flat both ways.

Rows travel as the server writes them as JSON, and are read by the server again: between machines, and between
versions of PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import asyncpg

from shared.runtime.errors import PermanentError
from shared.state.positions import position_of
from shared.state.snapshot_format import Head, SnapshotWriter, lines_of, read_head, writing
from shared.state.tables import CARRIED_SCHEMAS, SCHEMAS, Table, state_tables
from shared.store.connection import connect, translate_errors
from shared.store.pool import Connection
from shared.store.schema import head as schema_head

ROWS = 1000
"""Rows read or written at once."""
SEQUENCE = "placement.token"
"""Fencing tokens are never given twice, also not by the database that a snapshot is loaded into."""

Done = Callable[[str, int], None]


async def save_snapshot(url: str, path: Path, end: int | None, done: Done | None = None) -> Head:
    """Write the state of the database at `url` to `path`, as one moment saw it; services may go on.

    `end` is the log's last offset from before. Raises `PermanentError` file_exists, file_unwritable.
    """
    conn = await connect(url, name="patchbay-snapshot", command_timeout=None)
    try:
        async with translate_errors(), conn.transaction(isolation="repeatable_read", readonly=True):
            tables = await state_tables(conn, (*SCHEMAS, *CARRIED_SCHEMAS))
            counts = [(table.full_name, await _count(conn, table)) for table in tables]
            head = Head(
                schema_revision=schema_head(),
                created=datetime.now(UTC),
                position=await position_of(conn, end),
                tables=tuple(counts),
            )
            with writing(path) as writer:
                writer.head(head)
                for table, (_, rows) in zip(tables, counts, strict=True):
                    await _write_table(conn, writer, table)
                    if done is not None:
                        done(table.full_name, rows)
                writer.end()
            return head
    finally:
        await conn.close()


async def _write_table(conn: Connection, writer: SnapshotWriter, table: Table) -> None:
    writer.table(table.full_name)
    rows: list[str] = []
    query = f"SELECT to_jsonb(t)::text AS row FROM {table.quoted} t"  # noqa: S608  a name out of the catalogue
    async for record in conn.cursor(query, prefetch=ROWS):
        rows.append(record["row"])
        if len(rows) == ROWS:
            writer.rows(rows)
            rows = []
    writer.rows(rows)


async def _count(conn: Connection, table: Table) -> int:
    return int(await conn.fetchval(f"SELECT count(*) FROM {table.quoted}"))  # noqa: S608  out of the catalogue


def check_snapshot(path: Path) -> Head:
    """Read a file from end to end. Raises `PermanentError` as `lines_of` does."""
    for _ in lines_of(path):
        pass
    return read_head(path)


async def occupied_tables(url: str) -> dict[str, int]:
    """Tables with rows that a snapshot would meet, with how many; none where one can be loaded."""
    conn = await connect(url, name="patchbay-snapshot")
    try:
        found = {}
        for table in await state_tables(conn, (*SCHEMAS, *CARRIED_SCHEMAS)):
            rows = await _count(conn, table)
            # The default scope is there from the beginning.
            if rows > (1 if table.full_name == "ipam.scope" else 0):
                found[table.full_name] = rows
        return found
    finally:
        await conn.close()


async def load_snapshot(url: str, path: Path, done: Done | None = None, *, carried: bool = True) -> Head:
    """Read `path` into the empty state of the database at `url`, all or nothing.

    `carried`: also what no event tells, such as which vCenters are watched.

    Raises `PermanentError` not_empty, schema_differs, snapshot_damaged and others of `lines_of`.
    """
    head = read_head(path)
    if head.schema_revision > schema_head():
        raise PermanentError(
            f"{path} was written at schema {head.schema_revision}, this release has {schema_head()}",
            code="schema_differs",
            hint="use the release that wrote it, or newer",
        )
    if occupied := await occupied_tables(url):
        some = ", ".join(f"{name} ({rows})" for name, rows in list(occupied.items())[:3])
        raise PermanentError(
            f"the database is not empty: {some}",
            code="not_empty",
            hint="name an empty one with PATCHBAY_DATABASE_URL or PATCHBAY_DATA_DIR",
        )
    conn = await connect(url, name="patchbay-snapshot", command_timeout=None)
    try:
        async with translate_errors(), conn.transaction():
            tables = {t.full_name: t for t in await state_tables(conn, (*SCHEMAS, *CARRIED_SCHEMAS))}
            for name, lines in groupby(lines_of(path), key=lambda item: item[0]):
                table = tables.get(name)
                if table is None:
                    raise PermanentError(
                        f"{path} has a table {name!r} that this release does not know", code="schema_differs"
                    )
                if table.schema in CARRIED_SCHEMAS and not carried:
                    for _ in lines:
                        pass
                    continue
                rows = await _read_table(conn, table, (line for _, line in lines))
                if done is not None:
                    done(name, rows)
            await conn.execute(
                f"SELECT setval('{SEQUENCE}', greatest((SELECT max(token) FROM placement.reservation), 1))"  # noqa: S608
            )
    finally:
        await conn.close()
    return head


async def _read_table(conn: Connection, table: Table, lines: Iterator[bytes]) -> int:
    columns = ", ".join(f'"{name}"' for name in table.columns)
    statement = (
        f"INSERT INTO {table.quoted} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns}"  # noqa: S608
        f" FROM jsonb_populate_recordset(NULL::{table.quoted}, $1::text::jsonb) ON CONFLICT DO NOTHING"
    )
    total = 0
    piece: list[bytes] = []
    for line in lines:
        piece.append(line)
        if len(piece) == ROWS:
            total += await _insert(conn, statement, piece)
            piece = []
    return total + await _insert(conn, statement, piece)


async def _insert(conn: Connection, statement: str, piece: list[bytes]) -> int:
    if not piece:
        return 0
    try:
        await conn.execute(statement, (b"[" + b",".join(piece) + b"]").decode())
    except asyncpg.DataError as error:
        raise PermanentError(
            f"a row of the snapshot is not understood: {error}", code="snapshot_damaged"
        ) from None
    return len(piece)
