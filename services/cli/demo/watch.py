"""Keeps the picture up to date: events as they are heard, the rest read from the database twice a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.allocator.queries import SubnetRow, WireRow
from services.cli.demo.picture import EventLine, Picture, SubnetLine, VcenterLine, WireLine
from services.cli.demo.reading import Reading
from services.cli.demo.stage import VCENTER, Stage
from services.cli.demo.steps import Step
from services.cli.rendering.inventory import vlan_of
from services.cli.rendering.sentences import sentence
from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.runtime.errors import TransientError

SHOWN = ("nic.", "subnet.wire.", "address.conflict.")
KEPT = 200
EVERY_SECONDS = 0.5


@dataclass
class Watch:
    """A picture that follows a stage; `redraw` is called after each change of it."""

    stage: Stage
    reading: Reading
    redraw: Callable[[Picture], None]
    picture: Picture = field(default_factory=Picture)

    def on_event(self, envelope: Envelope[Event]) -> None:
        """Take in what the witness heard."""
        if not envelope.type.startswith(SHOWN):
            return
        self.picture.events.append(EventLine(envelope.time, envelope.type, sentence(envelope.data)))
        del self.picture.events[:-KEPT]

    def on_step(self, step: Step) -> None:
        """Show which step is taken, and a step that failed."""
        if step.seconds and not step.ok:
            self.picture.doing = f"FAILED: {step.name}: {step.found}"
        else:
            self.picture.doing = f"{step.name}: {step.found or step.expected}"
        self.redraw(self.picture)

    async def follow(self) -> None:
        """Read and redraw until cancelled."""
        while True:
            try:
                await self._read()
            except TransientError as error:
                self.picture.doing = f"cannot read: {error}"
            self.redraw(self.picture)
            await asyncio.sleep(EVERY_SECONDS)

    async def _read(self) -> None:
        picture, reading = self.picture, self.reading
        picture.vcenter = await self._vcenter()
        picture.wires = tuple(_wire(row) for row in await reading.wires())
        picture.subnets = tuple(_subnet(row) for row in await reading.subnets())
        picture.nic_records = len({row.id for row in await reading.nics()})
        picture.unmatched = len(await reading.unmatched())
        picture.placements = self.stage.placements
        book = self.stage.witness.latency
        picture.latency_p50, picture.latency_p99 = book.quantile(0.5), book.quantile(0.99)

    async def _vcenter(self) -> VcenterLine | None:
        row = await self.reading.vcenter(VCENTER)
        if row is None:
            return None
        return VcenterLine(row.name, row.state, row.epoch, row.vms, row.hosts, row.lag_seconds)


def _wire(row: WireRow) -> WireLine:
    names = (role.subnet_name if role.role == "default" else f"+{role.subnet_name}" for role in row.subnets)
    return WireLine(row.name, vlan_of(row.vlan), row.ports, tuple(names))


def _subnet(row: SubnetRow) -> SubnetLine:
    default, more = (
        row.wires[0].wire_name,
        (role.wire_name for role in row.wires[1:] if role.role != "denied"),
    )
    facts, use = row.facts, row.use
    return SubnetLine(facts.name, facts.prefix, use.capacity, use.used, default, tuple(more))
