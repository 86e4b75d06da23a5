"""One line for each event about what operators state of addresses: fixed for a port, or shared by several."""

from __future__ import annotations

from services.cli.rendering.sentences import sentence
from shared.events.address_sharing import AddressShared, AddressUnshared
from shared.events.vm_nics import FixedPort, VmNicsFixed, VmNicsUnfixed


@sentence.register
def _(event: VmNicsFixed) -> str:
    return f"{event.by} fixed {event.vm_name}: {'; '.join(_fixed(port) for port in event.ports)}"


@sentence.register
def _(event: VmNicsUnfixed) -> str:
    return f"{event.by} took back for {event.vm_name}: {'; '.join(_unfixed(port) for port in event.ports)}"


@sentence.register
def _(event: AddressShared) -> str:
    note = f": {event.note}" if event.note else ""
    return f"{event.address} may be on several ports, says {event.by}{note}"


@sentence.register
def _(event: AddressUnshared) -> str:
    return f"{event.address} belongs to one port again, says {event.by}"


def _fixed(port: FixedPort) -> str:
    return f"{port.label} {', '.join(str(one.address) for one in port.addresses)}"


def _unfixed(port: FixedPort) -> str:
    return f"{port.label} {', '.join(str(address) for address in port.before)}"
