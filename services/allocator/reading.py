"""Reads all that bears on some addresses: claims, statements, records, subnets, the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from services.allocator.batch import Dirty
from services.allocator.domain.history import NO_GRACE, UNKNOWN_WIRE
from services.allocator.domain.identity import Place, home_of, void_before
from services.allocator.domain.matching import Role, SubnetView, match
from services.allocator.domain.records import Bound, NicRecord, PortView
from services.allocator.domain.reports import UNPLACED
from services.allocator.domain.settlement import Case, Held, Reserved, SeenOn, Spot, Stated
from services.allocator.views import (
    WireName,
    read_containing,
    read_on_wires,
    read_wires,
)
from shared.ipam.domain import Holder, release_note
from shared.ipam.reserving import reserved_at, reserved_by
from shared.model.identifiers import nic_id, port_id
from shared.store.pool import Connection

_KEPT = """
    NOT s.live AND NOT s.removed AND {change}::interval > interval '0'
    AND s.ended_at + {change}::interval > coalesce(c.current_to, '-infinity')
    AND s.ended_at - s.since >= {change}::interval
"""
"""What Tools report no more, but so lately that it still counts: it had settled itself."""

COUNTS: tuple[None, bool] = (None, False)
"""The statement counts: its VM did not end, and has the port."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose an address is: what events about it tell."""

    port: UUID
    vm: UUID
    vcenter: UUID
    vm_moid: str
    vm_name: str
    device_key: int
    label: str | None
    mac: str | None
    wire: UUID | None


@dataclass(slots=True)
class Docket:
    """A case, and what is stored of its outcome so far."""

    case: Case
    ports: dict[UUID, PortView]
    """Living ports, by id."""
    people: dict[UUID, Person]
    """Who is who, by port; unplaced sightings have one, too."""
    alive: set[UUID]
    """VMs that exist."""
    records: dict[UUID, NicRecord]
    """By port."""
    unmatched: dict[tuple[UUID, str], Record]
    conflicts: dict[UUID, Record]
    wires: dict[UUID, WireName] = field(default_factory=dict)
    subnets: dict[UUID, SubnetView] = field(default_factory=dict)
    former: Mapping[UUID, SubnetView] = field(default_factory=dict)
    """Subnets that this transaction changed or ended, as they were."""


async def expand(conn: Connection, dirty: Dirty) -> tuple[set[str], set[UUID]]:
    """All addresses to look at: the dirty ones, and those of dirty ports and VMs; and those ports."""
    ports = set(dirty.ports)
    if dirty.vms:
        rows = await conn.fetch(
            """
            SELECT id FROM inventory.port WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT port_id FROM inventory.nic WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT port_id FROM inventory.unmatched WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT port_id FROM inventory.statement WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT port_id FROM inventory.sighting WHERE vm_id = ANY ($1::uuid[]) AND live
            """,
            list(dirty.vms),
        )
        ports |= {row[0] for row in rows}
    addresses = set(dirty.addresses)
    if ports:
        rows = await conn.fetch(
            """
            SELECT host(a.address) FROM inventory.nic n JOIN inventory.nic_address a ON a.nic_id = n.id
            WHERE n.port_id = ANY ($1::uuid[])
            UNION SELECT host(address) FROM inventory.unmatched WHERE port_id = ANY ($1::uuid[])
            UNION SELECT host(address) FROM inventory.statement WHERE port_id = ANY ($1::uuid[])
            UNION SELECT host(address) FROM inventory.sighting WHERE port_id = ANY ($1::uuid[]) AND live
            """,
            list(ports),
        )
        addresses |= {row[0] for row in rows}
    return addresses, ports


