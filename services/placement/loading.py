"""Keeps the world that decisions look at, as the schemas `inventory` and `ipam` tell it.

Parsed facts are kept between loads by their order, and with them all that follows from them: of a thousand
hosts only those that changed are read again, and a world in which nothing changed is only counted anew.
Decisions are made on a world that may be `max_age` old. What was chosen is therefore looked at again under
its locks (`checking.py`), and nobody is refused but on a world just loaded.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from services.placement import loading_queries as sql
from services.placement.domain.policy import Policy
from services.placement.domain.reading import host_facts, wire_facts
from services.placement.domain.world import (
    HostFacts,
    HostKey,
    Load,
    Peer,
    Role,
    SubnetFacts,
    VcenterFacts,
    WireFacts,
    World,
)
from shared.events.inventory import HostChanged, PortgroupChanged
from shared.ipam.subnets import list_subnets
from shared.store.pool import Connection

Parsed = TypeVar("Parsed")
Order = tuple[int, int]


class _Kept(NamedTuple, Generic[Parsed]):
    order: Order
    value: Parsed


class _Cache(Generic[Parsed]):
    """Parsed facts by (vCenter, managed object id), each with the order it was parsed at."""

    def __init__(self, orders: str, states: str, parse: Callable[[Any, Order], Parsed]) -> None:
        self._orders = orders
        self._states = states
        self._parse = parse
        self._kept: dict[HostKey, _Kept[Parsed]] = {}

    async def load(self, conn: Connection) -> bool:
        """Read what is new; whether anything was, or is gone."""
        rows = await conn.fetch(self._orders)
        wanted = {HostKey(row[0], row[1]): (row[2], row[3]) for row in rows}
        kept = self._kept
        stale = [key for key, order in wanted.items() if key not in kept or kept[key].order != order]
        if stale:
            vcenters, moids = [key.vcenter for key in stale], [key.moid for key in stale]
            for row in await conn.fetch(self._states, vcenters, moids):
                order = (row["epoch"], row["sequence"])
                kept[HostKey(row["vcenter_id"], row["moid"])] = _Kept(order, self._parse(row["state"], order))
        gone = kept.keys() - wanted.keys()
        for key in gone:
            del kept[key]
        return bool(stale or gone)

    def values(self) -> Iterable[Parsed]:
        return (kept.value for kept in self._kept.values())


class WorldLoader:
    """Loads worlds; one per process, used by one task at a time."""

    def __init__(self, policy: Policy, *, count_powered_off: bool, max_age: timedelta = timedelta(0)) -> None:
        self._policy = policy
        self._count_powered_off = count_powered_off
        self._max_age = max_age.total_seconds()
        self._hosts: _Cache[HostFacts] = _Cache(sql.HOST_ORDERS, sql.HOSTS, self._host)
        self._wires: _Cache[WireFacts] = _Cache(sql.WIRE_ORDERS, sql.WIRES, _wire)
        self._subnets: dict[UUID, SubnetFacts] = {}
        self._vcenter_names: dict[UUID, str] = {}
        self._world: World | None = None
        self._loaded_at = 0.0

    def use(self, policy: Policy) -> None:
        """Label hosts by another policy from the next load on, which is the next view."""
        self._policy = policy
        self._hosts = _Cache(sql.HOST_ORDERS, sql.HOSTS, self._host)
        self.spoil()

    def spoil(self) -> None:
        """Let nothing more be decided on the world that is kept: it counts what was not committed."""
        self._loaded_at = float("-inf")

    async def view(self, conn: Connection, now: datetime) -> tuple[World, bool]:
        """The world, at most `max_age` old save for the vCenters' state; and whether it is brand-new."""
        if self._world is None or time.monotonic() - self._loaded_at > self._max_age:
            return await self.load(conn, now), True
        self._world.vcenters = await _vcenters(conn)
        return self._world, False

    async def load(self, conn: Connection, now: datetime) -> World:
        """The world as committed now. `now` decides which cooled-down addresses count as free."""
        begun = time.monotonic()
        vcenters = await _vcenters(conn)
        names = {vcenter.id: vcenter.name for vcenter in vcenters.values()}
        if names != self._vcenter_names:
            # Labels may hang on them.
            self._vcenter_names = names
            self._hosts = _Cache(sql.HOST_ORDERS, sql.HOSTS, self._host)
        changed = await self._hosts.load(conn)
        changed = await self._wires.load(conn) or changed
        changed = await self._load_subnets(conn) or changed
        counts = await self.loads(conn), await _free(conn, now), await self._ports(conn)
        if self._world is None or changed:
            first = self._world is None
            wires = {wire.id: wire for wire in self._wires.values()} | await self._retired(conn)
            self._world = World(
                vcenters.values(), self._hosts.values(), counts[0], wires.values(), self._subnets.values(),
                free=counts[1], ports_used=counts[2],
            )  # fmt: skip
            if first:
                # What it is made of lives long and has no cycles: the collector would walk it for tens of
                # milliseconds in vain. Once only: what else is there at that moment is never collected.
                gc.freeze()
        else:
            self._world.vcenters = vcenters
            self._world.count(*counts)
        self._loaded_at = begun
        return self._world

    async def loads(self, conn: Connection, hosts: Sequence[HostKey] | None = None) -> dict[HostKey, Load]:
        """What VMs and reservations take of all hosts, or of `hosts`; those with nothing have no entry."""
        if hosts is None:
            rows = await conn.fetch(sql.LOADS, self._count_powered_off)
        else:
            vcenters, moids = [host.vcenter for host in hosts], [host.moid for host in hosts]
            rows = await conn.fetch(sql.LOADS_OF_HOSTS, self._count_powered_off, vcenters, moids)
        return {HostKey(row[0], row[1]): Load(int(row[2]), int(row[3])) for row in rows}

    async def ports_used(self, conn: Connection, wires: Sequence[UUID]) -> dict[UUID, int]:
        """How many ports of each wire VMs and reservations take."""
        used = dict.fromkeys(wires, 0)
        if wires:
            used |= {row[0]: row[1] for row in await conn.fetch(sql.PORTS, list(wires))}
        return used

    async def places(self, conn: Connection, peers: Iterable[Peer]) -> dict[Peer, frozenset[HostKey] | None]:
        """The hosts where each peer is; None for a VM that nobody knows."""
        found: dict[Peer, frozenset[HostKey] | None] = {}
        for peer in set(peers):
            rows = await conn.fetch(sql.PLACES_OF_VM if peer.kind == "vm" else sql.PLACES_OF_GROUP, peer.name)
            keys = frozenset(HostKey(row[0], row[1]) for row in rows if row[1] is not None)
            found[peer] = None if peer.kind == "vm" and not rows else keys
        return found

    async def _ports(self, conn: Connection) -> dict[UUID, int]:
        return await self.ports_used(
            conn, [wire.id for wire in self._wires.values() if wire.ports is not None]
        )

    def _host(self, state: Any, order: Order) -> HostFacts:
        event = HostChanged.model_validate(state)
        labels = self._policy.labels(
            (str(event.vcenter), self._vcenter_names.get(event.vcenter, "")),
            (event.cluster or "", event.cluster_name or ""),
            (event.moid, event.name),
        )
        return replace(host_facts(event, labels), order=order)

    async def _load_subnets(self, conn: Connection) -> bool:
        """Read subnets whose revision or wires changed; whether any did."""
        wanted: dict[UUID, int] = {row[0]: row[1] for row in await conn.fetch(sql.SUBNET_REVISIONS)}
        roles: dict[UUID, dict[UUID, Role]] = {}
        for row in await conn.fetch(sql.ROLES):
            roles.setdefault(row[0], {})[row[1]] = row[2]
        kept = self._subnets
        stale = [key for key, rev in wanted.items() if key not in kept or kept[key].revision != rev]
        gone = kept.keys() - wanted.keys()
        for key in gone:
            del kept[key]
        for subnet in await list_subnets(conn, ids=stale) if stale else ():
            kept[subnet.id] = SubnetFacts(
                id=subnet.id,
                scope_id=subnet.scope_id,
                scope=subnet.scope,
                name=subnet.name,
                prefix=subnet.prefix,
                roles=roles.get(subnet.id, {}),
                auto_allocate=subnet.auto_allocate,
                vlan=subnet.vlan,
                labels=subnet.labels,
                revision=subnet.revision,
                gateway=None if subnet.gateway is None else str(subnet.gateway),
                dns=tuple(map(str, subnet.dns)),
                domain=subnet.domain,
                ntp=subnet.ntp,
                mtu=subnet.mtu,
                routes=subnet.routes,
            )
        moved = [key for key, subnet in kept.items() if subnet.roles != roles.get(key, {})]
        for key in moved:
            kept[key] = replace(kept[key], roles=roles.get(key, {}))
        return bool(stale or gone or moved)

    async def _retired(self, conn: Connection) -> dict[UUID, WireFacts]:
        """Wires that are gone and that subnets are still kept on."""
        known = {wire.id for wire in self._wires.values()}
        named = {wire for subnet in self._subnets.values() for wire in subnet.roles} - known
        rows = await conn.fetch(sql.RETIRED, list(named)) if named else ()
        return {
            row["id"]: wire_facts(PortgroupChanged.model_validate(row["state"]), retired=True) for row in rows
        }


def _wire(state: Any, order: Order) -> WireFacts:
    return replace(wire_facts(PortgroupChanged.model_validate(state)), order=order)


async def _vcenters(conn: Connection) -> dict[UUID, VcenterFacts]:
    return {row[0]: VcenterFacts(*row) for row in await conn.fetch(sql.VCENTERS)}


async def _free(conn: Connection, now: datetime) -> dict[UUID, int]:
    """How many addresses each subnet has free, rested ones included."""
    return {row[0]: int(row[1]) for row in await conn.fetch(sql.FREE, now)}
