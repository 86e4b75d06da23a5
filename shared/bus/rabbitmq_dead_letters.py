"""Looking at the dead-letter queue on RabbitMQ: everything is got, shown, and given back in its order."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic

from shared.bus.port import DeadLetter
from shared.bus.rabbitmq_arrivals import Arrived, arrived_by_library
from shared.bus.rabbitmq_connection import Link, broker_errors, is_unknown
from shared.bus.rabbitmq_messages import dead_letter_of
from shared.events.topology import DEAD_LETTER_QUEUE


async def browse(link: Link) -> AsyncIterator[DeadLetter]:
    """What waits in the dead-letter queue now, oldest first; nothing when there is no such queue.

    While it runs, others don't see what it has got already. The broker counts each look as a delivery, which
    is why that queue is declared without a limit on them.
    """
    async with link.channel() as channel:
        underlay, ready = await _open(channel)
        last = 0
        try:
            for _ in range(ready):
                arrived = await _get(underlay)
                if arrived is None:
                    break
                last = arrived.tag
                yield dead_letter_of(arrived)
        finally:
            if last and not channel.is_closed:
                async with broker_errors("giving dead letters back"):
                    await underlay.basic_nack(last, multiple=True, requeue=True)


async def _open(channel: AbstractChannel) -> tuple[UnderlayChannel, int]:
    async with broker_errors("looking at dead letters"):
        underlay = await channel.get_underlay_channel()
        try:
            declared = await underlay.queue_declare(DEAD_LETTER_QUEUE, passive=True)
        except ChannelNotFoundEntity as error:
            if not is_unknown(error):
                raise
            return underlay, 0
        return underlay, declared.message_count or 0


async def _get(underlay: UnderlayChannel) -> Arrived | None:
    async with broker_errors("looking at dead letters"):
        delivered = await underlay.basic_get(DEAD_LETTER_QUEUE)
    return arrived_by_library(delivered) if isinstance(delivered.delivery, Basic.GetOk) else None
