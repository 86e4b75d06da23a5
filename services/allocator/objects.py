"""Hosts, distributed switches and port groups: facts into rows, port groups into wires."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from asyncpg import Record

from services.allocator.domain.newest import Standing, Told, newest
from services.allocator.rows import Table
from services.allocator.tables import HOST, SWITCH, WIRE
from services.allocator.wire_names import note_names
from shared.events.base import Fact
from shared.events.envelope import Envelope
from shared.events.inventory import (
    HostChanged,
    HostRemoved,
    PortgroupChanged,
    PortgroupRemoved,
    SwitchChanged,
    SwitchRemoved,
)
from shared.events.wire import WireFacts
from shared.model.identifiers import wire_id
from shared.model.ordering import Order
from shared.store.pool import Connection

Key = tuple[UUID, str]
D = TypeVar("D", bound=Fact)


@dataclass(slots=True)
class WireChanges:
    """What port group facts did to wires.

    `known`: wires that ports may refer to since now, or that are on another switch or VLAN than before.
    """

    created: list[WireFacts] = field(default_factory=list)
    renamed: list[tuple[WireFacts, str]] = field(default_factory=list)
    retired: list[WireFacts] = field(default_factory=list)
    known: set[UUID] = field(default_factory=set)


def told_by_key(envelopes: Iterable[Envelope[Any]], changed: type[D]) -> dict[Key, list[Told[D]]]:
    """Facts about one kind of object, by object. What is not `changed` is a removal."""
    found: dict[Key, list[Told[D]]] = {}
    for envelope in envelopes:
        fact = envelope.data
        description = fact if isinstance(fact, changed) else None
        told: Told[D] = Told(fact.order, envelope.time, description)
        found.setdefault((fact.vcenter, fact.moid), []).append(told)
    return found


async def apply_hosts(conn: Connection, envelopes: Sequence[Envelope[HostChanged | HostRemoved]]) -> None:
    """Take in facts about hosts."""
    rows = []
    for key, after, before in await _standings(conn, HOST, told_by_key(envelopes, HostChanged)):
        d = after.description
        values: tuple[Any, ...]
        if d is None:
            values = _kept(before, HOST, 8)
        else:
            values = (
                d.name, d.connection, d.maintenance, d.cpu_cores, d.cpu_mhz, d.memory_mb, d.cluster,
                d.datacenter, d.model_dump_json(),
            )  # fmt: skip
        rows.append((*key, *_order(after), after.removed, *values))
    await HOST.upsert(conn, rows)


async def apply_switches(
    conn: Connection, envelopes: Sequence[Envelope[SwitchChanged | SwitchRemoved]]
) -> None:
    """Take in facts about distributed switches."""
    rows = []
    for key, after, before in await _standings(conn, SWITCH, told_by_key(envelopes, SwitchChanged)):
        d = after.description
        values = _kept(before, SWITCH, 8) if d is None else (d.name, d.model_dump_json())
        rows.append((*key, *_order(after), after.removed, *values))
    await SWITCH.upsert(conn, rows)


async def apply_portgroups(
    conn: Connection, envelopes: Sequence[Envelope[PortgroupChanged | PortgroupRemoved]]
) -> WireChanges:
    """Take in facts about port groups, and tell what became of wires."""
    changes = WireChanges()
    rows = []
    await note_names(conn, envelopes)
    for key, after, before in await _standings(conn, WIRE, told_by_key(envelopes, PortgroupChanged)):
        d = after.description
        identity = wire_id(*key)
        if d is None:
            values = _kept(before, WIRE, 9)
        else:
            values = (d.name, d.kind, d.uplink, d.hosts, d.model_dump_json())
        rows.append((identity, *key, *_order(after), after.removed, *values))
        _note(changes, before, after, d)
    await WIRE.upsert(conn, rows)
    return changes


def wire_facts(fact: PortgroupChanged) -> WireFacts:
    """The wire that a port group is."""
    return WireFacts(
        id=wire_id(fact.vcenter, fact.moid),
        vcenter=fact.vcenter,
        network=fact.moid,
        name=fact.name,
        kind=fact.kind,
        vlan=fact.vlan,
        datacenter_name=fact.datacenter_name,
        switch_name=fact.switch_name,
    )


def _note(
    changes: WireChanges,
    before: Record | None,
    after: Standing[PortgroupChanged],
    described: PortgroupChanged | None,
) -> None:
    old = None
    if before is not None and before["state"] is not None:
        old = PortgroupChanged.model_validate(before["state"])
    new = described or old
    was_wire = old is not None and not old.uplink
    was_live = was_wire and before is not None and not before["retired"]
    if new is None or new.uplink:
        if was_live and old is not None:
            changes.retired.append(wire_facts(old))
        return
    if not was_wire or (old is not None and _layer_two(old) != _layer_two(new)):
        changes.known.add(wire_id(new.vcenter, new.moid))
    if after.removed:
        if was_live:
            changes.retired.append(wire_facts(new))
    elif not was_live:
        changes.created.append(wire_facts(new))
    elif old is not None and old.name != new.name:
        changes.renamed.append((wire_facts(new), old.name))


def _layer_two(fact: PortgroupChanged) -> tuple[object, ...]:
    return fact.vlan, fact.switch, fact.switch_uuid, fact.switch_name, fact.datacenter


async def _standings(
    conn: Connection, table: Table, facts: Mapping[Key, Sequence[Told[D]]]
) -> list[tuple[Key, Standing[D], Record | None]]:
    """What holds now about each object that something new was heard of, beside its row as it was."""
    if not facts:
        return []
    rows = await conn.fetch(
        f"SELECT t.* FROM {table.name} t "  # noqa: S608  our own name
        "JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)",
        [key[0] for key in facts],
        [key[1] for key in facts],
    )
    stored: dict[Key, Record] = {(row["vcenter_id"], row["moid"]): row for row in rows}
    changed = []
    for key, told in facts.items():
        before = stored.get(key)
        held: Standing[D] = (
            Standing() if before is None else standing_of(before, "retired" if table is WIRE else "removed")
        )
        after = newest(held, told)
        if after != held:
            changed.append((key, after, before))
    return changed


def standing_of(row: Record, removed: str = "removed") -> Standing[Any]:
    """What a row says of the facts that made it."""
    return Standing(
        Order(row["epoch"], row["sequence"]),
        row["observed_at"],
        Order(row["told_epoch"], row["told_sequence"]),
        row[removed],
    )


def _order(after: Standing[Any]) -> tuple[Any, ...]:
    return (*after.order, *after.told, after.at)


def _kept(before: Record | None, table: Table, first: int) -> tuple[Any, ...]:
    """The descriptive columns as they are stored; for an object only known as removed, nothing."""
    values = []
    for name, kind in list(table.columns.items())[first:]:
        value = None if before is None else before[name]
        if kind == "json" and value is not None:
            value = json.dumps(value)
        if value is None and kind == "texts":
            value = ()
        if value is None and name == "uplink":
            value = False
        values.append(value)
    return tuple(values)
