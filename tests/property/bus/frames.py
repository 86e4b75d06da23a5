"""Frames of a broker, made and read by the client library's own encoder and decoder."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.connection import FrameReceiver
from aiormq.exceptions import AMQPConnectionError, AMQPError
from hypothesis import strategies as st
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.common import FieldValue
from pamqp.frame import FrameTypes, marshal
from pamqp.header import ContentHeader

from shared.bus.rabbitmq_arrivals import Arrived, arrived_by_library

ANY = st.characters(codec="utf-8")
SHORT = st.text(ANY, max_size=60)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0)
)
SINGLES: st.SearchStrategy[FieldValue] = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(ANY, max_size=80),
    st.binary(max_size=20).map(bytearray),
    TIMES,
    st.floats(width=32, allow_nan=False),
    st.decimals(0, 1000, places=2),
    st.none(),
)
VALUES: st.SearchStrategy[FieldValue] = st.recursive(
    SINGLES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3),
    max_leaves=6,
)
DEATHS: st.SearchStrategy[FieldValue] = st.lists(
    st.builds(
        lambda queue, count, time, keys: {"queue": queue, "count": count, "time": time, "routing-keys": keys},
        SHORT,
        st.integers(1, 9),
        TIMES,
        st.lists(SHORT, max_size=2),
    ),
    max_size=2,
)
HEADERS = st.dictionaries(SHORT, VALUES, max_size=4) | st.fixed_dictionaries(
    {},
    optional={
        "x-death": DEATHS,
        "x-delivery-count": st.integers(0, 2**40),
        "x-stream-offset": st.integers(2**33, 2**60),
        "timestamp_in_ms": st.integers(2**40, 2**42),
    },
)
FIXED = 19
"""Bytes of a header frame in front of the flags of its properties."""
SOME = st.none() | SHORT
OCTETS = st.none() | st.integers(0, 255)


def properties(**given: object) -> Basic.Properties:
    """As a publisher may set them; the library's own constructor would insist on sensible values."""
    made = Basic.Properties()
    for name, value in given.items():
        setattr(made, name, value)
    return made


PROPERTIES = st.builds(
    properties,
    content_type=SOME,
    content_encoding=SOME,
    headers=st.none() | HEADERS,
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=OCTETS,
    correlation_id=SOME,
    reply_to=SOME,
    expiration=SOME,
    message_id=SOME,
    timestamp=st.none() | TIMES,
    message_type=SOME,
    user_id=SOME,
    app_id=SOME,
)
BODIES = st.lists(st.binary(min_size=1, max_size=12), max_size=3)
"""In pieces, one for each frame."""


def deliver(
    tag: int, consumer: str, *, exchange: str = "patchbay", key: str = "k", again: bool = False
) -> Basic.Deliver:
    """The frame that begins a delivery."""
    return Basic.Deliver(consumer, tag, again, exchange, key)


def content(head: Frame, made: Basic.Properties, pieces: list[bytes]) -> list[FrameTypes]:
    """Its frames."""
    header = ContentHeader(properties=made, body_size=sum(map(len, pieces)))
    return [head, header, *map(ContentBody, pieces)]


def written(frames: list[FrameTypes], channel: int) -> list[bytes]:
    """As bytes, each by itself."""
    return [marshal(frame, channel) for frame in frames]


@dataclass
class Read:
    """What the library makes of what it reads."""

    deliveries: dict[tuple[int, str], list[Arrived]] = field(default_factory=lambda: defaultdict(list))
    """By channel and consumer."""
    others: list[tuple[int, str]] = field(default_factory=list)
    """Other frames: channel and name."""
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Channels that end: for whom the message was, and the frame that should not have come amid it."""
    error: str = ""
    """Why the connection ends, if not for the end of the bytes."""


async def read(data: bytes) -> Read:
    """By the library's own frame reader. Contents are put together as its channel does it."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    result, begun = Read(), dict[int, list[FrameTypes]]()
    try:
        async for _, channel, frame in FrameReceiver(reader):
            if channel not in result.refused:
                _receive(result, begun, channel, frame)
    except AMQPConnectionError:
        pass  # the end of the bytes
    except (AMQPError, ArithmeticError, LookupError, OSError, ValueError) as error:
        result.error = re.sub(r"0x[0-9a-f]{8,}", "0x…", f"{type(error).__name__}: {error}")
    return result


def _receive(result: Read, begun: dict[int, list[FrameTypes]], channel: int, frame: FrameTypes) -> None:
    frames = begun.get(channel)
    if frames is None:
        if isinstance(frame, Basic.Deliver):
            begun[channel] = [frame]
        else:
            result.others.append((channel, frame.name))
        return
    if not isinstance(frame, ContentHeader if len(frames) == 1 else ContentBody):
        result.refused[channel] = (str(getattr(frames[0], "consumer_tag", "")), frame.name)
        return
    frames.append(frame)
    head, header, *bodies = frames
    body = b"".join(each.value for each in bodies if isinstance(each, ContentBody))
    assert isinstance(head, Basic.Deliver)
    assert isinstance(header, ContentHeader)
    if len(body) >= header.body_size:
        del begun[channel]
        message = DeliveredMessage(head, header, body, channel=cast("Channel", None))
        result.deliveries[channel, head.consumer_tag or ""].append(arrived_by_library(message))
