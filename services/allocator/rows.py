"""Whole sets of rows, written in one statement each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.store.ahead import begin
from shared.store.pool import Connection

JSON = "json"
TEXTS = "texts"
UUIDS = "uuids"
INETS = "inets"
_CASTS = {JSON: "jsonb", TEXTS: "text[]", UUIDS: "uuid[]", INETS: "inet[]", "inet": "inet"}
"""Columns that travel as text: unnest would flatten an array of arrays, JSON comes encoded, and the server
parses addresses faster than the driver."""


@dataclass(frozen=True)
class Table:
    """A table by name, with its columns and their types, of which the first `keys` are the primary key."""

    name: str
    columns: Mapping[str, str]
    keys: int = 1

    async def upsert(self, conn: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Insert `rows` (values in the order of the columns), replacing those with the same key."""
        columns = list(zip(*rows, strict=True))
        if columns:
            await begin(conn, self._upsert, *self._encoded(columns))

    async def insert(self, conn: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Insert `rows`, whose keys are known not to be there."""
        columns = list(zip(*rows, strict=True))
        if columns:
            await conn.execute(self._insert, *self._encoded(columns))

    async def insert_new(self, conn: Connection, rows: Iterable[Sequence[Any]]) -> set[tuple[Any, ...]]:
        """Insert those of `rows` whose key is not there yet, and return their keys."""
        columns = list(zip(*rows, strict=True))
        if not columns:
            return set()
        return {tuple(row) for row in await conn.fetch(self._insert_new, *self._encoded(columns))}

    async def delete(self, conn: Connection, keys: Iterable[Sequence[Any]]) -> None:
        """Delete the rows with these keys."""
        columns = list(zip(*keys, strict=True))
        if columns:
            await begin(conn, self._delete, *map(list, columns))

    @property
    def _key_names(self) -> list[str]:
        return list(self.columns)[: self.keys]

    @cached_property
    def _insert(self) -> str:
        parameters = ", ".join(
            f"${i}::{'text' if kind in _CASTS else kind}[]" for i, kind in enumerate(self.columns.values(), 1)
        )
        values = ", ".join(
            f"u.{name}::{_CASTS[kind]}" if kind in _CASTS else f"u.{name}"
            for name, kind in self.columns.items()
        )
        names = ", ".join(self.columns)
        return (
            f"INSERT INTO {self.name} ({names}) SELECT {values} "  # noqa: S608  names are ours
            f"FROM unnest({parameters}) AS u ({names})"
        )

    @cached_property
    def _on_conflict(self) -> str:
        return f"{self._insert} ON CONFLICT ({', '.join(self._key_names)}) DO "

    @cached_property
    def _upsert(self) -> str:
        rest = list(self.columns)[self.keys :]
        return self._on_conflict + "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in rest)

    @cached_property
    def _insert_new(self) -> str:
        return self._on_conflict + f"NOTHING RETURNING {', '.join(self._key_names)}"

    @cached_property
    def _delete(self) -> str:
        kinds = list(self.columns.values())
        names = self._key_names
        travels = ["text" if kind in _CASTS else kind for kind in kinds]
        parameters = ", ".join(f"${i + 1}::{travels[i]}[]" for i in range(self.keys))
        same = " AND ".join(
            f"t.{name} = u.{name}" + (f"::{_CASTS[kind]}" if kind in _CASTS else "")
            for name, kind in zip(names, kinds, strict=False)
        )
        return (
            f"DELETE FROM {self.name} t "  # noqa: S608  names are ours
            f"USING unnest({parameters}) AS u ({', '.join(names)}) WHERE {same}"
        )

    def _encoded(self, columns: Sequence[Sequence[Any]]) -> list[list[Any]]:
        return [
            [_array(v) for v in values] if kind in (TEXTS, UUIDS, INETS) else list(values)
            for values, kind in zip(columns, self.columns.values(), strict=True)
        ]


def _array(values: Iterable[object]) -> str:
    quoted = (str(v).replace("\\", "\\\\").replace('"', '\\"') for v in values)
    return "{" + ",".join(f'"{v}"' for v in quoted) + "}"
