"""Keeps the picture up to date: events as they are heard, the rest read from the database twice a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.cli.demo.picture import EventLine, Picture, SubnetLine, VcenterLine, WireLine
from services.cli.demo.reading import Reading
from services.cli.demo.stage import VCENTER, Stage
from services.cli.demo.steps import Step
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
        wires, subnets, nics = await reading.wires(), await reading.subnets(), await reading.nics()
        names: dict[str, list[str]] = {}
        for subnet in subnets:
            names.setdefault(subnet.wire_name, []).append(subnet.name)
            for more in subnet.more_wires:
                names.setdefault(more, []).append(f"+{subnet.name}")
        picture.wires = tuple(WireLine(w.name, w.vlan, w.ports, tuple(names.get(w.name, ()))) for w in wires)
        picture.subnets = tuple(
            SubnetLine(s.name, s.prefix, s.capacity, s.taken, s.wire_name, s.more_wires) for s in subnets
        )
        picture.nic_records = len(nics)
        picture.unmatched = len(await reading.unmatched())
        picture.placements = self.stage.placements
        book = self.stage.witness.latency
        picture.latency_p50, picture.latency_p99 = book.quantile(0.5), book.quantile(0.99)

    async def _vcenter(self) -> VcenterLine | None:
        row = await self.reading.vcenter(VCENTER)
        if row is None:
            return None
        vms, hosts = len(await self.reading.vms()), await self.reading.host_count()
        return VcenterLine(row.name, row.state, row.epoch, vms, hosts, row.lag_seconds)
