"""What people said about ports, read as claims: whether it counts, and since when it does no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.identity import Place, home_of, void_before
from services.allocator.domain.matching import SubnetView
from services.allocator.domain.records import PortView
from services.allocator.domain.reports import UNPLACED
from services.allocator.domain.settlement import Spot, Stated
from shared.model.identifiers import nic_id, port_id
from shared.store.pool import Connection

COUNTS: tuple[None, bool] = (None, False)
"""The statement counts: its VM did not end, and has the port."""


async def read_statements(conn: Connection, addresses: list[str], ports: Iterable[UUID]) -> list[Record]:
    """What was said of `addresses`, and all that was said about `ports`."""
    rows: list[Record] = await conn.fetch(
        """
        SELECT *, host(address) AS text FROM inventory.statement
        WHERE address = ANY ($1::text[]::inet[]) OR port_id = ANY ($2::uuid[])
        """,
        addresses,
        list(ports),
    )
    return rows


def stated_from(  # noqa: PLR0917  what tells whether a statement counts
    rows: Iterable[Record],
    addresses: set[str],
    containing: Mapping[Spot, SubnetView],
    ports: Mapping[UUID, PortView],
    places: Mapping[UUID, list[Place]],
    grace: timedelta,
) -> list[Stated]:
    """What of `rows` is about `addresses` in the subnets that contain them, and has begun or ended."""
    stated = []
    for row in rows:
        subnet = containing.get((row["scope_id"], row["text"]))
        standing = _standing_of(row, ports, places, grace)
        if row["text"] in addresses and subnet is not None and standing is not None:
            nic = nic_id(row["vm_id"], row["device_key"])
            port = ports.get(row["port_id"])
            stated.append(
                Stated(row["port_id"], nic, port_id(row["vm_id"], UNPLACED), row["text"], row["source"],
                       subnet, row["at"], row["reservation"], *standing, None if port is None else port.mac)
            )  # fmt: skip
    return stated


def fixed_from(
    rows: Iterable[Record],
    ports: Mapping[UUID, PortView],
    places: Mapping[UUID, list[Place]],
    grace: timedelta,
) -> dict[UUID, set[str]]:
    """The addresses that operators stated for each port, and that count."""
    fixed: dict[UUID, set[str]] = {}
    for row in rows:
        if row["source"] == "fixed" and _standing_of(row, ports, places, grace) == COUNTS:
            fixed.setdefault(row["port_id"], set()).add(row["text"])
    return fixed


def _standing_of(
    row: Record, ports: Mapping[UUID, PortView], places: Mapping[UUID, list[Place]], grace: timedelta
) -> tuple[datetime | None, bool] | None:
    """`COUNTS`, or since when it counts no more, or that the VM lost the port. None: too early."""
    standing = _while_stated(row, ports, places, grace)
    ended = row["ended_at"]
    if ended is None or (standing is not None and standing[0] is not None and standing[0] < ended):
        return standing
    return ended, False


def _while_stated(
    row: Record, ports: Mapping[UUID, PortView], places: Mapping[UUID, list[Place]], grace: timedelta
) -> tuple[datetime | None, bool] | None:
    """The same, as if nobody had taken the statement back: only the VM may have gone, or lost the port."""
    at = places.get(row["vm_id"], [])
    home = home_of(at)
    if home is None:
        gone = max((p.gone_at for p in at if p.gone_at is not None), default=None)
        # What was said after the end is about a VM that is back by then: its fact is on its way.
        return None if gone is None or gone < row["at"] else (gone + grace, False)
    void = void_before(at, home, grace)
    if void is not None and row["at"] <= void:
        return void + grace, False
    if row["port_id"] in ports:
        return COUNTS
    detached = home.detached.get(row["device_key"])
    if detached is not None and detached >= row["at"]:
        return detached + grace, True
    newest = home.observed_at
    return (None, True) if newest is not None and newest > row["at"] else None
