"""What operators state for ports: which port each address is meant for, and what all decisions come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.events.commands import PortFix
from shared.model.mac import canonical_mac
from shared.runtime.errors import PermanentError


class Device(NamedTuple):
    """A VM's network device, as operators may call it."""

    key: int
    label: str
    mac: str | None


class Fixed(NamedTuple):
    """An address stated for a port, with the subnet it was found in."""

    address: str
    scope: UUID
    subnet: UUID


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator stated for one port: all of its fixed addresses from then on. None: it is unfixed."""

    at: datetime
    id: UUID
    by: str
    fixed: tuple[Fixed, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """An address and the last decision that stated it; `ended_at` is when a later one took it back."""

    fixed: Fixed
    at: datetime
    by: str
    ended_at: datetime | None = None


def stand(decisions: Iterable[Decision]) -> dict[str, Statement]:
    """What all decisions about one port come to, by address; the same in whatever order they are heard."""
    statements: dict[str, Statement] = {}
    for decision in sorted(decisions, key=lambda d: (d.at, d.id)):
        now = {fixed.address: fixed for fixed in decision.fixed}
        for address, known in statements.items():
            if address not in now and known.ended_at is None:
                statements[address] = Statement(known.fixed, known.at, known.by, decision.at)
        for address, fixed in now.items():
            statements[address] = Statement(fixed, decision.at, decision.by)
    return statements


def assign_ports(ports: Sequence[Device], fixes: Sequence[PortFix]) -> list[tuple[Device, str]]:
    """Each of `fixes` with its port.

    `ports` are in the order of their keys. A fix names its port by key, MAC or label; one that names none
    means the next port in order that no other fix names. Families count apart: the first IPv4 and the first
    IPv6 address are both the first port's. Raises `PermanentError` port_unknown, port_ambiguous,
    too_many_addresses, address_twice.
    """
    twice = {f.address for f in fixes if sum(f.address == g.address for g in fixes) > 1}
    if twice:
        raise PermanentError(f"{min(twice)} is stated twice", code="address_twice")
    named = {i: name_port(ports, fix.port) for i, fix in enumerate(fixes) if fix.port is not None}
    taken = {port.key for port in named.values()}
    rest = [p for p in ports if p.key not in taken]
    in_order = {family: iter(rest) for family in (4, 6)}
    assigned = []
    for i, fix in enumerate(fixes):
        port = named[i] if i in named else next(in_order[6 if ":" in fix.address else 4], None)
        if port is None:
            raise PermanentError(
                f"{fix.address} has no port left: the VM has {len(ports)}: {listed(ports)}",
                code="too_many_addresses",
                hint=f"name the port if it is to have several addresses: --nic KEY={fix.address}",
            )
        assigned.append((port, fix.address))
    return assigned


def name_port(ports: Sequence[Device], name: str) -> Device:
    """The port that `name` means: device key, MAC or label. Raises as `assign_ports` does."""
    tests = (
        lambda p: str(p.key) == name,
        lambda p: p.mac is not None and p.mac == _mac(name),
        lambda p: p.label.lower() == name.lower(),
    )
    for test in tests:
        found = [p for p in ports if test(p)]
        if len(found) > 1:
            raise PermanentError(
                f"{len(found)} ports are called {name!r}: {listed(found)}",
                code="port_ambiguous",
                hint="name one by its device key",
            )
        if found:
            return found[0]
    raise PermanentError(f"the VM has no port {name!r}; it has {listed(ports)}", code="port_unknown")


def listed(ports: Sequence[Device]) -> str:
    """The ports, for people."""
    return ", ".join(f"{p.key} ({p.label}, {p.mac or 'no MAC'})" for p in ports)


def _mac(text: str) -> str | None:
    try:
        return canonical_mac(text)
    except ValueError:
        return None
