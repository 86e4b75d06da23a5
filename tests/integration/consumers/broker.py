"""A broker with Patchbay's topology, somebody who publishes as Patchbay does, and users with given rights."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aio_pika

from shared.bus.port import PublishFailed
from shared.bus.rabbitmq import RabbitBus, connect
from shared.events.base import Event
from shared.events.codec import decode
from shared.events.envelope import Envelope, wrap
from shared.events.nic import NicCreated, NicFacts, NicReleased, NicUpdated
from shared.events.topology import TOPOLOGY
from shared.events.vcenter import VcenterHeartbeat
from shared.model.identifiers import derive
from shared.runtime.publishing import message_of
from tests.contract.events.examples import golden_messages
from tests.servers.rabbitmq import PrivateRabbit

Rights = tuple[str, str, str]
"""configure, write, read."""


def make_user(broker: PrivateRabbit, url: str, rights: Rights, topics: tuple[str, str] | None = None) -> str:
    """The URL of a user with these rights on the URL's virtual host; `topics` are write and read."""
    parts = urlsplit(url)
    vhost, name = parts.path.lstrip("/"), f"user-{secrets.token_hex(4)}"
    broker.control("add_user", name, "pw")
    broker.control("set_permissions", "-p", vhost, name, *rights)
    if topics is not None:
        broker.control("set_topic_permissions", "-p", vhost, name, "patchbay", *topics)
    return f"amqp://{name}:pw@{parts.hostname}:{parts.port}/{vhost}"


async def bind_queue(url: str, name: str, *patterns: str) -> None:
    """A durable queue, as an administrator makes it for a consumer."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        for pattern in patterns:
            await queue.bind("patchbay", pattern)


@dataclass
class Allocator:
    """Says what becomes of NICs, and remembers what a table should hold."""

    url: str
    expected: dict[str, Any] = field(default_factory=dict)
    said: list[Envelope[Event]] = field(default_factory=list)
    sequence: int = 0

    async def open(self) -> RabbitBus:
        bus = await connect(self.url, name="allocator")
        await bus.declare(TOPOLOGY)
        return bus

    def created(self, name: str) -> Envelope[Event]:
        nic = self._nic(name)
        return self._say(NicCreated(nic=nic, since=self._golden.time), nic)

    def renamed(self, name: str, vm_name: str) -> Envelope[Event]:
        before = self._nic(name)
        nic = before.model_copy(update={"vm_name": vm_name})
        return self._say(NicUpdated(nic=nic, before=before, since=self._golden.time), nic)

    def released(self, name: str) -> Envelope[Event]:
        nic = self._nic(name)
        return self._say(
            NicReleased(nic=nic, since=self._golden.time, reason="vm_removed"), None, str(nic.id)
        )

    def alive(self) -> Envelope[Event]:
        self.sequence += 1
        golden = decode(json.dumps(golden_messages()["vcenter.heartbeat.v1"]).encode())
        assert isinstance(golden.data, VcenterHeartbeat)
        beat = golden.data.model_copy(update={"sequence": self.sequence})
        return wrap(beat, source="collector", time=golden.time)

    def again(self, index: int, *, replayed: bool = False) -> Envelope[Event]:
        """An event that was said before, with the same id."""
        old = self.said[index]
        return old.model_copy(update={"replayed": "test"}) if replayed else old

    async def publish(self, *envelopes: Envelope[Event]) -> None:
        """Until confirmed, however often that takes: then some may be there twice."""
        while True:
            try:
                bus = await self.open()
                try:
                    await bus.publish([message_of(envelope) for envelope in envelopes])
                    return
                finally:
                    await bus.close()
            except (PublishFailed, OSError, ConnectionError):
                await asyncio.sleep(0.3)

    @property
    def _golden(self) -> Envelope[Event]:
        return decode(json.dumps(golden_messages()["nic.created.v1"]).encode())

    def _nic(self, name: str) -> NicFacts:
        golden = self._golden.data
        assert isinstance(golden, NicCreated)
        return golden.nic.model_copy(update={"id": derive("test-nic", name), "vm_name": name})

    def _say(self, event: Event, nic: NicFacts | None, gone: str | None = None) -> Envelope[Event]:
        envelope: Envelope[Event] = wrap(event, source="allocator", time=self._golden.time)
        self.said.append(envelope)
        if nic is not None:
            self.expected[str(nic.id)] = nic.model_dump(mode="json", exclude_none=True)
        elif gone is not None:
            self.expected.pop(gone, None)
        return envelope
