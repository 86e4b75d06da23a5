"""Operators' commands that change a subnet's shape or place: split, merge, move. All or nothing.

NIC records keep their ids and addresses: matching them anew after the change finds the subnet they are in
now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.allocator.announcing import Announcements
from services.allocator.batch import Dirty, Occasion
from services.allocator.dispatching import Commands
from services.allocator.finding import find_subnet, find_wire
from services.allocator.following import follow_subnets
from services.allocator.in_use import holders_named
from services.allocator.settling import Policy, settle
from services.allocator.subnet_commands import affected, new_identity
from services.allocator.views import read_subnets, read_wires
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.events.subnet import SubnetFacts
from shared.events.subnet_changes import AdditionalWire, SubnetMerged, SubnetMoved, SubnetSplitUp
from shared.events.subnet_commands import SubnetMerge, SubnetMove, SubnetSplit
from shared.ipam.domain.reshaping import Roles, Use, joined_wires, left_out, part, parts_at, parts_of_length
from shared.ipam.domain.reshaping import union as union_of
from shared.ipam.errors import LedgerRefusal
from shared.ipam.reshaping import reshape, roles_of, shapes_refused
from shared.ipam.subnets import Subnet
from shared.model.command_line import typed
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection


async def split(
    conn: Connection, envelope: Envelope[Any], command: SubnetSplit, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Make several subnets of one; the lowest part keeps id and name, wires are copied to all."""
    known = await find_subnet(conn, command.subnet, command.scope)
    facts = known.facts()
    with shapes_refused():
        prefixes = (
            parts_at(known.name, known.prefix, command.at)
            if command.prefix_length is None
            else parts_of_length(known.name, known.prefix, command.prefix_length)
        )
        names = _names(known.name, len(prefixes) - 1, command.names)
        parts = [part(facts, prefixes[0], known.id, known.name)]
        for name, prefix in zip(names, prefixes[1:], strict=True):
            identity = await new_identity(conn, known.scope_id, name, str(prefix), envelope)
            parts.append(part(facts, prefix, identity, name))
    roles = (await roles_of(conn, [known.id]))[known.id]
    change = Change([known], parts, {one.id: roles for one in parts}, split_event)
    first, *rest = await put(conn, envelope, change, out, policy)
    return {
        **first,
        "parts": rest,
        "left_out": [said for one in parts for said in left_out(facts, one)],
    }


