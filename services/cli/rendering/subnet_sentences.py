"""One line for each event about subnets that changed their shape, and about reserved addresses."""

from __future__ import annotations

from services.cli.rendering.sentences import sentence
from shared.events import reserved, subnet_changes


def span(first: str, last: str) -> str:
    """A range as people write it: a single address is one."""
    return first if first == last else f"{first} - {last}"


@sentence.register
def _(event: subnet_changes.SubnetSplitUp) -> str:
    parts = ", ".join(f"{part.name} {part.prefix}" for part in event.parts)
    return f"{event.before.name} {event.before.prefix} is now {event.subnet.prefix}; {parts}"


@sentence.register
def _(event: subnet_changes.SubnetMerged) -> str:
    gone = ", ".join(f"{one.name} {one.prefix}" for one in event.merged)
    return f"{event.subnet.name} is now {event.subnet.prefix}, with {gone}"


@sentence.register
def _(event: subnet_changes.SubnetMoved) -> str:
    return f"{event.subnet.name} {event.subnet.prefix} to wire {event.subnet.default_wire}"


@sentence.register
def _(event: reserved.AddressReserved) -> str:
    until = f" until {event.until.astimezone():%Y-%m-%d %H:%M}" if event.until else ""
    return f"{span(event.first, event.last)} kept out of use{until}" + (
        f": {event.note}" if event.note else ""
    )


@sentence.register
def _(event: reserved.AddressUnreserved) -> str:
    return f"{span(event.first, event.last)} {event.why}"


@sentence.register
def _(event: reserved.AddressBound | reserved.AddressUnbound) -> str:
    word = "for" if isinstance(event, reserved.AddressBound) else "no longer for"
    return f"{event.address} {word} {event.mac}" + (f": {event.note}" if event.note else "")
