"""A small inventory, and placement over it with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.placement.handlers import Handlers
from services.placement.settings import PlacementSettings
from shared.bus.port import Delivery, Message
from shared.events.base import Event
from shared.events.codec import decode
from shared.events.envelope import Envelope, wrap
from shared.events.placement import (
    NicRequest,
    VmCreatePlaced,
    VmCreateRefused,
    VmCreateRequested,
)
from shared.runtime.consuming import Received
from shared.runtime.publishing import message_of
from shared.store.pool import Pool
from tests.integration.placement.inventory import START, Inventory


@pytest.fixture
async def inventory(pool: Pool) -> Inventory:
    """A vCenter with two hosts that see one port group."""
    made = Inventory(pool)
    await made.vcenter()
    await made.host(1)
    await made.host(2)
    return made


@dataclass
class Placement:
    """Handlers fed with envelopes, and what came of it, read from the outbox."""

    pool: Pool
    settings: PlacementSettings = field(default_factory=PlacementSettings)
    now: datetime = START

    def __post_init__(self) -> None:
        self.handlers = Handlers(self.pool, self.settings, clock=lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def ask(self, *requests: Event, reply_to: str | None = "answers") -> list[Event]:
        """Publish requests or commands in one batch; the replies, in order."""
        before = await self._newest()
        await self.handlers.requests([self.received(request, reply_to) for request in requests])
        return [event for event, _ in await self.sent(after=before, to_queue=True)]

    async def place(self, request: VmCreateRequested) -> VmCreatePlaced:
        [answer] = await self.ask(request)
        assert isinstance(answer, VmCreatePlaced), answer
        return answer

    async def refuse(self, request: VmCreateRequested) -> VmCreateRefused:
        [answer] = await self.ask(request)
        assert isinstance(answer, VmCreateRefused), answer
        return answer

    async def show(self, *facts: Event) -> list[Event]:
        """Hand over facts in one batch; the events that came of it."""
        before = await self._newest()
        await self.handlers.facts([self.received(fact, None) for fact in facts])
        return [event for event, _ in await self.sent(after=before)]

    async def expire(self) -> list[Event]:
        """Let what is due expire; the events that came of it."""
        before = await self._newest()
        await self.handlers.expire()
        return [event for event, _ in await self.sent(after=before)]

    def received(self, event: Event, reply_to: str | None) -> Received:
        envelope = wrap(event, source="test", time=self.now)
        plain = message_of(envelope)
        message = Message(
            body=plain.body,
            routing_key=plain.routing_key,
            message_id=plain.message_id,
            reply_to=reply_to,
            correlation_id=f"c-{envelope.id}" if reply_to else None,
        )
        return Received(envelope, Delivery(message, "placement.requests", 1, 1))

    async def sent(self, *, after: int = 0, to_queue: bool = False) -> list[tuple[Event, Any]]:
        """Events in the outbox, each with its row."""
        rows = await self.pool.fetch(
            "SELECT * FROM bus.outbox WHERE id > $1 AND to_queue = $2 ORDER BY id", after, to_queue
        )
        envelopes: Sequence[Envelope[Event]] = [decode(row["body"]) for row in rows]
        return [(envelope.data, row) for envelope, row in zip(envelopes, rows, strict=True)]

    async def _newest(self) -> int:
        return int(await self.pool.fetchval("SELECT coalesce(max(id), 0) FROM bus.outbox"))


@pytest.fixture
def placement(pool: Pool) -> Placement:
    return Placement(pool)


def request(*nics: NicRequest, **values: Any) -> VmCreateRequested:
    """A request for a small VM on net-1, under an id of its own."""
    defaults: dict[str, Any] = {
        "request_id": str(uuid4()),
        "name": f"web-{uuid4().hex[:6]}",
        "cpus": 1,
        "memory_mb": 1024,
        "nics": nics or (NicRequest(subnet="net-1"),),
    }
    return VmCreateRequested(**(defaults | values))


async def held(pool: Pool) -> list[tuple[str, str]]:
    """The ledger: every address with the kind of its holder."""
    rows = await pool.fetch("SELECT address, holder_kind FROM ipam.address ORDER BY address")
    return [(str(row["address"]), row["holder_kind"]) for row in rows]
