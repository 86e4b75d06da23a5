"""Publishes as AMQP 0-9-1 writes them, many in one go.

The client library makes four objects and some sixty calls for each message; at the rate of a snapshot that
is more than all else a collector does. A test holds these bytes to those of the library's own encoder.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from struct import Struct

from pamqp.common import FieldTable
from pamqp.encode import encode_table_value

from shared.bus.port import Message
from shared.bus.rabbitmq_messages import (
    MILLISECONDS_HEADER,
    SHORT_BYTES,
    SUBJECT_HEADER,
    cut_short,
    is_mandatory,
    milliseconds,
)
from shared.bus.rabbitmq_wire import BODY, END, FRAME, HEADER, METHOD, ORDINARY, OVERHEAD

_CONTENT = Struct(">HHQH")
_LONG = Struct(">I")
_TIME = Struct(">Q")
_BASIC = 60
_PUBLISH = b"\x00\x3c\x00\x28\x00\x00"
"""Class 60, method 40, and a reserved field."""
_PERSISTENT = b"\x02"

_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE = 1 << 15, 1 << 13, 1 << 12
_CORRELATION, _REPLY_TO, _MESSAGE_ID, _TIMESTAMP, _TYPE = 1 << 10, 1 << 9, 1 << 7, 1 << 6, 1 << 5
_ALWAYS = _HEADERS | _DELIVERY_MODE | _TIMESTAMP
_TEXT = b"S"


def publishes(
    messages: Iterable[Message], exchange: str, now: datetime, *, channel: int, frame_max: int
) -> bytes:
    """The frames that publish `messages` persistently, one behind the other, on a channel's number.

    `frame_max` is the longest frame agreed on with the broker; 0: any. Raises ValueError for a routing key
    or an exchange of more than 255 bytes.
    """
    writer = _Writer(exchange, now, channel, (frame_max or ORDINARY) - OVERHEAD)
    for message in messages:
        writer.add(message)
    return b"".join(writer.parts)


class _Writer:
    """Collects frames. What is the same for all messages of a call is encoded once."""

    def __init__(self, exchange: str, now: datetime, channel: int, longest: int) -> None:
        self.parts: list[bytes] = []
        self._channel = channel
        self._longest = longest
        self._to = _PUBLISH + _exact(exchange)
        self._exchange = exchange
        self._in_milliseconds = milliseconds(now)
        self._stamp = _field(MILLISECONDS_HEADER, encode_table_value(self._in_milliseconds))
        self._seconds = _TIME.pack(int(now.timestamp()))
        self._shorts: dict[str, bytes] = {}

    def add(self, message: Message) -> None:
        key = _exact(message.routing_key)
        mandatory = is_mandatory(self._exchange, message.routing_key)
        flags, properties = self._properties(message)
        channel = self._channel
        self.parts += (
            FRAME.pack(METHOD, channel, len(self._to) + len(key) + 1),
            self._to,
            key,
            b"\x01\xce" if mandatory else b"\x00\xce",
            FRAME.pack(HEADER, channel, _CONTENT.size + len(properties)),
            _CONTENT.pack(_BASIC, 0, len(message.body), flags),
            properties,
            END,
        )
        body, longest = message.body, self._longest
        for start in range(0, len(body), longest):
            piece = body[start : start + longest]
            self.parts += (FRAME.pack(BODY, channel, len(piece)), piece, END)

    def _properties(self, message: Message) -> tuple[int, bytes]:
        """Flags, and the properties that they announce, in the protocol's order."""
        flags, parts = _ALWAYS, []
        if message.content_type:
            flags |= _CONTENT_TYPE
            parts.append(self._repeated(message.content_type))
        parts += (self._headers(message), _PERSISTENT)
        if message.correlation_id:
            flags |= _CORRELATION
            parts.append(_short(message.correlation_id))
        if message.reply_to:
            flags |= _REPLY_TO
            parts.append(_short(message.reply_to))
        if message.message_id:
            flags |= _MESSAGE_ID
            parts.append(_short(message.message_id))
        parts.append(self._seconds)
        if message.type:
            flags |= _TYPE
            parts.append(self._repeated(message.type))
        return flags, b"".join(parts)

    def _headers(self, message: Message) -> bytes:
        if message.headers:
            fields: FieldTable = {**message.headers, MILLISECONDS_HEADER: self._in_milliseconds}
            if message.subject:
                fields[SUBJECT_HEADER] = message.subject
            return encode_table_value(fields)[1:]
        # The library sorts fields by name, and so stands the subject first.
        table = self._stamp
        if message.subject:
            subject = message.subject.encode()
            table = _SUBJECT_START + _LONG.pack(len(subject)) + subject + table
        return _LONG.pack(len(table)) + table

    def _repeated(self, text: str) -> bytes:
        known = self._shorts.get(text)
        if known is None:
            known = self._shorts[text] = _short(text)
        return known


def _field(name: str, value: bytes) -> bytes:
    return _exact(name) + value


def _exact(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > SHORT_BYTES:
        raise ValueError(f"{text[:40]!r}… has {len(raw)} bytes; AMQP takes {SHORT_BYTES} for a name or key")
    return bytes((len(raw),)) + raw


def _short(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > SHORT_BYTES:
        raw = cut_short(text).encode()
    return bytes((len(raw),)) + raw


_SUBJECT_START = _field(SUBJECT_HEADER, _TEXT)
