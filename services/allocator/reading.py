"""Reads all that bears on some addresses: claims, statements, records, subnets, the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from services.allocator.batch import Dirty
from services.allocator.docket import Docket, Person
from services.allocator.domain.history import NO_GRACE, UNKNOWN_WIRE
from services.allocator.domain.identity import Place, home_of
from services.allocator.domain.records import PortView
from services.allocator.domain.settlement import Case, Held, Reserved, Spot, explained_on
from services.allocator.networks import Networks
from services.allocator.record_rows import Records, read_ports
from services.allocator.seen_rows import read_kept, read_sightings, seen_from
from services.allocator.statement_rows import fixed_from, read_statements, stated_from
from services.allocator.views import read_containing
from shared.ipam.domain import Holder, release_note
from shared.ipam.reserving import reserved_at, reserved_by
from shared.store.pool import Connection


async def expand(
    conn: Connection, dirty: Dirty, records: Records, at_once: int
) -> tuple[set[str], set[UUID]]:
    """All addresses to look at: the dirty ones, and those of dirty ports and VMs; and those ports.

    `read` will ask for the same records: all come with one statement, if the addresses are at most `at_once`.
    """
    ports = set(dirty.ports)
    if dirty.vms:
        rows = await conn.fetch(
            """
            SELECT id FROM inventory.port WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT port_id FROM inventory.nic WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT port_id FROM inventory.unmatched WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT port_id FROM inventory.statement WHERE vm_id = ANY ($1::uuid[])
            UNION SELECT s.port_id FROM inventory.vm v JOIN inventory.sighting s USING (vcenter_id, moid)
            WHERE v.vm_id = ANY ($1::uuid[]) AND s.vm_id = v.vm_id AND s.live
            """,
            list(dirty.vms),
        )
        ports |= {row[0] for row in rows}
    addresses = set(dirty.addresses)
    if ports:
        bound = await records.of(conn, ports, addresses if len(addresses) <= at_once else ())
        addresses |= {address for port in ports & bound.keys() for address in bound[port].addresses}
        rows = await conn.fetch(
            """
            SELECT host(address) FROM inventory.unmatched WHERE port_id = ANY ($1::uuid[])
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
    networks: Networks,
    known: Records,
    grace: timedelta = NO_GRACE,
    *,
    change: timedelta = NO_GRACE,
) -> Docket:
    """Read what bears on `addresses`. `scope_of` names the scopes of vCenters that are not in `default`.

    `grace` is how long a removed VM or device is waited for, `change` how long another address has to stay.
    """
    asked = list(addresses)
    marked = await _marked(conn, asked)
    sightings = await read_sightings(conn, asked, grace, change)
    unmatched = await _read_unmatched(conn, asked) if marked["unmatched"] else []
    claiming = (
        {s["port_id"] for s in sightings if s["live"] or s["kept"]}
        | dirty_ports
        | {u["port_id"] for u in unmatched}
    )
    statements = await read_statements(conn, asked, claiming)
    claiming |= {s["port_id"] for s in statements}
    # Of every port that may gain an address, not only of those that have one of these: a record is whole.
    records = await known.of(conn, claiming, addresses)
    ports, silent = await read_ports(conn, claiming | records.keys())
    alive = {p.vm for p in ports.values()}
    vms = {s["vm_id"] for s in statements} | ({r.port.vm for r in records.values()} - alive)
    vms |= {s["vm_id"] for s in sightings if s["live"] and s["port_id"] not in ports}
    places, homes = await _read_places(conn, vms)
    wires = {p.wire for p in ports.values()} | {s["wire_id"] for s in sightings}
    on_wire = {w: each.subnets for w, each in (await networks.of(conn, wires)).items() if each.subnets}
    vcenters = {s["vcenter_id"] for s in sightings} | {p.vcenter for p in ports.values()}
    vcenters |= {home["vcenter_id"] for home in homes.values()}
    scopes = {vcenter: scope_of.get(vcenter, default) for vcenter in vcenters}
    seen = seen_from(sightings, ports, homes, await read_kept(conn, ports, change))
    explained = explained_on(on_wire, seen)
    # Only of addresses that no subnet of their own wire explains the other wires matter.
    elsewhere = {s.address for s in seen if (s.wire, s.address) not in explained}
    containing = await read_containing(conn, set(scopes.values()) | {default}, elsewhere)
    subnets = {s.id: s for found in on_wire.values() for s, _ in found}
    subnets |= {s.id: s for s in containing.values()}
    # Not by the subnet's id: one may have been split, merged or made anew since.
    stated_in = await read_containing(
        conn, {s["scope_id"] for s in statements}, {s["text"] for s in statements if s["text"] in addresses}
    )
    subnets |= {s.id: s for s in stated_in.values()}
    named = await networks.of(conn, wires | {s.default_wire for s in subnets.values()})
    names = {wire: each.name for wire, each in named.items() if each.name is not None}
    case = Case(
        addresses=addresses,
        seen=seen,
        stated=stated_from(statements, addresses, stated_in, ports, places, grace),
        fixed=fixed_from(statements, ports, places, grace),
        known_wires={w.id for w in names.values() if w.usable},
        on_wire=on_wire,
        containing=containing,
        scope_of=scopes,
        ledger=await _read_ledger(conn, asked),
        explained=explained,
        reserved=await _read_reserved(conn, asked) if marked["reserved"] else {},
        shared=await _read_shared(conn, asked) if marked["shared"] else {},
        silent=silent,
    )
    return Docket(
        case=case,
        ports=ports,
        people=_people(sightings, ports, homes),
        alive=alive | homes.keys(),
        records=records,
        unmatched={(u["port_id"], u["text"]): u for u in unmatched},
        conflicts=await _read_conflicts(conn, asked) if marked["contested"] else {},
        wires=names,
        subnets=subnets,
    )


