"""The commands that make a difference so, and the order they go in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.cli.bulk.differences import Difference, facts_of
from services.cli.bulk.forms import Entry
from services.cli.subnets import address_range
from shared.events.address_commands import AddressBind, AddressRelease, AddressReserve, AddressUnbind
from shared.events.commands import (
    AllocatorCommand,
    PortFix,
    SubnetCreate,
    SubnetDelete,
    SubnetUpdate,
    VmFixNics,
)
from shared.events.subnet_commands import SubnetMove
from shared.events.vm_nics import VmUnfixNics
from shared.model.identifiers import DEFAULT_SCOPE_NAME

_ORDER = ("subnet", "reserved", "binding", "fix")
_CLEARABLE = ("ranges", "gateway", "dns", "domain", "ntp", "mtu", "vlan", "routes", "labels")


def in_order(differences: Iterable[Difference]) -> list[Difference]:
    """What is to be done: removals first and from the end, so that nothing is in the way of what comes."""
    doing = [d for d in differences if d.what != "unchanged"]
    gone = [d for d in doing if d.what == "removed"]
    rest = [d for d in doing if d.what != "removed"]
    gone.sort(key=lambda d: -_ORDER.index(d.entry.kind))
    # Subnets that change go before new ones: they may shrink to make room.
    rest.sort(key=lambda d: (_ORDER.index(d.entry.kind), d.what == "added"))
    return [*gone, *rest]


def commands_for(difference: Difference, by: str) -> Sequence[AllocatorCommand]:
    """The commands that make it so, one after the other."""
    entry, what = difference.entry, difference.what
    scope = str(entry.values.get("scope", DEFAULT_SCOPE_NAME))
    if entry.kind == "subnet":
        return _subnet(difference, scope, by)
    if entry.kind == "reserved":
        ranges = (address_range(str(entry.values["addresses"])),)
        if what == "removed":
            return [AddressRelease(ranges=ranges, scope=scope, by=by)]
        given = {name: entry.values[name] for name in ("note", "until") if name in entry.values}
        return [AddressReserve.model_validate({"ranges": ranges, "scope": scope, "by": by, **given})]
    if entry.kind == "binding":
        return _binding(difference, scope, by)
    vm, nic = str(entry.values["vm"]), str(entry.values["nic"])
    if what == "removed":
        return [VmUnfixNics(vm=vm, ports=(nic,), by=by)]
    fixed = entry.values["fixed"]
    fixes = tuple(PortFix(port=nic, address=a) for a in (fixed if isinstance(fixed, tuple) else ()))
    return [VmFixNics(vm=vm, fixes=fixes, by=by)]


def _binding(difference: Difference, scope: str, by: str) -> list[AllocatorCommand]:
    values = difference.entry.values
    address = str(values["address"])
    undo = AddressUnbind(address=address, scope=scope, by=by)
    if difference.what == "removed":
        return [undo]
    given = {"address": address, "mac": values["mac"], "note": values.get("note"), "scope": scope, "by": by}
    bind = AddressBind.model_validate(given)
    # Another note alone is no reason to let the address go for a moment.
    return [undo, bind] if "mac" in difference.fields else [bind]


def _subnet(difference: Difference, scope: str, by: str) -> list[AllocatorCommand]:
    entry = difference.entry
    name = str(entry.values["name"])
    if difference.what == "removed":
        return [SubnetDelete(subnet=name, scope=scope, by=by)]
    facts = facts_of(entry)
    wire = str(entry.values["wire"])
    if difference.what == "added":
        values = facts.model_dump(exclude={"id", "default_wire", "revision"})
        return [SubnetCreate(**values, wire=wire, by=by)]
    orders: list[AllocatorCommand] = []
    changes = _changes(difference, entry, facts.model_dump(exclude_none=True))
    if changes:
        orders.append(SubnetUpdate.model_validate({"subnet": name, "scope": scope, "by": by, **changes}))
    if "wire" in difference.fields:
        orders.append(SubnetMove(subnet=name, scope=scope, wire=wire, by=by))
    return orders


def _changes(difference: Difference, entry: Entry, facts: dict[str, Any]) -> dict[str, Any]:
    named = [name for name in difference.fields if name != "wire"]
    clear = tuple(name for name in named if name in _CLEARABLE and name not in entry.values)
    changes = {name: facts[name] for name in named if name not in clear}
    return {**changes, **({"clear": clear} if clear else {})}
