"""Reads the world a decision looks at from the schemas `inventory` and `ipam`.

Parsed facts of hosts and port groups are kept between loads by their order: of a thousand hosts only those
that changed are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from services.placement.domain.world import (
    HostFacts,
    HostKey,
    Load,
    Role,
    SubnetFacts,
    VcenterFacts,
    WireFacts,
    World,
    host_facts,
    wire_facts,
)
from shared.events.inventory import HostChanged, PortgroupChanged
from shared.ipam.subnets import list_subnets, wires_of_subnets
from shared.store.pool import Connection

Parsed = TypeVar("Parsed")

_VCENTERS = "SELECT id, name, state, detail, current_to FROM inventory.vcenter"
_HOST_ORDERS = """
SELECT vcenter_id, moid, epoch, sequence FROM inventory.host WHERE NOT removed AND state IS NOT NULL
"""
_HOSTS = """
SELECT h.vcenter_id, h.moid, h.epoch, h.sequence, h.state
FROM inventory.host h JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)
"""
_WIRE_ORDERS = """
SELECT vcenter_id, moid, epoch, sequence FROM inventory.wire WHERE NOT retired AND state IS NOT NULL
"""
_WIRES = """
SELECT w.vcenter_id, w.moid, w.epoch, w.sequence, w.state
FROM inventory.wire w JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)
"""
_RETIRED = (
    "SELECT id, state FROM inventory.wire WHERE retired AND state IS NOT NULL AND id = ANY ($1::uuid[])"
)
_LOADS = """
SELECT vcenter_id, host, sum(cpus)::bigint AS cpus, sum(memory_mb)::bigint AS memory_mb
FROM (
    SELECT vcenter_id, host, coalesce(cpus, 0) AS cpus, coalesce(memory_mb, 0) AS memory_mb
    FROM inventory.vm
    WHERE NOT removed AND NOT template AND host IS NOT NULL AND ($1 OR power IS DISTINCT FROM 'off')
      AND ($2::uuid[] IS NULL OR (vcenter_id, host) IN (SELECT * FROM unnest($2::uuid[], $3::text[])))
    UNION ALL
    SELECT vcenter_id, host, cpus, memory_mb FROM placement.claim
    WHERE $2::uuid[] IS NULL OR (vcenter_id, host) IN (SELECT * FROM unnest($2::uuid[], $3::text[]))
) taken
GROUP BY vcenter_id, host
"""
_WITH_ROOM = """
SELECT s.id FROM ipam.subnet s
WHERE EXISTS (SELECT FROM ipam.free_interval f WHERE f.subnet_id = s.id)
   OR EXISTS (SELECT FROM ipam.address a
              WHERE a.subnet_id = s.id AND a.holder_kind = 'cooling' AND a.until <= $1)
"""


class _Kept(NamedTuple, Generic[Parsed]):
    order: tuple[int, int]
    value: Parsed


class _Cache(Generic[Parsed]):
    """Parsed facts by (vCenter, managed object id), each with the order it was parsed at."""

    def __init__(self, orders: str, states: str, parse: Callable[[Any], Parsed]) -> None:
        self._orders = orders
        self._states = states
        self._parse = parse
        self._kept: dict[HostKey, _Kept[Parsed]] = {}

    async def load(self, conn: Connection) -> dict[HostKey, Parsed]:
        rows = await conn.fetch(self._orders)
        wanted = {HostKey(row["vcenter_id"], row["moid"]): (row["epoch"], row["sequence"]) for row in rows}
        stale = [key for key, order in wanted.items() if self._order(key) != order]
        if stale:
            vcenters, moids = [key.vcenter for key in stale], [key.moid for key in stale]
            for row in await conn.fetch(self._states, vcenters, moids):
                order = (row["epoch"], row["sequence"])
                self._kept[HostKey(row["vcenter_id"], row["moid"])] = _Kept(order, self._parse(row["state"]))
        self._kept = {key: kept for key, kept in self._kept.items() if key in wanted}
        return {key: kept.value for key, kept in self._kept.items()}

    def _order(self, key: HostKey) -> tuple[int, int] | None:
        kept = self._kept.get(key)
        return kept.order if kept else None


class WorldLoader:
    """Loads worlds; one per process, used by one task at a time."""

    def __init__(self, *, count_powered_off: bool) -> None:
        self._count_powered_off = count_powered_off
        self._hosts: _Cache[HostFacts] = _Cache(
            _HOST_ORDERS, _HOSTS, lambda state: host_facts(HostChanged.model_validate(state))
        )
        self._wires: _Cache[WireFacts] = _Cache(
            _WIRE_ORDERS, _WIRES, lambda state: wire_facts(PortgroupChanged.model_validate(state))
        )

    async def load(self, conn: Connection, now: datetime) -> World:
        """The world as committed now. `now` decides which cooled-down addresses count as free."""
        hosts = (await self._hosts.load(conn)).values()
        wires = {wire.id: wire for wire in (await self._wires.load(conn)).values()}
        subnets = await _subnets(conn, now)
        named = {wire for subnet in subnets for wire in subnet.roles} - wires.keys()
        for row in await conn.fetch(_RETIRED, list(named)) if named else ():
            wires[row["id"]] = wire_facts(PortgroupChanged.model_validate(row["state"]), retired=True)
        vcenters = [
            VcenterFacts(row["id"], row["name"], row["state"], row["detail"], row["current_to"])
            for row in await conn.fetch(_VCENTERS)
        ]
        return World(vcenters, hosts, await self.loads(conn), wires.values(), subnets)

    async def loads(self, conn: Connection, hosts: Sequence[HostKey] | None = None) -> dict[HostKey, Load]:
        """What VMs and reservations take of all hosts, or of `hosts`; those with nothing have no entry."""
        vcenters = None if hosts is None else [host.vcenter for host in hosts]
        moids = None if hosts is None else [host.moid for host in hosts]
        rows = await conn.fetch(_LOADS, self._count_powered_off, vcenters, moids)
        return {
            HostKey(row["vcenter_id"], row["host"]): Load(int(row["cpus"]), int(row["memory_mb"]))
            for row in rows
        }


async def _subnets(conn: Connection, now: datetime) -> list[SubnetFacts]:
    known = await list_subnets(conn)
    wires = await wires_of_subnets(conn, [subnet.id for subnet in known])
    with_room = {row["id"] for row in await conn.fetch(_WITH_ROOM, now)}
    found: list[SubnetFacts] = []
    for subnet in known:
        roles: dict[UUID, Role] = dict(wires.get(subnet.id, []))
        facts = SubnetFacts(
            id=subnet.id,
            scope_id=subnet.scope_id,
            scope=subnet.scope,
            name=subnet.name,
            prefix=subnet.prefix,
            roles=roles,
            has_free=subnet.id in with_room,
            auto_allocate=subnet.auto_allocate,
            gateway=None if subnet.gateway is None else str(subnet.gateway),
            dns=tuple(map(str, subnet.dns)),
            domain=subnet.domain,
            ntp=subnet.ntp,
            mtu=subnet.mtu,
            routes=subnet.routes,
        )
        found.append(facts)
    return found
