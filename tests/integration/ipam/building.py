"""Drafts and a few words that the ledger's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from shared.events.subnet import AddressRange, SubnetFacts
from shared.ipam.connection import Connection
from shared.ipam.ledger import Holder
from shared.ipam.subnets import Subnet, create_subnet
from shared.model.identifiers import DEFAULT_SCOPE_NAME, derive, scope_id, subnet_id, wire_id

VCENTER = UUID("11111111-1111-4111-8111-111111111111")
SCOPE = scope_id(DEFAULT_SCOPE_NAME)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def wire(name: str = "dvportgroup-1") -> UUID:
    return wire_id(VCENTER, name)


def nic(name: object) -> Holder:
    return Holder("nic", derive("nic", name))


def sighting(name: object) -> Holder:
    return Holder("sighting", derive("sighting", name))


def reservation(name: object) -> Holder:
    return Holder("reservation", derive("reservation", name))


def draft(
    prefix: str, name: str | None = None, *, scope: str = DEFAULT_SCOPE_NAME, **facts: Any
) -> SubnetFacts:
    """A subnet for tests; ranges may be given as pairs of addresses."""
    name = name or f"net {prefix}"
    ranges = tuple(AddressRange(first=first, last=last) for first, last in facts.pop("ranges", ()))
    identity = subnet_id(scope_id(scope), name, prefix)
    given = {"default_wire": wire(), "cooldown_seconds": 0, **facts}
    return SubnetFacts(id=identity, scope=scope, name=name, prefix=prefix, ranges=ranges, **given)


async def create(conn: Connection, prefix: str, name: str | None = None, **facts: Any) -> Subnet:
    return await create_subnet(conn, draft(prefix, name, **facts), NOON)


async def free_in(conn: Connection, subnet: UUID) -> list[tuple[str, str]]:
    """The free intervals of a subnet as text, in order."""
    rows = await conn.fetch(
        "SELECT first, last FROM ipam.free_interval WHERE subnet_id = $1 ORDER BY first", subnet
    )
    return [(str(row["first"]), str(row["last"])) for row in rows]


def addresses_from(first: str, count: int) -> Iterator[str]:
    """`count` addresses from `first` on."""
    kind = IPv4Address if "." in first else IPv6Address
    start = int(kind(first))
    return (str(kind(start + step)) for step in range(count))


async def somebody_waits(conn: Connection) -> None:
    """Return as soon as some transaction on `conn`'s server waits for a lock."""
    while not await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # the database has no event to wait for
