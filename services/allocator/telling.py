"""What settling changed, as events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Occasion
from services.allocator.docket import Docket, Person
from services.allocator.domain.evidence import Weight
from services.allocator.domain.matching import SubnetView
from services.allocator.domain.records import Changes, NicRecord, PortView
from services.allocator.domain.reports import UNPLACED
from services.allocator.naming import ParkedAddress, sentences
from services.allocator.verdicts import VerdictChanges
from services.allocator.views import WireName, read_subnets, read_wires
from shared.events.address import (
    AddressMatched,
    AddressUnmatched,
    Sighting,
)
from shared.events.nic import NicAddress, NicCreated, NicFacts, NicReleased, NicUpdated
from shared.model.identifiers import nic_id
from shared.store.pool import Connection

TOLD_AT_ONCE = 20
"""Events between two looks at what else there is to do."""


async def tell_records(out: Announcements, docket: Docket, changes: Changes, occasion: Occasion) -> None:
    """Announce what became of NIC records; what ended first. Whoever writes meanwhile gets on."""
    for number, (event, port) in enumerate(_of_records(docket, changes, occasion)):
        if number % TOLD_AT_ONCE == 0:
            await asyncio.sleep(0)
        out.add(event, port.nic, cause=occasion.cause(port.vm))


def _of_records(
    docket: Docket, changes: Changes, occasion: Occasion
) -> Iterator[tuple[NicCreated | NicUpdated | NicReleased, PortView]]:
    for record, reason in changes.released:
        since = occasion.at(record.port.vm)
        yield (
            NicReleased(nic=_facts(record, docket, docket.former), since=since, reason=reason),
            record.port,
        )
    for before, after in changes.updated:
        was = _facts(before, docket, docket.former)
        since = occasion.at(after.port.vm)
        yield NicUpdated(nic=_facts(after, docket), before=was, since=since), after.port
    for record in changes.created:
        yield NicCreated(nic=_facts(record, docket), since=occasion.at(record.port.vm)), record.port


async def tell_unmatched(
    conn: Connection,
    out: Announcements,
    docket: Docket,
    changes: VerdictChanges,
    occasion: Occasion,
    *,
    weight: Weight,
) -> None:
    """Announce verdicts that are new or changed, and addresses that are unmatched no more."""
    parked = [
        ParkedAddress(docket.people[port], address, what, sorted(docket.case.fixed.get(port, ())))
        for port, address, what in changes.parked
    ]
    for item, sentence in zip(parked, await sentences(conn, parked, weight), strict=True):
        event = AddressUnmatched(
            sighting=_sighting(item.person, item.address, docket.wires),
            since=item.parked.since,
            verdict=item.parked.verdict,
            explanation=sentence,
            subnets=tuple(s.id for s in item.parked.subnets),
        )
        cause = occasion.cause(item.person.vm)
        out.add(event, item.person.port, item.address, item.parked.verdict, cause=cause)
    for row, recorded in changes.matched:
        person = docket.people.get(row["port_id"]) or Person(
            row["port_id"], row["vm_id"], row["vcenter_id"], row["vm_moid"], row["vm_moid"],
            row["device_key"], None, None, row["wire_id"],
        )  # fmt: skip
        matched = AddressMatched(
            sighting=_sighting(person, row["text"], docket.wires),
            since=row["since"],
            outcome="recorded" if recorded else "gone",
            nic=nic_id(person.vm, person.device_key) if recorded else None,
        )
        out.add(matched, person.port, row["text"], cause=occasion.cause(person.vm))


async def complete_names(conn: Connection, docket: Docket, changes: Changes) -> None:
    """Read the subnets and wires that changed records name and the case did not need."""
    records = [*changes.created, *(r for r, _ in changes.released)]
    for pair in changes.updated:
        records += pair
    subnets = {b.subnet for record in records for b in record.addresses.values()}
    docket.subnets |= await read_subnets(conn, subnets - docket.subnets.keys())
    wires = {record.port.wire for record in records} - docket.wires.keys()
    if wires:
        docket.wires |= await read_wires(conn, wires)


def _facts(
    record: NicRecord, docket: Docket, former: Mapping[UUID, SubnetView] = MappingProxyType({})
) -> NicFacts:
    p = record.port
    wire = docket.wires.get(p.wire)
    return NicFacts(
        id=p.nic,
        vcenter=p.vcenter,
        vm=p.vm,
        vm_moid=p.vm_moid,
        vm_name=p.vm_name,
        port=p.id,
        device_key=p.device_key,
        label=p.label,
        mac=p.mac,
        wire=p.wire,
        wire_name=str(p.wire) if wire is None else wire.name,
        addresses=tuple(_address(a, record, docket, former) for a in sorted(record.addresses)),
    )


def _address(
    address: str, record: NicRecord, docket: Docket, former: Mapping[UUID, SubnetView]
) -> NicAddress:
    bound = record.addresses[address]
    subnet = former.get(bound.subnet) or docket.subnets[bound.subnet]
    return NicAddress(
        address=address,
        prefix=subnet.prefix.prefixlen,
        subnet=subnet.id,
        subnet_name=subnet.name,
        gateway=None if subnet.gateway is None else str(subnet.gateway),
        source=bound.source,
    )


def _sighting(person: Person, address: str, wires: Mapping[UUID, WireName]) -> Sighting:
    placed = person.device_key != UNPLACED
    wire = None if person.wire is None else wires.get(person.wire)
    return Sighting(
        vcenter=person.vcenter,
        vm=person.vm,
        vm_moid=person.vm_moid,
        vm_name=person.vm_name,
        port=person.port if placed else None,
        device_key=person.device_key if placed else None,
        mac=person.mac,
        wire=person.wire,
        wire_name=None if wire is None else wire.name,
        address=address,
    )
