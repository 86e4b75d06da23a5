"""Commands and requests over the bus, and the answers to them."""

from __future__ import annotations

import getpass
import platform
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.cli.outcome import Misused, Refused
from services.cli.version import version
from shared.bus.port import Bus, NoReply, Unroutable
from shared.events.base import Event
from shared.events.codec import decode
from shared.events.commands import CommandReplied
from shared.events.envelope import Envelope, wrap
from shared.events.topology import (
    ALLOCATOR_COMMANDS,
    COLLECTOR_COMMANDS,
    PLACEMENT_REQUESTS,
    TOPOLOGY,
)
from shared.runtime.publishing import message_of

SOURCE = "cli"
PATIENCE = timedelta(seconds=15)


@dataclass(frozen=True)
class Addressee:
    """Who answers a family of commands: the service's name and the queue it reads them from."""

    service: str
    queue: str


_ADDRESSEES = (
    ("command.subnet.", Addressee("allocator", ALLOCATOR_COMMANDS)),
    ("command.wire.", Addressee("allocator", ALLOCATOR_COMMANDS)),
    ("command.address.", Addressee("allocator", ALLOCATOR_COMMANDS)),
    ("command.vm.", Addressee("allocator", ALLOCATOR_COMMANDS)),
    ("command.reservation.", Addressee("placement", PLACEMENT_REQUESTS)),
    ("vm.create.requested", Addressee("placement", PLACEMENT_REQUESTS)),
    ("vm.create.batch.requested", Addressee("placement", PLACEMENT_REQUESTS)),
    ("command.vcenter.", Addressee("collector", COLLECTOR_COMMANDS)),
)


def addressee_of(event: Event) -> Addressee:
    """Who answers `event`. Raises KeyError for what is no command."""
    for prefix, addressee in _ADDRESSEES:
        if event.TYPE.startswith(prefix):
            return addressee
    raise KeyError(event.TYPE)


def operator() -> str:
    """The name of who types, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def origin() -> str:
    """Program, account and machine, for the record: "patchbay/1.0 anna@admin-1"."""
    return f"patchbay/{version()} {operator()}@{platform.node() or 'unknown'}"


async def ask(bus: Bus, event: Event, *, patience: timedelta = PATIENCE) -> Envelope[Event]:
    """Send `event` to the service that answers it and wait for the answer.

    Raises `Misused` when that service does not run (then nothing was sent) or does not answer in time.
    """
    addressee = addressee_of(event)
    await bus.declare(TOPOLOGY)
    if (await bus.state(addressee.queue)).consumers == 0:
        raise _nobody(addressee, "so nothing was sent.")
    request = wrap(event, source=SOURCE, time=datetime.now(UTC), origin=origin())
    try:
        reply = await bus.request(message_of(request), patience)
    except NoReply:
        raise _nobody(
            addressee, f"no answer within {patience.total_seconds():.0f} s; it may still be carried out."
        ) from None
    except Unroutable as error:
        raise Misused(str(error)) from None
    return decode(reply.body)


async def order(bus: Bus, command: Event, *, patience: timedelta = PATIENCE) -> dict[str, Any]:
    """Carry out a command; its result. Raises `Refused` with the complaint."""
    answer = (await ask(bus, command, patience=patience)).data
    if not isinstance(answer, CommandReplied):
        raise Misused(f"{command.TYPE} was answered with {answer.TYPE}; are all services of one release?")
    if answer.complaint is not None:
        raise Refused(answer.complaint.message, data={"error": answer.complaint})
    return answer.result or {}


def _nobody(addressee: Addressee, what: str) -> Misused:
    return Misused(
        f"{addressee.service} does not answer: {what}"
        if "no answer" in what
        else f"no {addressee.service} is running, {what}",
        hint=f"Start it with: patchbay run {addressee.service}   (or all services: patchbay run)",
    )