async def read(  # noqa: PLR0917  what a case is made of
    conn: Connection,
    addresses: set[str],
    dirty_ports: set[UUID],
    scope_of: Mapping[UUID, UUID],
    default: UUID,
    grace: timedelta = NO_GRACE,
    *,
    change: timedelta = NO_GRACE,
) -> Docket:
    """Read what bears on `addresses`. `scope_of` names the scopes of vCenters that are not in `default`.

    `grace` is how long a removed VM or device is waited for, `change` how long another address has to stay.
    """
    asked = list(addresses)
    sightings = await conn.fetch(
        f"""
        SELECT s.vcenter_id, s.moid, s.device_key, host(s.address) AS address, s.wire_id, s.vm_id, s.port_id,
               s.since, s.live, coalesce({_KEPT.format(change="$3")}, false) AS kept,
               s.since + $3::interval > coalesce(c.current_to, '-infinity') AS fresh,
               -- What went with its VM, or its device, is released when the grace is over.
               s.ended_at + CASE WHEN s.gone THEN $2::interval ELSE interval '0' END AS ended_at
        FROM inventory.sighting s
        LEFT JOIN inventory.vcenter c ON c.id = s.vcenter_id
        WHERE s.address = ANY ($1::text[]::inet[]) AND s.vm_id IS NOT NULL
        """,  # noqa: S608  our own condition
        asked,
        grace,
        change,
    )
    unmatched = await conn.fetch(
        "SELECT *, host(address) AS text FROM inventory.unmatched WHERE address = ANY ($1::text[]::inet[])",
        asked,
    )
    claiming = (
        {s["port_id"] for s in sightings if s["live"] or s["kept"]}
        | dirty_ports
        | {u["port_id"] for u in unmatched}
    )
    statements = await conn.fetch(
        """
        SELECT *, host(address) AS text FROM inventory.statement
        WHERE address = ANY ($1::text[]::inet[]) OR port_id = ANY ($2::uuid[])
        """,
        asked,
        list(claiming),
    )
    claiming |= {s["port_id"] for s in statements}
    # Of every port that may gain an address, not only of those that have one of these: a record is whole.
    records = await _read_records(conn, asked, claiming)
    ports = await _read_ports(conn, claiming | records.keys())
    vms = {s["vm_id"] for s in statements} | {r.port.vm for r in records.values()}
    vms |= {s["vm_id"] for s in sightings if s["live"] and s["port_id"] not in ports}
    places, homes = await _read_places(conn, vms)
    wires = {p.wire for p in ports.values()} | {s["wire_id"] for s in sightings}
    on_wire = await read_on_wires(conn, wires)
    vcenters = {s["vcenter_id"] for s in sightings} | {p.vcenter for p in ports.values()}
    vcenters |= {home["vcenter_id"] for home in homes.values()}
    scopes = {vcenter: scope_of.get(vcenter, default) for vcenter in vcenters}
    seen = _seen(sightings, ports, homes, await _read_kept(conn, ports, change))
    containing = await read_containing(conn, set(scopes.values()) | {default}, unexplained(seen, on_wire))
    subnets = {s.id: s for found in on_wire.values() for s, _ in found}
    subnets |= {s.id: s for s in containing.values()}
    # Not by the subnet's id: one may have been split, merged or made anew since.
    stated_in = await read_containing(
        conn, {s["scope_id"] for s in statements}, {s["text"] for s in statements if s["text"] in addresses}
    )
    subnets |= {s.id: s for s in stated_in.values()}
    names = await read_wires(conn, wires | {s.default_wire for s in subnets.values()})
    case = Case(
        addresses=addresses,
        seen=seen,
        stated=_stated(statements, addresses, stated_in, ports, places, grace),
        fixed=_fixed(statements, ports, places, grace),
        known_wires={w.id for w in names.values() if w.usable},
        on_wire=on_wire,
        containing=containing,
        scope_of=scopes,
        ledger=await _read_ledger(conn, asked),
        reserved=await _read_reserved(conn, asked),
    )
    case.shared = await _read_shared(conn, asked)
    case.silent = await _read_silent(conn, ports)
    conflicts = await conn.fetch(
        "SELECT *, host(address) AS text FROM inventory.conflict WHERE address = ANY ($1::text[]::inet[])",
        asked,
    )
    return Docket(
        case=case,
        ports=ports,
        people=_people(sightings, ports, homes),
        alive={p.vm for p in ports.values()} | homes.keys(),
        records=records,
        unmatched={(u["port_id"], u["text"]): u for u in unmatched},
        conflicts={c["id"]: c for c in conflicts},
        wires=names,
        subnets=subnets,
    )


def unexplained(seen: Iterable[SeenOn], on_wire: Mapping[UUID, list[tuple[SubnetView, Role]]]) -> set[str]:
    """Addresses that no subnet of their own wire explains: only for these other wires matter."""
    return {
        s.address
        for s in seen
        if match(s.address, s.device_key, True, on_wire.get(s.wire, ()), None).subnet is None
    }


