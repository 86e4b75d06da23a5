"""The topology on RabbitMQ: arguments of queues, declaring them, and saying what differs."""

from __future__ import annotations

import re

from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.common import FieldTable

from shared.bus.port import TopologyMismatch
from shared.bus.rabbitmq_connection import Link, broker_errors
from shared.bus.rabbitmq_versions import UNLIMITED_DELIVERIES
from shared.events.topology import LOG, Queue, Topology

SEGMENT_BYTES = 100_000_000
"""A stream drops whole segments. The default of 500 MB would keep a quiet installation's events for years."""

GROUP_SIZES = ("x-quorum-initial-group-size", "x-initial-cluster-size")
_DIFFERS = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)'[^:]*: received (?P<wanted>.*?) but current is (?P<found>.*)",
    re.DOTALL,
)
_VALUE = re.compile(r"'(?P<value>[^']*)'")


def arguments_of(queue: Queue, group_size: int | None = None) -> FieldTable:
    """The arguments to declare `queue` with: those that 3.10 knows and 4.x still knows.

    `group_size`: nodes of a cluster that hold it; without it the broker decides. Raises ValueError for what
    the broker can't do.
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
        if group_size is not None:
            arguments["x-initial-cluster-size"] = group_size
        return arguments
    if queue.max_age_hours is not None or queue.max_bytes is not None:
        raise ValueError(f"queue {queue.name!r}: only a stream has an age or a size")
    limit = UNLIMITED_DELIVERIES if queue.delivery_limit is None else queue.delivery_limit
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": limit}
    if group_size is not None:
        arguments["x-quorum-initial-group-size"] = group_size
    if queue.ordered:
        arguments["x-single-active-consumer"] = True
    if queue.dead_letter is not None:
        # The three belong together: at-least-once needs a queue that refuses rather than drops.
        arguments["x-dead-letter-exchange"] = queue.dead_letter
        arguments["x-dead-letter-strategy"] = "at-least-once"
        arguments["x-overflow"] = "reject-publish"
    return arguments


async def declare(link: Link, topology: Topology, group_size: int | None = None) -> None:
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
            await _declare_queue(channel, queue, group_size)


async def _declare_exchange(channel: AbstractChannel, name: str) -> None:
    async with broker_errors(f"declaring exchange {name}"):
        try:
            await channel.declare_exchange(name, "topic", durable=True)
        except ChannelPreconditionFailed as error:
            raise _mismatch("exchange", name, error) from None


async def _declare_queue(channel: AbstractChannel, queue: Queue, group_size: int | None) -> None:
    async with broker_errors(f"declaring queue {queue.name}"):
        try:
            declared = await channel.declare_queue(
                queue.name, durable=True, arguments=arguments_of(queue, group_size)
            )
        except ChannelPreconditionFailed as error:
            raise _mismatch("queue", queue.name, error) from None
        for pattern in queue.bindings:
            await declared.bind(queue.exchange, pattern)


def _mismatch(kind: str, name: str, error: ChannelPreconditionFailed) -> TopologyMismatch:
    differs = _DIFFERS.search(str(error))
    if differs is None:
        what, argument = f"with other arguments: {error}", ""
    else:
        argument = differs["argument"]
        found, wanted = _value(differs["found"]), _value(differs["wanted"])
        what = f"with {argument} {found}; this release wants {wanted}"
    return TopologyMismatch(
        f"{kind} {name!r} exists {what}", code="topology_mismatch", hint=_remedy(kind, name, argument)
    )


def _value(said: str) -> str:
    value = _VALUE.search(said)
    return value["value"] if value else "none"


def _remedy(kind: str, name: str, argument: str) -> str:
    if argument in GROUP_SIZES:
        return (
            "PATCHBAY_AMQP__GROUP_SIZE holds for what is made anew: unset it, or set what is there;"
            f" to have {name} on more nodes use rabbitmq-queues add_member or rabbitmq-streams add_replica"
        )
    delete = f"delete it (management page, or rabbitmqadmin delete {kind} name={name}), start again"
    if kind == "exchange":
        return f"stop the services, {delete}; bindings of your own must be made again"
    if name == LOG:
        return f"it is the replay log, and what it holds goes with it: stop the services, {delete}"
    return f"let it run empty, stop the services, {delete}"
