"""How old what a command shows is, for its rows: read once, shown below tables, and in each row of JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic_core import to_jsonable_python
from rich.console import RenderableType

from services.allocator.sight import Sight, read_sights, vcenters_of
from services.cli.rendering.sight import with_sight
from shared.store.pool import Pool

Row = TypeVar("Row")


@dataclass(frozen=True)
class Seen(Generic[Row]):
    """Rows, each with the vCenters that it tells of, and the state of all vCenters."""

    rows: Sequence[Row]
    of: Sequence[Collection[UUID]]
    sights: Sequence[Sight]

    def told(self, plain: Callable[[Row], Any] = to_jsonable_python) -> list[dict[str, Any]]:
        """The rows for JSON, each with `sight`: of each of its vCenters."""
        return [
            {**plain(row), "sight": [sight for sight in self.sights if sight.vcenter in vcenters]}
            for row, vcenters in zip(self.rows, self.of, strict=True)
        ]

    def below(self, shown: RenderableType) -> RenderableType:
        """What is drawn of the rows, and below it how old that is: of all vCenters where no row is."""
        about = {vcenter for vcenters in self.of for vcenter in vcenters}
        sights = [sight for sight in self.sights if sight.vcenter in about] if self.rows else self.sights
        return with_sight(shown, sights)


async def seen(pool: Pool, rows: Sequence[Row], of: Callable[[Row], UUID | None]) -> Seen[Row]:
    """Rows that tell of one vCenter each, or of none."""
    return Seen(rows, [{found} if (found := of(row)) else set() for row in rows], await read_sights(pool))


async def sights_of(pool: Pool, vcenters: Collection[UUID]) -> list[Sight]:
    """The state of these vCenters."""
    return [sight for sight in await read_sights(pool) if sight.vcenter in vcenters]


async def seen_on(pool: Pool, rows: Sequence[Row], wires: Callable[[Row], Collection[UUID]]) -> Seen[Row]:
    """Rows that tell of wires, of any vCenter."""
    named = {wire for row in rows for wire in wires(row)}
    where = await vcenters_of(pool, named)
    return Seen(
        rows, [{where[wire] for wire in wires(row) if wire in where} for row in rows], await read_sights(pool)
    )