async def merge(
    conn: Connection, envelope: Envelope[Any], command: SubnetMerge, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Make one subnet of several; the first keeps id, name and policy, wires are joined."""
    first = await find_subnet(conn, command.subnet, command.scope)
    others = [await find_subnet(conn, named, command.scope) for named in command.others]
    _refuse_twice([first, *others])
    roles = await roles_of(conn, [first.id, *(other.id for other in others)])
    with shapes_refused():
        whole = union_of(first.facts(), [other.facts() for other in others], command.prefix)
        joined = joined_wires(
            first.facts(),
            roles[first.id],
            [(other.facts(), roles[other.id]) for other in others],
            envelope.time,
            command.by,
        )
    change = Change([first, *others], [whole.facts], {first.id: joined}, merged_event)
    [merged] = await put(conn, envelope, change, out, policy)
    wires = await _named(conn, first.default_wire, joined)
    return {**merged, "given_up": list(whole.given_up), "wires": wires}


async def move(
    conn: Connection, envelope: Envelope[Any], command: SubnetMove, out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Give the subnet another default wire; the old one is pinned, so that no record is lost, if asked."""
    known = await find_subnet(conn, command.subnet, command.scope)
    wire = await find_wire(conn, command.wire)
    if wire["retired"]:
        raise PermanentError(
            f"wire {wire['name']!r} ({wire['moid']}) is gone from its vCenter", code="wire_retired"
        )
    if wire["id"] == known.default_wire:
        raise LedgerRefusal(
            f"wire {wire['name']!r} is the default wire of subnet {known.name!r} already",
            code="nothing_to_change",
            field="wire",
        )
    roles = dict((await roles_of(conn, [known.id]))[known.id])
    if wire["id"] in roles and roles[wire["id"]].role == "denied":
        raise LedgerRefusal(
            f"an operator said that wire {wire['name']!r} may not use subnet {known.name!r}",
            code="denied",
            hint="take that back first: "
            + typed("subnet", "set-wires", known.name, "--clear", wire["name"], scope=command.scope),
            field="wire",
        )
    roles.pop(wire["id"], None)
    if command.keep_old:
        roles[known.default_wire] = Use("pinned", envelope.time, command.by)
    draft = known.facts().model_copy(update={"default_wire": wire["id"]})
    change = Change([known], [draft], {known.id: roles}, moved_event)
    [moved] = await put(conn, envelope, change, out, policy)
    return {**moved, "wires": await _named(conn, wire["id"], roles)}


class Change(NamedTuple):
    """Subnets, what comes into their place with which additional wires, and the event that tells it."""

    before: Sequence[Subnet]
    drafts: Sequence[SubnetFacts]
    roles: Mapping[UUID, Roles]
    event: Callable[[Sequence[SubnetFacts], Sequence[SubnetFacts], tuple[AdditionalWire, ...], str], Event]


async def put(
    conn: Connection, envelope: Envelope[Any], change: Change, out: Announcements, policy: Policy
) -> list[dict[str, Any]]:
    """Make the change, tell it, and match what is in the subnets anew; the facts as they are then."""
    dirty = Dirty()
    for subnet in change.before:
        dirty.add(await within(conn, subnet, envelope))
    dirty.former = await read_subnets(conn, [subnet.id for subnet in change.before])
    async with holders_named(conn):
        after = await replace(conn, change.before, change.drafts, change.roles, envelope.time)
    facts = [subnet.facts() for subnet in after]
    was = [subnet.facts() for subnet in change.before]
    told = change.event(was, facts, _wires(change.roles[after[0].id]), envelope.data.by)
    out.add(told, after[0].id, cause=envelope)
    for subnet in after:
        dirty.add(await within(conn, subnet, envelope))
    await settle(conn, dirty, Occasion([envelope]), out, policy)
    return [one.model_dump(mode="json") for one in facts]


async def replace(
    conn: Connection,
    before: Sequence[Subnet],
    drafts: Sequence[SubnetFacts],
    roles: Mapping[UUID, Roles],
    at: datetime,
    *,
    whoever_holds: bool = False,
) -> list[Subnet]:
    """`reshape`, with what people stated for ports following the addresses it is about."""
    after = await reshape(conn, before, drafts, at, roles=roles, whoever_holds=whoever_holds)
    await follow_subnets(conn, subnets=[subnet.id for subnet in after])
    return after


async def within(conn: Connection, subnet: Subnet, envelope: Envelope[Any]) -> Dirty:
    """All addresses that have to do with `subnet`: seen in it, recorded or stated."""
    dirty = await affected(conn, subnet, envelope)
    rows = await conn.fetch(
        """
        SELECT host(address) FROM inventory.statement WHERE scope_id = $1 AND address <<= $2
        UNION SELECT host(address) FROM inventory.nic_address WHERE subnet_id = $3
        """,
        *(subnet.scope_id, subnet.prefix, subnet.id),
    )
    dirty.addresses |= {row[0] for row in rows}
    return dirty


def split_event(
    before: Sequence[SubnetFacts], after: Sequence[SubnetFacts], wires: tuple[AdditionalWire, ...], by: str
) -> SubnetSplitUp:
    """What tells of a split."""
    return SubnetSplitUp(subnet=after[0], before=before[0], parts=tuple(after[1:]), wires=wires, by=by)


def merged_event(
    before: Sequence[SubnetFacts], after: Sequence[SubnetFacts], wires: tuple[AdditionalWire, ...], by: str
) -> SubnetMerged:
    """What tells of a merge."""
    return SubnetMerged(subnet=after[0], before=before[0], merged=tuple(before[1:]), wires=wires, by=by)


def moved_event(
    before: Sequence[SubnetFacts], after: Sequence[SubnetFacts], wires: tuple[AdditionalWire, ...], by: str
) -> SubnetMoved:
    """What tells of a move."""
    return SubnetMoved(subnet=after[0], before=before[0], wires=wires, by=by)


def _wires(roles: Roles) -> tuple[AdditionalWire, ...]:
    return tuple(
        AdditionalWire(wire=wire, role=use.role, since=use.since, by=use.by)
        for wire, use in sorted(roles.items(), key=lambda item: str(item[0]))
    )


async def _named(conn: Connection, default: UUID, roles: Roles) -> list[dict[str, Any]]:
    """The wires of a subnet with their names, for whoever asked."""
    names = await read_wires(conn, [default, *roles])
    found: list[tuple[UUID, str]] = [(default, "default"), *((wire, use.role) for wire, use in roles.items())]
    return [
        {"wire": str(wire), "name": names[wire].name if wire in names else str(wire), "role": role}
        for wire, role in found
    ]


def _names(name: str, count: int, given: Sequence[str]) -> list[str]:
    if len(given) > count:
        raise LedgerRefusal(
            f"{len(given)} names are given, but the split makes {count} new subnets; {name!r} keeps its name",
            code="too_many_names",
            field="names",
        )
    return [*given, *(f"{name}-{n}" for n in range(len(given) + 2, count + 2))]


def _refuse_twice(subnets: Iterable[Subnet]) -> None:
    seen: dict[UUID, Subnet] = {}
    for subnet in subnets:
        if subnet.id in seen:
            raise LedgerRefusal(
                f"subnet {subnet.name!r} is named twice; name each of those to merge once", code="merge_twice"
            )
        seen[subnet.id] = subnet
    if len({subnet.scope_id for subnet in seen.values()}) > 1:
        listed = ", ".join(f"{subnet.name!r} (scope {subnet.scope!r})" for subnet in seen.values())
        raise LedgerRefusal(f"{listed} are of different scopes and can't be one", code="merge_scopes")


COMMANDS: Commands = {SubnetSplit: split, SubnetMerge: merge, SubnetMove: move}
