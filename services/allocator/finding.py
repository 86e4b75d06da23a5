"""Finds the wire, subnet or VM that an operator names; says who else the name could mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from shared.ipam.subnets import Subnet, find, list_subnets
from shared.model.identifiers import DEFAULT_SCOPE_NAME
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection

NAMED = 10
_WIRES = """
    SELECT w.id, w.name, w.vcenter_id, w.moid, w.retired, w.uplink, w.state,
           coalesce(c.name, w.vcenter_id::text) AS vcenter, w.state ->> 'datacenter_name' AS datacenter
    FROM inventory.wire w LEFT JOIN inventory.vcenter c ON c.id = w.vcenter_id
"""


async def find_wire(conn: Connection, named: str, *, vlan: int | None = None) -> Record:
    """The wire with that id, managed object id or name, as its row: `id`, `name`, `moid`, `retired` …

    In a vCenter where a wire is a switch, also the first port group of the switch of that name with `vlan`.
    Raises `PermanentError` wire_unknown, wire_ambiguous (with the candidates), wire_is_uplink.
    """
    rows = await conn.fetch(
        f"{_WIRES} WHERE (w.id = $1 OR w.moid = $2 OR w.name = $2) AND w.state IS NOT NULL "
        "ORDER BY w.retired, c.name, w.moid",
        _uuid(named),
        named,
    )
    usable = [row for row in rows if not row["uplink"]]
    if rows and not usable:
        raise PermanentError(
            f"port group {named!r} carries uplinks; VMs can't be on it", code="wire_is_uplink"
        )
    # An id is exact; a port group that is gone only counts when no living one has the name.
    exact = [r for r in usable if str(r["id"]) == named]
    living = [r for r in usable if not r["retired"]]
    candidates = exact or living or usable
    if len(candidates) > 1:
        raise PermanentError(
            f"{len(candidates)} wires are called {named!r}: {_listed(candidates)}",
            code="wire_ambiguous",
            hint="name one by its id",
        )
    if not candidates and (on_switch := await _on_switch(conn, named, vlan)) is not None:
        return on_switch
    if not candidates:
        names = await conn.fetch("SELECT DISTINCT name FROM inventory.wire WHERE NOT uplink AND NOT retired")
        raise PermanentError(
            f"there is no wire {named!r}{near_miss(named, [r[0] for r in names if r[0]])}",
            code="wire_unknown",
            hint="list them with: patchbay wire list",
        )
    return candidates[0]


async def find_retired_wire(conn: Connection, named: str) -> Record:
    """The wire with that id, managed object id or name whose port group is gone, as `find_wire` has it.

    Raises `PermanentError` wire_in_use when its port group is there, wire_unknown, wire_ambiguous.
    """
    rows = await conn.fetch(
        f"{_WIRES} WHERE (w.id = $1 OR w.moid = $2 OR w.name = $2) AND w.state IS NOT NULL AND NOT w.uplink "
        "ORDER BY NOT w.retired, c.name, w.moid",
        _uuid(named),
        named,
    )
    gone = [row for row in rows if row["retired"]]
    if len(gone) > 1:
        raise PermanentError(
            f"{len(gone)} wires that are gone were called {named!r}: {_listed(gone)}",
            code="wire_ambiguous",
            hint="name one by its id",
        )
    if gone:
        return gone[0]
    if rows:
        raise PermanentError(
            f"the port group of wire {rows[0]['name']!r} ({rows[0]['moid']}) is there: "
            "nothing needs to stand in for it",
            code="wire_in_use",
            hint="move its subnets one by one with: patchbay subnet move SUBNET WIRE",
        )
    names = await conn.fetch("SELECT DISTINCT name FROM inventory.wire WHERE NOT uplink AND retired")
    meant = near_miss(named, [r[0] for r in names if r[0]])
    raise PermanentError(
        f"there is no wire {named!r} whose port group is gone{meant}",
        code="wire_unknown",
        hint="list them with: patchbay wire list --retired",
    )


async def refuse_other_vlan(conn: Connection, wire: Record, vlan: int | None) -> None:
    """Raise `PermanentError` vlan_not_on_wire where it is known that `wire` does not carry `vlan`."""
    row = await conn.fetchrow(
        "SELECT inventory.off_vlan(state, $2) AS off, inventory.vlans_of(state)::text AS vlans "
        "FROM inventory.wire WHERE id = $1",
        wire["id"],
        vlan,
    )
    if row is not None and row["off"]:
        carried = _spelled(row["vlans"])
        raise PermanentError(
            f"wire {wire['name']!r} ({wire['moid']}) does not carry VLAN {vlan}: it carries {carried}",
            code="vlan_not_on_wire",
            hint="name a wire that does, or leave the VLAN out",
        )


async def _on_switch(conn: Connection, switch: str, vlan: int | None) -> Record | None:
    rows = await conn.fetch(
        f"""
        {_WIRES} JOIN inventory.wire_mapping m ON m.vcenter_id = w.vcenter_id AND m.mapping = 'switch'
        WHERE w.state ->> 'switch_name' = $1 AND NOT w.uplink AND NOT w.retired
        ORDER BY c.name, w.moid
        """,
        switch,
    )
    if not rows:
        return None
    if len({row["vcenter_id"] for row in rows}) > 1:
        raise PermanentError(
            f"several vCenters have a switch {switch!r}", code="wire_ambiguous", hint="name a wire by its id"
        )
    asked = 0 if vlan is None else vlan
    carried = await conn.fetch(
        """
        SELECT id, inventory.vlans_of(state) = int4multirange(int4range($2, $2, '[]')) AS fits,
               inventory.vlans_of(state)::text AS vlans
        FROM inventory.wire WHERE id = ANY ($1::uuid[])
        """,
        [row["id"] for row in rows],
        asked,
    )
    fits = {row["id"] for row in carried if row["fits"]}
    found = [row for row in rows if row["id"] in fits]
    if not found:
        raise PermanentError(
            f"switch {switch!r} has no port group with {f'VLAN {vlan}' if vlan else 'no VLAN'}; it has "
            + ", ".join(sorted({_spelled(row["vlans"]) for row in carried})),
            code="vlan_not_on_wire",
        )
    return found[0]


def _spelled(vlans: str) -> str:
    """A multirange of the server, such as "{[10,20),[30,31)}", as people write it."""
    parts = []
    for part in re.findall(r"\[(\d+),(\d+)\)", vlans):
        first, last = int(part[0]), int(part[1]) - 1
        parts.append(f"VLAN {first}" if first == last else f"VLANs {first}-{last}")
    return ", ".join(parts).replace("VLAN 0", "no VLAN") or "VLANs that are not known"


async def find_subnet(conn: Connection, named: str, scope: str = DEFAULT_SCOPE_NAME) -> Subnet:
    """The subnet with that id, or that name in `scope`. Raises `PermanentError` subnet_unknown."""
    subnet = await find(conn, named, scope)
    if subnet is None:
        names = [s.name for s in await list_subnets(conn, scope=scope)]
        raise PermanentError(
            f"there is no subnet {named!r} in scope {scope!r}{near_miss(named, names)}",
            code="subnet_unknown",
            hint="list them with: patchbay subnet list",
        )
    return subnet


async def find_vm(conn: Connection, named: str) -> UUID:
    """The identity of the VM with that id, managed object id or name.

    Raises `PermanentError` vm_unknown, vm_ambiguous (with the candidates).
    """
    rows = await conn.fetch(
        """
        SELECT v.vm_id, v.name, v.moid, v.removed, coalesce(c.name, v.vcenter_id::text) AS vcenter
        FROM inventory.vm v LEFT JOIN inventory.vcenter c ON c.id = v.vcenter_id
        WHERE (v.vm_id = $1 OR v.moid = $2 OR v.name = $2) AND v.vm_id IS NOT NULL
        ORDER BY v.removed, c.name, v.moid
        """,
        _uuid(named),
        named,
    )
    living = {r["vm_id"]: r for r in rows if not r["removed"]}
    found = living or {r["vm_id"]: r for r in rows}
    if len(found) > 1:
        listed = "; ".join(
            f"{r['vm_id']} ({r['name']!r}, {r['moid']}, vCenter {r['vcenter']})"
            for r in list(found.values())[:NAMED]
        )
        raise PermanentError(
            f"{len(found)} VMs are called {named!r}: {listed}", code="vm_ambiguous", hint="name one by its id"
        )
    if not found:
        names = await conn.fetch("SELECT DISTINCT name FROM inventory.vm WHERE NOT removed LIMIT 20000")
        raise PermanentError(
            f"there is no VM {named!r}{near_miss(named, [r[0] for r in names if r[0]])}",
            code="vm_unknown",
            hint="list them with: patchbay vm list",
        )
    identity: UUID = next(iter(found.values()))["vm_id"]
    return identity


def _listed(wires: Sequence[Record]) -> str:
    return "; ".join(
        f"{r['id']} ({r['name']!r}, {r['moid']}, vCenter {r['vcenter']}"
        f"{', ' + r['datacenter'] if r['datacenter'] else ''})"
        for r in wires[:NAMED]
    )


def near_miss(named: str, names: Sequence[str]) -> str:
    """The end of a sentence on a name that nothing has: what was perhaps meant."""
    near = difflib.get_close_matches(named, names, 3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
