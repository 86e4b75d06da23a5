"""Compares the state of two databases row by row.

Tables are compared whole first, by count and a sum of hashes; only those that differ are read, in the order
of their keys, both at once. Memory stays flat however large they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared.state.tables import Table
from shared.store.pool import Connection

PAGE = 2000

Omitted = Mapping[str, str]
"""Columns ("inventory.vm.name"), or whole tables ("inventory.vm"), that are not compared, with the reason."""
Compared = Callable[[str, int], None]


class Difference(NamedTuple):
    """One value that differs. `column` is None where a row is on one side only."""

    table: str
    key: str
    column: str | None
    live: Any
    rebuilt: Any


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of one database, as key and JSON."""

    key: str
    row: dict[str, Any]


async def compare_state(
    live: Connection,
    rebuilt: Connection,
    tables: Sequence[Table],
    omitted: Omitted,
    compared: Compared | None = None,
) -> AsyncIterator[Difference]:
    """Differences, table by table, in the order of keys. Both connections are in transactions."""
    for table in tables:
        if table.full_name in omitted:
            continue
        columns = [name for name in table.columns if f"{table.full_name}.{name}" not in omitted]
        count, ours = await _print_of(live, table, columns)
        _, theirs = await _print_of(rebuilt, table, columns)
        if ours != theirs:
            async for difference in _differences(live, rebuilt, table, columns):
                yield difference
        if compared is not None:
            compared(table.full_name, count)


async def _print_of(conn: Connection, table: Table, columns: Sequence[str]) -> tuple[int, tuple[int, str]]:
    query = f"""
        SELECT count(*) AS rows,
               coalesce(sum(hashtextextended({_json(columns)}::text, 0)::numeric), 0)::text AS hashes
        FROM {table.quoted} t
    """  # noqa: S608  names out of the catalogue, quoted
    row = await conn.fetchrow(query)
    assert row is not None  # noqa: S101  an aggregate has one row
    return row["rows"], (row["rows"], row["hashes"])


async def _differences(
    live: Connection, rebuilt: Connection, table: Table, columns: Sequence[str]
) -> AsyncIterator[Difference]:
    left, right = _rows(live, table, columns), _rows(rebuilt, table, columns)
    mine, other = await anext(left, None), await anext(right, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine.key < other.key):
            assert mine is not None  # noqa: S101  the loop goes on while one of them is there
            yield Difference(table.full_name, mine.key, None, mine.row, None)
            mine = await anext(left, None)
        elif mine is None or other.key < mine.key:
            yield Difference(table.full_name, other.key, None, None, other.row)
            other = await anext(right, None)
        else:
            for column in columns:
                if mine.row[column] != other.row[column]:
                    yield Difference(table.full_name, mine.key, column, mine.row[column], other.row[column])
            mine, other = await anext(left, None), await anext(right, None)


async def _rows(conn: Connection, table: Table, columns: Sequence[str]) -> AsyncIterator[Side]:
    key = " || ' ' || ".join(f"coalesce(t.{_quote(name)}::text, '')" for name in table.key)
    # The order of bytes, which is Python's order of characters, too.
    query = f"""
        SELECT * FROM (SELECT ({key}) COLLATE "C" AS key, {_json(columns)} AS row FROM {table.quoted} t) r
        ORDER BY key, row::text COLLATE "C"
    """  # noqa: S608  names out of the catalogue, quoted
    async for record in conn.cursor(query, prefetch=PAGE):
        yield Side(record["key"], record["row"])


def _json(columns: Sequence[str]) -> str:
    # In pairs of limited number: a function takes a hundred arguments at most.
    parts = [
        "jsonb_build_object("
        + ", ".join(f"'{name}', t.{_quote(name)}" for name in columns[start : start + 40])
        + ")"
        for start in range(0, len(columns), 40)
    ]
    return "(" + " || ".join(parts or ["'{}'::jsonb"]) + ")"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
