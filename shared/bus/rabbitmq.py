"""The bus on RabbitMQ 3.10 to 4.x.

In: an AMQP URL. Out: the promises of the port by quorum queues, a stream and publisher confirms. Two
connections, because a broker that is short of memory stops those that publish and must not stop those that
acknowledge. Both are made again on their next use after they were lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from aiormq.exceptions import ChannelNotFoundEntity

from shared.bus import rabbitmq_dead_letters, rabbitmq_topology
from shared.bus.obstacles import Obstacles
from shared.bus.port import Consumer, DeadLetter, LogEntry, LogStart, Message, NoReply, QueueState
from shared.bus.rabbitmq_address import BrokerAddress
from shared.bus.rabbitmq_connection import Link, broker_errors, close_channel, is_unknown
from shared.bus.rabbitmq_consumer import RabbitConsumer, open_inbox
from shared.bus.rabbitmq_log import LogReader
from shared.bus.rabbitmq_probing import probe
from shared.bus.rabbitmq_publishing import RabbitPublisher
from shared.bus.requests import Requests
from shared.events.topology import DEAD_LETTER_EXCHANGE, EXCHANGE, LOG, Topology


async def connect(url: str, *, name: str) -> RabbitBus:
    """The bus at this URL; `name` shows in the broker's list of connections. Close it: `await bus.close()`.

    Raises `BusLost` when the broker can't be reached now, `PermanentError` when it refuses us.
    """
    bus = RabbitBus(url, name)
    try:
        await bus.open()
    except BaseException:
        await bus.close()
        raise
    return bus


class RabbitBus:
    """See `shared.bus.port.Bus`."""

    def __init__(self, url: str, name: str) -> None:
        self._obstacles = Obstacles()
        address = BrokerAddress.of(url)
        self._group_size = address.group_size
        self._to_publish = Link(address, f"{name} publish", self._obstacles)
        self._to_consume = Link(address, f"{name} consume")
        self._publisher = RabbitPublisher(self._to_publish, self._durable_queues, self._obstacles)
        self._log = LogReader(self._to_consume, self._publisher)
        self._requests = Requests(lambda: self._temporary((), 1000), self.publish)
        self._topology = Topology(EXCHANGE, DEAD_LETTER_EXCHANGE)

    async def open(self) -> None:
        """Connect now, to know now whether it works."""
        await self._to_publish.connection()
        await self._to_consume.connection()

    async def declare(self, topology: Topology) -> None:
        self._topology = topology
        await rabbitmq_topology.declare(self._to_consume, topology, self._group_size)

    async def publish(self, messages: Sequence[Message], *, to_queue: bool = False) -> None:
        await self._publisher.publish("" if to_queue else self._topology.exchange, messages)

    @asynccontextmanager
    async def consume(self, queue: str, *, prefetch: int = 1000) -> AsyncIterator[Consumer]:
        channel = await self._to_consume.open_channel()
        async with open_inbox(channel, queue, prefetch) as inbox:
            yield RabbitConsumer(inbox, queue, self._publisher, self._dead_letter_exchange(queue))

    @asynccontextmanager
    async def subscribe(self, bindings: Sequence[str], *, prefetch: int = 1000) -> AsyncIterator[Consumer]:
        async with self._temporary(bindings, prefetch) as (_, consumer):
            yield consumer

    async def request(self, message: Message, timeout: timedelta) -> Message:  # noqa: ASYNC109  see the port
        try:
            return await self._requests.request(message, timeout)
        except NoReply as error:
            if (reason := self._obstacles.reason) is not None:
                raise NoReply(f"{error}: {reason}") from error
            raise

    def read_log(self, start: LogStart, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        return self._log.read(start, follow=follow)

    def dead_letters(self) -> AsyncIterator[DeadLetter]:
        return rabbitmq_dead_letters.browse(self._to_consume)

    async def state(self, queue: str) -> QueueState:
        async with self._to_consume.channel() as channel, broker_errors(f"asking about {queue}"):
            underlay = await channel.get_underlay_channel()
            try:
                declared = await underlay.queue_declare(queue, passive=True)
            except ChannelNotFoundEntity as error:
                if not is_unknown(error):
                    raise
                raise KeyError(f"queue {queue!r} is not declared") from None
            return QueueState(declared.message_count or 0, declared.consumer_count or 0)

    def on_obstacle(self, told: Callable[[str | None], None]) -> None:
        self._obstacles.watch(told)

    async def obstacle(self) -> str | None:
        return await probe(self._to_publish, self._obstacles)

    async def close(self) -> None:
        await self._requests.close()
        await self._publisher.close()
        await self._to_publish.close()
        await self._to_consume.close()

    @asynccontextmanager
    async def _temporary(self, bindings: Sequence[str], prefetch: int) -> AsyncIterator[tuple[str, Consumer]]:
        channel = await self._to_consume.open_channel()
        try:
            async with broker_errors("making a temporary queue"):
                # Exclusive: gone with our connection. Auto-delete: gone with its consumer.
                queue = await channel.declare_queue(exclusive=True, auto_delete=True)
                for pattern in bindings:
                    await queue.bind(self._topology.exchange, pattern)
        except BaseException:
            await close_channel(channel)
            raise
        async with open_inbox(channel, queue.name, prefetch) as inbox:
            exchange = self._topology.dead_letter_exchange
            yield queue.name, RabbitConsumer(inbox, queue.name, self._publisher, exchange)

    def _durable_queues(self) -> set[str]:
        # The log also for who publishes without having declared anything.
        return {LOG, *(queue.name for queue in self._topology.queues)}

    def _dead_letter_exchange(self, queue: str) -> str:
        known = {each.name: each.dead_letter for each in self._topology.queues}
        return known.get(queue) or self._topology.dead_letter_exchange