async def _read_records(conn: Connection, addresses: list[str], ports: set[UUID]) -> dict[UUID, NicRecord]:
    rows = await conn.fetch(
        """
        SELECT n.*, host(a.address) AS address, a.scope_id, a.subnet_id, a.source, a.since AS bound_since
        FROM (
            SELECT id FROM inventory.nic WHERE port_id = ANY ($1::uuid[])
            UNION SELECT nic_id FROM inventory.nic_address WHERE address = ANY ($2::text[]::inet[])
        ) w
        -- OFFSET 0: one record after the other by its key. A join of whole tables grows with them.
        CROSS JOIN LATERAL (SELECT * FROM inventory.nic WHERE id = w.id OFFSET 0) n
        CROSS JOIN LATERAL (SELECT * FROM inventory.nic_address WHERE nic_id = w.id OFFSET 0) a
        """,
        list(ports),
        addresses,
    )
    ports_of: dict[UUID, PortView] = {}
    bound: dict[UUID, dict[str, Bound]] = {}
    for row in rows:
        port = row["port_id"]
        if port not in ports_of:
            ports_of[port] = PortView(
                port, row["id"], row["vm_id"], row["vcenter_id"], row["vm_moid"], row["vm_name"],
                row["device_key"], row["label"], row["mac"], row["wire_id"],
            )  # fmt: skip
        bound.setdefault(port, {})[row["address"]] = Bound(
            row["scope_id"], row["subnet_id"], row["source"], row["bound_since"]
        )
    return {port: NicRecord(view, bound[port]) for port, view in ports_of.items()}