async def _marked(conn: Connection, addresses: list[str]) -> Mapping[str, bool]:
    """What there is on any of `addresses` that few have: one look instead of four that find nothing."""
    (row,) = await conn.fetch(
        """
        SELECT EXISTS (SELECT FROM inventory.unmatched WHERE address = ANY (a.asked)) AS unmatched,
               EXISTS (SELECT FROM inventory.conflict WHERE address = ANY (a.asked)) AS contested,
               EXISTS (SELECT FROM inventory.shared_address WHERE address = ANY (a.asked)) AS shared,
               EXISTS (SELECT FROM ipam.reserved_address WHERE address = ANY (a.asked)) AS reserved
        FROM (SELECT $1::text[]::inet[]) AS a (asked)
        """,
        addresses,
    )
    return dict(row)


async def _read_unmatched(conn: Connection, addresses: list[str]) -> list[Record]:
    rows: list[Record] = await conn.fetch(
        "SELECT *, host(address) AS text FROM inventory.unmatched WHERE address = ANY ($1::text[]::inet[])",
        addresses,
    )
    return rows


async def _read_conflicts(conn: Connection, addresses: list[str]) -> dict[UUID, Record]:
    rows = await conn.fetch(
        "SELECT *, host(address) AS text FROM inventory.conflict WHERE address = ANY ($1::text[]::inet[])",
        addresses,
    )
    return {row["id"]: row for row in rows}


async def _read_shared(conn: Connection, addresses: list[str]) -> dict[Spot, datetime]:
    rows = await conn.fetch(
        """
        SELECT scope_id, host(address), at FROM inventory.shared_address
        WHERE shared AND address = ANY ($1::text[]::inet[])
        """,
        addresses,
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def _read_places(
    conn: Connection, vms: Iterable[UUID]
) -> tuple[dict[UUID, list[Place]], dict[UUID, Record]]:
    """Where VMs are or were, and the rows of where those live that do."""
    asked = list(vms)
    if not asked:
        return {}, {}
    rows = await conn.fetch(
        """
        SELECT v.vm_id, v.vcenter_id, v.moid, v.removed, v.shadow, v.appeared_at, v.gone_at, v.observed_at,
               v.removed AND l.moid IS NOT NULL AS lingering, h.void_at, h.detached,
               coalesce(v.name, v.moid) AS name
        FROM inventory.vm v LEFT JOIN inventory.lingering l USING (vcenter_id, moid)
        LEFT JOIN inventory.vm_head h USING (vcenter_id, moid)
        WHERE v.vm_id = ANY ($1::uuid[])
        """,
        asked,
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
