"""The topology on RabbitMQ: arguments of queues, declaring them, and saying what differs."""

from __future__ import annotations

import re

from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.common import FieldTable

from shared.bus.port import TopologyMismatch
from shared.bus.rabbitmq_connection import Link, broker_errors
from shared.events.topology import Queue, Topology

UNLIMITED_DELIVERIES = 2_000_000_000
"""For queues without a delivery limit. Left out, 4.x would take 20 and then drop; 4.x reads -1 as "no limit",
but 3.10 would take it at its word."""

SEGMENT_BYTES = 100_000_000
"""A stream drops whole segments. The default of 500 MB would keep a quiet installation's events for years."""

_DIFFERS = re.compile(r"inequivalent arg '(?P<argument>[^']+)'[^:]*: (?P<how>.*)", re.DOTALL)


def arguments_of(queue: Queue) -> FieldTable:
    """The arguments to declare `queue` with: those that 3.10 knows and 4.x still knows.

    Raises ValueError for what the broker can't do.
    """
    if queue.kind == "stream":
        arguments: FieldTable = {
            "x-queue-type": "stream",
            "x-stream-max-segment-size-bytes": SEGMENT_BYTES,
        }
        if queue.max_age_hours is not None:
            arguments["x-max-age"] = f"{queue.max_age_hours}h"
        if queue.max_bytes is not None:
            arguments["x-max-length-bytes"] = queue.max_bytes
        return arguments
    if queue.max_age_hours is not None or queue.max_bytes is not None:
        raise ValueError(f"queue {queue.name!r}: only a stream has an age or a size")
    limit = UNLIMITED_DELIVERIES if queue.delivery_limit is None else queue.delivery_limit
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": limit}
    if queue.ordered:
        arguments["x-single-active-consumer"] = True
    if queue.dead_letter is not None:
        # The three belong together: at-least-once needs a queue that refuses rather than drops.
        arguments["x-dead-letter-exchange"] = queue.dead_letter
        arguments["x-dead-letter-strategy"] = "at-least-once"
        arguments["x-overflow"] = "reject-publish"
    return arguments


async def declare(link: Link, topology: Topology) -> None:
    """Make exchanges, queues and bindings. Raises `TopologyMismatch` at the first that differs."""
    exchanges = {
        topology.exchange,
        topology.dead_letter_exchange,
        *(queue.exchange for queue in topology.queues),
    }
    async with link.channel() as channel:
        for name in sorted(exchanges):
            await _declare_exchange(channel, name)
        for queue in topology.queues:
            await _declare_queue(channel, queue)


async def _declare_exchange(channel: AbstractChannel, name: str) -> None:
    async with broker_errors(f"declaring exchange {name}"):
        try:
            await channel.declare_exchange(name, "topic", durable=True)
        except ChannelPreconditionFailed as error:
            raise _mismatch("exchange", name, error) from None


async def _declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    async with broker_errors(f"declaring queue {queue.name}"):
        try:
            declared = await channel.declare_queue(queue.name, durable=True, arguments=arguments_of(queue))
        except ChannelPreconditionFailed as error:
            raise _mismatch("queue", queue.name, error) from None
        for pattern in queue.bindings:
            await declared.bind(queue.exchange, pattern)


def _mismatch(kind: str, name: str, error: ChannelPreconditionFailed) -> TopologyMismatch:
    found = _DIFFERS.search(str(error))
    what = f"with other {found['argument']}: {found['how']}" if found else f"with other arguments: {error}"
    remedy = "let it run empty, stop the services, " if kind == "queue" else "stop the services, "
    return TopologyMismatch(
        f"{kind} {name!r} exists {what}",
        code="topology_mismatch",
        hint=f"{remedy}delete it (management page, or rabbitmqadmin delete {kind} name={name}), start again",
    )
