"""Users of the bus: a bare AMQP client on RabbitMQ, and one of the embedded bus. Both hear everything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol
from uuid import uuid4

import aio_pika

from shared.bus.connecting import connect_bus
from shared.bus.port import Bus, Message
from tests.end_to_end.messages import CONTENT_TYPE, cloud_event

EventBody = dict[str, Any]
PATIENCE = 60.0


class Ears:
    """Everything heard since the client came, in order."""

    def __init__(self) -> None:
        self.heard: list[EventBody] = []
        self._news = asyncio.Condition()

    async def hear(self, body: bytes) -> None:
        """Take in one message."""
        async with self._news:
            self.heard.append(json.loads(body))
            self._news.notify_all()

    async def wait_for(
        self, kind: str, fits: Callable[[EventBody], bool] = lambda _: True, *, within: float = PATIENCE
    ) -> EventBody:
        """The first event of type `kind` that fits, heard already or to come."""

        def find() -> EventBody | None:
            return next((e for e in self.heard if e["type"] == kind and fits(e)), None)

        try:
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(lambda: find() is not None)
        except TimeoutError:
            kinds = sorted({e["type"] for e in self.heard})
            raise AssertionError(f"no fitting {kind} within {within} s; heard of: {kinds}") from None
        found = find()
        assert found is not None
        return found


class Client(Protocol):
    """Somebody on the bus."""

    @property
    def ears(self) -> Ears: ...

    async def ask(self, kind: str, subject: str, data: dict[str, Any]) -> EventBody:
        """Publish a request with `reply_to` and return the answer's body."""
        ...


class AmqpClient:
    """Plain aio-pika, nothing of ours but the names of the exchange and the types."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self._channel = channel
        self.ears = Ears()

    async def listen(self) -> None:
        """Bind a queue of our own to everything."""
        queue = await self._channel.declare_queue(exclusive=True)
        await queue.bind("patchbay", "#")

        async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await self.ears.hear(message.body)

        await queue.consume(on_message, no_ack=True)

    async def ask(self, kind: str, subject: str, data: dict[str, Any]) -> EventBody:
        replies = await self._channel.declare_queue(exclusive=True, auto_delete=True)
        answer: asyncio.Future[aio_pika.abc.AbstractIncomingMessage] = (
            asyncio.get_running_loop().create_future()
        )

        async def on_reply(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            if not answer.done():
                answer.set_result(message)

        await replies.consume(on_reply, no_ack=True)
        correlation = str(uuid4())
        exchange = await self._channel.get_exchange("patchbay", ensure=False)
        await exchange.publish(
            aio_pika.Message(
                json.dumps(cloud_event(kind, subject, data)).encode(),
                content_type=CONTENT_TYPE,
                correlation_id=correlation,
                reply_to=replies.name,
            ),
            routing_key=f"{kind}.-.-",
        )
        message = await asyncio.wait_for(answer, PATIENCE)
        assert message.correlation_id == correlation
        return dict(json.loads(message.body))


@asynccontextmanager
async def amqp_client(url: str) -> AsyncIterator[AmqpClient]:
    """A bare AMQP client that hears everything; the services must have declared the exchange."""
    connection = await aio_pika.connect(url)
    async with connection:
        client = AmqpClient(await connection.channel())
        await client.listen()
        yield client


class EmbeddedClient:
    """The same on the embedded bus, which only this code base speaks."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.ears = Ears()

    async def listen(self, ready: asyncio.Event) -> None:
        """Hear everything until cancelled."""
        async with self._bus.subscribe(["#"]) as consumer:
            ready.set()
            while True:
                batch = await consumer.batch(100)
                for delivery in batch:
                    await self.ears.hear(delivery.message.body)
                await consumer.ack(batch[-1])

    async def ask(self, kind: str, subject: str, data: dict[str, Any]) -> EventBody:
        event = cloud_event(kind, subject, data)
        message = Message(
            body=json.dumps(event).encode(),
            routing_key=f"{kind}.-.-",
            message_id=event["id"],
            type=kind,
            subject=subject,
            content_type=CONTENT_TYPE,
        )
        reply = await self._bus.request(message, timedelta(seconds=PATIENCE))
        return dict(json.loads(reply.body))


@asynccontextmanager
async def embedded_client(database_url: str) -> AsyncIterator[EmbeddedClient]:
    """A client of the embedded bus in that database."""
    bus = await connect_bus(amqp_url=None, database_url=database_url, name="end-to-end")
    try:
        client = EmbeddedClient(bus)
        ready = asyncio.Event()
        listening = asyncio.create_task(client.listen(ready))
        await asyncio.wait_for(ready.wait(), PATIENCE)
        yield client
        listening.cancel()
    finally:
        await bus.close()