async def _read_shared(conn: Connection, addresses: list[str]) -> dict[Spot, datetime]:
    rows = await conn.fetch(
        """
        SELECT scope_id, host(address), at FROM inventory.shared_address
        WHERE shared AND address = ANY ($1::text[]::inet[])
        """,
        addresses,
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def _read_silent(conn: Connection, ports: Iterable[UUID]) -> frozenset[UUID]:
    """Those of `ports` that nobody speaks for: they or their VM are gone, it is off, its Tools don't run."""
    rows = await conn.fetch(
        """
        SELECT p.id FROM inventory.port p
        JOIN inventory.vm v ON v.vcenter_id = p.vcenter_id AND v.moid = p.vm_moid
        LEFT JOIN inventory.guest g ON g.vcenter_id = p.vcenter_id AND g.moid = p.vm_moid
        WHERE p.id = ANY ($1::uuid[])
          AND (v.removed OR p.detached_at IS NOT NULL
               OR v.power IS DISTINCT FROM 'on' OR coalesce(g.tools, 'running') = 'not_running')
        """,
        list(ports),
    )
    return frozenset(row[0] for row in rows)


async def _read_ports(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, PortView]:
    rows = await conn.fetch(
        """
        SELECT p.*, v.name FROM inventory.port p
        JOIN inventory.vm v ON v.vcenter_id = p.vcenter_id AND v.moid = p.vm_moid
        WHERE p.id = ANY ($1::uuid[])
        """,
        list(ids),
    )
    return {
        row["id"]: PortView(
            row["id"], nic_id(row["vm_id"], row["device_key"]), row["vm_id"], row["vcenter_id"],
            row["vm_moid"], row["name"], row["device_key"], row["label"], row["mac"],
            row["wire_id"] or UNKNOWN_WIRE,
        )
        for row in rows
    }  # fmt: skip


async def _read_places(
    conn: Connection, vms: Iterable[UUID]
) -> tuple[dict[UUID, list[Place]], dict[UUID, Record]]:
    """Where VMs are or were, and the rows of where those live that do."""
    rows = await conn.fetch(
        """
        SELECT v.vm_id, v.vcenter_id, v.moid, v.removed, v.shadow, v.appeared_at, v.gone_at, v.observed_at,
               v.removed AND l.moid IS NOT NULL AS lingering, h.void_at, h.detached,
               coalesce(v.name, v.moid) AS name
        FROM inventory.vm v LEFT JOIN inventory.lingering l USING (vcenter_id, moid)
        LEFT JOIN inventory.vm_head h USING (vcenter_id, moid)
        WHERE v.vm_id = ANY ($1::uuid[])
        """,
        list(vms),
    )
    places: dict[UUID, list[Place]] = {}
    for row in rows:
        detached = {int(k): datetime.fromisoformat(d[0]) for k, d in (row["detached"] or {}).items()}
        place = replace(Place(*tuple(row)[1:-2]), detached=detached)
        places.setdefault(row["vm_id"], []).append(place)
    by_key = {(row["vcenter_id"], row["moid"]): row for row in rows}
    homes = {vm: by_key[home.key] for vm, at in places.items() if (home := home_of(at)) is not None}
    return places, homes


async def _read_ledger(conn: Connection, addresses: list[str]) -> dict[Spot, Held]:
    rows = await conn.fetch(
        """
        SELECT scope_id, host(address) AS address, holder_kind, holder_id, since,
            holder_kind = 'cooling' AND note = ANY ($2::text[]) AS seen
        FROM ipam.address WHERE address = ANY ($1::text[]::inet[])
        """,
        addresses,
        [release_note("nic"), release_note("sighting")],
    )
    return {
        (row["scope_id"], row["address"]): Held(
            Holder(row["holder_kind"], row["holder_id"]), row["since"], row["seen"] is True
        )
        for row in rows
    }


async def _read_reserved(conn: Connection, addresses: list[str]) -> dict[Spot, Reserved]:
    return {
        spot: Reserved(reserved_by(*spot), found.mac, found.since)
        for spot, found in (await reserved_at(conn, addresses)).items()
    }


async def _read_kept(
    conn: Connection, ports: Mapping[UUID, PortView], change: timedelta
) -> set[tuple[UUID, bool]]:
    """Ports and families (true: IPv6) with addresses that Tools report no more and that still count."""
    if not change:
        return set()
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT s.port_id, family(s.address) = 6 FROM inventory.sighting s
        LEFT JOIN inventory.vcenter c ON c.id = s.vcenter_id
        WHERE s.vm_id = ANY ($1::uuid[]) AND {_KEPT.format(change="$2")}
        """,  # noqa: S608  our own condition
        [port.vm for port in ports.values()],
        change,
    )
    return {(row[0], row[1]) for row in rows}


def _seen(
    rows: Iterable[Record],
    ports: Mapping[UUID, PortView],
    homes: Mapping[UUID, Record],
    kept: Collection[tuple[UUID, bool]],
) -> list[SeenOn]:
    """Sightings that count, one per port and address, and those that ended."""
    counted: dict[tuple[UUID, str], SeenOn] = {}
    ended: list[SeenOn] = []
    for row in rows:
        port = ports.get(row["port_id"])
        nic = nic_id(row["vm_id"], row["device_key"])
        key, address = row["device_key"], row["address"]
        if not row["live"] and not (row["kept"] and port is not None):
            if row["ended_at"] is not None:
                ended.append(
                    SeenOn(row["port_id"], nic, key, address, row["wire_id"], row["vcenter_id"],
                           row["since"], row["ended_at"])
                )  # fmt: skip
            continue
        wire = UNKNOWN_WIRE if port is None else port.wire
        vcenter = homes[row["vm_id"]]["vcenter_id"] if port is None else port.vcenter
        mac = None if port is None else port.mac
        unsettled = row["live"] and row["fresh"] and (row["port_id"], ":" in address) in kept
        seen = SeenOn(
            row["port_id"], nic, key, address, wire, vcenter, row["since"], mac=mac, unsettled=unsettled
        )
        known = counted.get((row["port_id"], address))
        if known is None or seen.since < known.since:
            counted[row["port_id"], address] = seen
    return [*counted.values(), *ended]


def _stated(  # noqa: PLR0917  the same
    rows: Iterable[Record],
    addresses: set[str],
    containing: Mapping[Spot, SubnetView],
    ports: Mapping[UUID, PortView],
    places: Mapping[UUID, list[Place]],
    grace: timedelta,
) -> list[Stated]:
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


def _fixed(
    rows: Iterable[Record],
    ports: Mapping[UUID, PortView],
    places: Mapping[UUID, list[Place]],
    grace: timedelta,
) -> dict[UUID, set[str]]:
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


def _people(
    rows: Iterable[Record], ports: Mapping[UUID, PortView], homes: Mapping[UUID, Record]
) -> dict[UUID, Person]:
    people = {}
    for p in ports.values():
        wire = None if p.wire == UNKNOWN_WIRE else p.wire
        people[p.id] = Person(p.id, p.vm, p.vcenter, p.vm_moid, p.vm_name, p.device_key, p.label, p.mac, wire)
    for row in rows:
        if row["live"] and row["port_id"] not in people:
            home = homes[row["vm_id"]]
            people[row["port_id"]] = Person(
                row["port_id"], row["vm_id"], home["vcenter_id"], home["moid"], home["name"],
                row["device_key"], None, None, None,
            )  # fmt: skip
    return people
