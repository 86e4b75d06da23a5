"""Reading the log, a RabbitMQ stream, over AMQP 0-9-1, where it has no end that could be asked for.

The broker does not say where a stream ends, and the length it reports is a metric, collected now and then.
So who reads puts a mark into the log (type `patchbay.log.end`, without a body) and reads up to it. Marks are
left out of what is handed on; other readers of the stream must pass over them. Silence is not taken for the
end: a slow broker would cut a rebuild short without anybody noticing.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shared.bus.port import BusLost, LogEntry, LogStart, Message, PublishFailed, Unroutable
from shared.bus.rabbitmq_arrivals import Arrived
from shared.bus.rabbitmq_connection import Link, broker_errors
from shared.bus.rabbitmq_consumer import open_inbox
from shared.bus.rabbitmq_messages import message_of, offset_of, published_at
from shared.bus.rabbitmq_publishing import RabbitPublisher
from shared.events.topology import LOG

MARK_TYPE = "patchbay.log.end"
PREFETCH = 1000
SKEW = timedelta(minutes=1)
"""The broker finds a time by its own clock, entries carry the publisher's. This much they may differ."""

PATIENCE = 12
"""Attempts in a row, five seconds apart at most, to reach a broker that went away."""

_Spec = str | int | datetime


class _Read(NamedTuple):
    offset: int
    arrived: Arrived

    @property
    def mark(self) -> str | None:
        properties = self.arrived.properties
        return properties.get("message_id") if properties.get("message_type") == MARK_TYPE else None


class LogReader:
    """Reads the log for one process; each read has a channel of its own."""

    def __init__(self, link: Link, publisher: RabbitPublisher) -> None:
        self._link = link
        self._publisher = publisher

    async def read(self, start: LogStart, *, follow: bool) -> AsyncGenerator[LogEntry]:
        """See the port. After a lost connection it goes on behind the last entry handed out."""
        spec: _Spec = start
        if start == "next" and not follow:
            return
        if start == "last":
            last, end = await self._last()
            if last is not None:
                yield _entry(last, None)
            if not follow:
                return
            spec = end + 1
        elif isinstance(start, int):
            _, end = await self._latest_and_end("last")
            if start > end and not follow:
                return
            spec = min(start, end + 1)  # the broker would refuse one beyond the end
        elif isinstance(start, datetime):
            spec = start - SKEW
        time: datetime | None = None
        async with aclosing(self._reads(spec, endless=follow)) as reads:
            async for read in reads:
                if read.mark is not None:
                    continue
                entry = _entry(read, time)
                time = entry.time
                if not _too_early(entry, start):
                    yield entry

    async def _last(self) -> tuple[_Read | None, int]:
        """The last entry, and the offset of the end."""
        latest, end = await self._latest_and_end("last")
        back = 16
        while latest is None and back < 4 * end:
            # The broker's last chunk holds marks alone, those of earlier readers.
            latest, _ = await self._latest_and_end(max(0, end - back))
            back *= 4
        return latest, end

    async def _latest_and_end(self, spec: _Spec) -> tuple[_Read | None, int]:
        latest, end = None, -1
        async with aclosing(self._reads(spec, endless=False)) as reads:
            async for read in reads:
                end = read.offset
                if read.mark is None:
                    latest = read
        return latest, end

    async def _reads(self, spec: _Spec, *, endless: bool) -> AsyncGenerator[_Read]:
        """Entries and marks from `spec`, up to our own mark unless `endless`. Survives lost connections."""
        after: int | None = None
        marks: set[str] = set()
        failures = 0
        while True:
            try:
                place = spec if after is None else after + 1
                async with aclosing(self._attached(place, marks)) as reads:
                    async for read in reads:
                        failures = 0
                        if after is not None and read.offset <= after:
                            continue
                        after = read.offset
                        yield read
                        if not endless and read.mark in marks:
                            return
            except (BusLost, PublishFailed) as error:
                failures += 1
                if failures > PATIENCE:
                    raise BusLost(f"the log can't be read: {error}") from error
                await asyncio.sleep(min(5.0, 0.1 * 2**failures))

    async def _attached(self, spec: _Spec, marks: set[str]) -> AsyncGenerator[_Read]:
        channel = await self._link.open_channel()
        async with open_inbox(channel, LOG, PREFETCH, {"x-stream-offset": spec}) as inbox:
            # The broker answers before it has found the place. It has when it answers the next call.
            async with broker_errors("reading the log"):
                await channel.set_qos(prefetch_count=PREFETCH)
            # Behind the place we attached at, so that we are sure to see it; and a follower of the "next"
            # ones learns by it where to go on after a lost connection.
            marks.add(await self._put_mark())
            while True:
                batch = await inbox.batch(PREFETCH)
                for arrived in batch:
                    yield _Read(offset_of(arrived), arrived)
                await inbox.ack(batch[-1].tag, multiple=True)

    async def _put_mark(self) -> str:
        mark = Message(body=b"", routing_key=LOG, message_id=str(uuid.uuid4()), type=MARK_TYPE)
        try:
            await self._publisher.publish("", [mark])
        except Unroutable as error:
            raise BusLost("the log is not there (yet)") from error
        return mark.message_id


def _entry(read: _Read, previous: datetime | None) -> LogEntry:
    # A foreign publisher may not have said when; it was not before the entry in front of it.
    time = published_at(read.arrived) or previous or datetime.now(UTC)
    return LogEntry(read.offset, time, message_of(read.arrived))


def _too_early(entry: LogEntry, start: LogStart) -> bool:
    """The broker starts with a whole chunk of entries; those before the start are not asked for."""
    if isinstance(start, datetime):
        return entry.time < start
    return isinstance(start, int) and entry.offset < start
