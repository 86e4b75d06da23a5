"""Reading subnets: by id, name, wire and address."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared.events.subnet import AddressRange, AllocationOrder, Route, SubnetFacts
from shared.ipam.connection import Connection
from shared.ipam.domain import Interval
from shared.model.addresses import IPAddress, IPNetwork
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id

COLUMNS = """
    s.id, s.scope_id, c.name AS scope, s.name, s.prefix, s.gateway, s.dns, s.domain, s.ntp, s.mtu, s.vlan,
    s.routes::text AS routes, s.default_wire, s.auto_allocate, s.allocation_order, s.cooldown_seconds,
    s.labels::text AS labels, s.revision, s.created_at, s.updated_at,
    ARRAY(SELECT r.first FROM ipam.subnet_range r WHERE r.subnet_id = s.id ORDER BY r.first) AS firsts,
    ARRAY(SELECT r.last FROM ipam.subnet_range r WHERE r.subnet_id = s.id ORDER BY r.first) AS lasts
"""
FROM = "FROM ipam.subnet s JOIN ipam.scope c ON c.id = s.scope_id"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet as the ledger keeps it. `ranges` are disjoint, not adjacent, in order."""

    id: UUID
    scope_id: UUID
    scope: str
    name: str
    prefix: IPNetwork
    ranges: tuple[Interval, ...]
    gateway: IPAddress | None
    dns: tuple[IPAddress, ...]
    domain: str | None
    ntp: tuple[str, ...]
    mtu: int | None
    vlan: int | None
    routes: tuple[Route, ...]
    default_wire: UUID
    auto_allocate: bool
    allocation_order: AllocationOrder
    cooldown_seconds: int
    labels: dict[str, str]
    revision: int
    created_at: datetime
    updated_at: datetime

    def facts(self) -> SubnetFacts:
        """The subnet as events carry it."""
        return SubnetFacts(
            id=self.id,
            scope=self.scope,
            name=self.name,
            prefix=str(self.prefix),
            ranges=tuple(as_range(interval) for interval in self.ranges),
            gateway=None if self.gateway is None else str(self.gateway),
            dns=tuple(map(str, self.dns)),
            domain=self.domain,
            ntp=self.ntp,
            mtu=self.mtu,
            vlan=self.vlan,
            routes=self.routes,
            default_wire=self.default_wire,
            auto_allocate=self.auto_allocate,
            allocation_order=self.allocation_order,
            cooldown_seconds=self.cooldown_seconds,
            labels=self.labels,
            revision=self.revision,
        )


def as_range(interval: Interval) -> AddressRange:
    """`interval` as events write it."""
    first, last = interval.addresses()
    return AddressRange(first=str(first), last=str(last))


def subnet_from(row: asyncpg.Record | Mapping[str, Any]) -> Subnet:
    """The subnet in a row of `COLUMNS`."""
    values = dict(row)
    firsts, lasts = values.pop("firsts"), values.pop("lasts")
    values["ranges"] = tuple(map(Interval.between, firsts, lasts))
    values["dns"] = tuple(values["dns"])
    values["ntp"] = tuple(values["ntp"])
    values["routes"] = tuple(Route(**route) for route in json.loads(values["routes"]))
    values["labels"] = json.loads(values["labels"])
    return Subnet(**values)


async def get(conn: Connection, subnet: UUID) -> Subnet | None:
    """The subnet with that id."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} {FROM} WHERE s.id = $1", subnet)
    return None if row is None else subnet_from(row)


async def find(conn: Connection, id_or_name: str, scope: str = DEFAULT_SCOPE_NAME) -> Subnet | None:
    """The subnet with that id, or with that name in `scope`. A subnet's name is never an id."""
    try:
        return await get(conn, UUID(id_or_name))
    except ValueError:
        pass
    row = await conn.fetchrow(
        f"SELECT {COLUMNS} {FROM} WHERE s.scope_id = $1 AND s.name = $2", scope_id(scope), id_or_name
    )
    return None if row is None else subnet_from(row)


async def list_subnets(
    conn: Connection, *, scope: str | None = None, ids: Iterable[UUID] | None = None
) -> list[Subnet]:
    """All subnets, or those of a scope, or those of `ids`; by scope, then prefix."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} {FROM}
        WHERE ($1::uuid IS NULL OR s.scope_id = $1) AND ($2::uuid[] IS NULL OR s.id = ANY ($2))
        ORDER BY c.name, s.prefix
        """,
        None if scope is None else scope_id(scope),
        None if ids is None else list(ids),
    )
    return [subnet_from(row) for row in rows]


async def subnets_of_addresses(conn: Connection, scope: UUID, addresses: Sequence[str]) -> dict[str, Subnet]:
    """For each of `addresses` that a subnet of `scope` contains, that subnet."""
    found = await conn.fetchval("SELECT ipam.subnets_of($1, $2::text[]::inet[])", scope, list(addresses))
    known = {s.id: s for s in await list_subnets(conn, ids={i for i in found if i is not None})}
    return {
        address: known[subnet] for address, subnet in zip(addresses, found, strict=True) if subnet in known
    }


async def subnets_containing(conn: Connection, scope: UUID, address: str) -> list[Subnet]:
    """The subnets of `scope` that contain `address`: none or one, as they don't overlap."""
    return list((await subnets_of_addresses(conn, scope, [address])).values())
