"""Our encoder of publishes against the client library's own, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiormq.abc import ChannelFrame
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.bus.port import Message
from shared.bus.rabbitmq_frames import publishes
from shared.bus.rabbitmq_messages import is_mandatory, properties_of
from shared.bus.rabbitmq_wire import ORDINARY, OVERHEAD

ANY = st.characters(codec="utf-8")
TEXT = st.text(ANY, max_size=300)
NAMES = st.text(ANY, max_size=60)
HEADERS = st.dictionaries(NAMES, st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT, max_size=4)
KEYS = NAMES | st.just("amq.rabbitmq.reply-to.abc")
MESSAGES = st.builds(
    Message,
    body=st.binary(max_size=100),
    routing_key=KEYS,
    message_id=st.text("0123456789abcdef-", min_size=1, max_size=300),
    type=TEXT,
    subject=TEXT,
    content_type=NAMES,
    correlation_id=st.none() | TEXT,
    reply_to=st.none() | NAMES,
    headers=HEADERS,
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def by_the_library(message: Message, exchange: str, now: datetime, channel: int, longest: int) -> bytes:
    """What aiormq writes for `basic_publish`."""
    publish = Basic.Publish(
        exchange=exchange,
        routing_key=message.routing_key,
        mandatory=is_mandatory(exchange, message.routing_key),
    )
    header = ContentHeader(properties=properties_of(message, now), body_size=len(message.body))
    pieces = (message.body[at : at + longest] for at in range(0, len(message.body), longest))
    return ChannelFrame.marshall(channel, [publish, header, *map(ContentBody, pieces)]).payload


@given(
    st.lists(MESSAGES, max_size=5),
    st.sampled_from(["", "patchbay"]),
    TIMES,
    st.integers(1, 2047),
    st.integers(20, 60),
)
def test_the_bytes_are_those_of_the_library(
    messages: list[Message], exchange: str, now: datetime, channel: int, longest: int
) -> None:
    ours = publishes(messages, exchange, now, channel=channel, frame_max=longest + OVERHEAD)
    assert ours == b"".join(by_the_library(each, exchange, now, channel, longest) for each in messages)


def test_a_key_that_is_too_long_is_refused_by_name() -> None:
    message = Message(body=b"", routing_key="k" * 256, message_id="m")
    with pytest.raises(ValueError, match=r"kkk.*256 bytes"):
        publishes([message], "patchbay", datetime.now(UTC), channel=1, frame_max=131072)


def test_a_broker_may_take_frames_of_any_length() -> None:
    message = Message(body=b"1" * 300_000, routing_key="k", message_id="m")
    now = datetime.now(UTC)
    any_length = publishes([message], "", now, channel=1, frame_max=0)
    assert any_length == publishes([message], "", now, channel=1, frame_max=ORDINARY)


@given(TIMES)
def test_the_time_is_the_same_for_all_of_a_window(now: datetime) -> None:
    message = Message(body=b"1", routing_key="k", message_id="m")
    two = publishes([message, message], "", now, channel=1, frame_max=131072)
    assert two[: len(two) // 2] == two[len(two) // 2 :]
    later = now + timedelta(seconds=1)
    assert publishes([message], "", later, channel=1, frame_max=131072) != two[: len(two) // 2]
