"""Which port each stated address is meant for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.events.commands import PortFix
from shared.model.mac import canonical_mac
from shared.runtime.errors import PermanentError


class Device(NamedTuple):
    """A VM's network device, as operators may call it."""

    key: int
    label: str
    mac: str | None


def assign_ports(ports: Sequence[Device], fixes: Sequence[PortFix]) -> list[tuple[Device, str]]:
    """Each of `fixes` with its port.

    `ports` are in the order of their keys. A fix names its port by key, MAC or label; one that names none
    means the next port in order that no other fix means. Raises `PermanentError`
    port_unknown, port_ambiguous, too_many_addresses, address_twice.
    """
    twice = {f.address for f in fixes if sum(f.address == g.address for g in fixes) > 1}
    if twice:
        raise PermanentError(f"{min(twice)} is stated twice", code="address_twice")
    named = {i: _named(ports, fix.port) for i, fix in enumerate(fixes) if fix.port is not None}
    taken = {port.key for port in named.values()}
    rest = iter([p for p in ports if p.key not in taken])
    assigned = []
    for i, fix in enumerate(fixes):
        port = named[i] if i in named else next(rest, None)
        if port is None:
            raise PermanentError(
                f"{fix.address} has no port left: the VM has {len(ports)}: {_listed(ports)}",
                code="too_many_addresses",
                hint="name the port if it is to have several addresses",
            )
        assigned.append((port, fix.address))
    return assigned


def _named(ports: Sequence[Device], name: str) -> Device:
    tests = (
        lambda p: str(p.key) == name,
        lambda p: p.mac is not None and p.mac == _mac(name),
        lambda p: p.label.lower() == name.lower(),
    )
    for test in tests:
        found = [p for p in ports if test(p)]
        if len(found) > 1:
            raise PermanentError(
                f"{len(found)} ports are called {name!r}: {_listed(found)}",
                code="port_ambiguous",
                hint="name one by its device key",
            )
        if found:
            return found[0]
    raise PermanentError(f"the VM has no port {name!r}; it has {_listed(ports)}", code="port_unknown")


def _mac(text: str) -> str | None:
    try:
        return canonical_mac(text)
    except ValueError:
        return None


def _listed(ports: Sequence[Device]) -> str:
    return ", ".join(f"{p.key} ({p.label}, {p.mac or 'no MAC'})" for p in ports)
