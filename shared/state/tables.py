"""Which tables the state is made of: asked of the database, parents before children."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from shared.store.pool import Connection

SCHEMAS = ("ipam", "inventory", "placement")
"""Whose tables follow from the log."""
CARRIED_SCHEMAS = ("collector", "audit")
"""What a snapshot has besides: which vCenters are watched, what was told of them, and who asked for what."""

_TABLES = """
SELECT n.nspname AS schema, c.relname AS name,
    ARRAY(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
          ORDER BY a.attnum) AS columns,
    ARRAY(SELECT a.attname::text FROM pg_index i
          CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
          WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place) AS key,
    ARRAY(SELECT format('%s.%s', pn.nspname, p.relname) FROM pg_constraint f
          JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
          WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid) AS parents
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY array_position($1::text[], n.nspname::text), c.relname
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order, and those that tell its rows apart."""

    schema: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """The primary key; all columns where there is none."""
    parents: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Schema and name, as SQL and people write them."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The full name, quoted for SQL."""
        return f'"{self.schema}"."{self.name}"'


async def state_tables(conn: Connection, schemas: Sequence[str] = SCHEMAS) -> list[Table]:
    """The tables of `schemas`, each after those it refers to."""
    rows = await conn.fetch(_TABLES, list(schemas))
    found = [
        Table(
            schema=row["schema"],
            name=row["name"],
            columns=tuple(row["columns"]),
            key=tuple(row["key"] or row["columns"]),
            parents=tuple(row["parents"]),
        )
        for row in rows
    ]
    return in_order(found)


def in_order(tables: Iterable[Table]) -> list[Table]:
    """Parents before children; else as given. Subnets, then their addresses, then what these leave free."""
    by_name = {table.full_name: table for table in tables}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, table in by_name.items():
        sorter.add(name, *(parent for parent in table.parents if parent in by_name))
    if {"ipam.free_interval", "ipam.address", "ipam.subnet"} <= by_name.keys():
        # A trigger looks for the subnets of inserted addresses, and takes these out of the intervals; those
        # that are copied know them already.
        sorter.add("ipam.address", "ipam.subnet")
        sorter.add("ipam.free_interval", "ipam.address")
    return [by_name[name] for name in sorter.static_order()]
