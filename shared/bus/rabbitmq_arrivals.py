"""Messages as they arrive from RabbitMQ, out of the frames that brought them.

The client library decodes a delivery field by field into four objects, with a copy of what is left behind
each; this reads the frames once. A test holds the result to that of the library's own decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from struct import Struct, error
from typing import NamedTuple, TypedDict, cast

from aiormq.abc import DeliveredMessage
from pamqp import decode
from pamqp.commands import Basic
from pamqp.common import FieldTable, FieldValue

from shared.bus.rabbitmq_wire import BODY, HEADER, OVERHEAD, PAYLOAD_AT

Malformed = (ValueError, IndexError, error, OverflowError, OSError, RecursionError)
"""What `Arriving` raises for frames that it can't make sense of."""


class Properties(TypedDict, total=False):
    """AMQP's properties of a message; those it was published without are missing."""

    content_type: str
    content_encoding: str
    headers: FieldTable
    delivery_mode: int
    priority: int
    correlation_id: str
    reply_to: str
    expiration: str
    message_id: str
    timestamp: datetime
    message_type: str
    user_id: str
    app_id: str


class Arrived(NamedTuple):
    """A message that the broker handed us. `tag` is what settles it on the channel it came by."""

    tag: int
    redelivered: bool
    routing_key: str
    properties: Properties
    body: bytes

    @property
    def headers(self) -> FieldTable:
        """All headers, the broker's too."""
        return self.properties.get("headers", {})


class Arriving:
    """A message that is being delivered, frame by frame. Keeps the frames as they came.

    Frames that make no sense, or not here, raise one of `Malformed`.
    """

    __slots__ = ("_properties", "_redelivered", "_routing_key", "_tag", "frames", "missing")

    def __init__(self, deliver: bytes) -> None:
        """`deliver`: the frame of the Basic.Deliver that it begins with."""
        self.frames = [deliver]
        self.missing: int | None = None
        """Bytes of the body that have not come; None until the header has told how many there are."""
        at = _after_consumer(deliver)
        self._tag, self._redelivered = _TAG.unpack_from(deliver, at)
        _, at = _short(deliver, at + _TAG.size)
        self._routing_key, at = _short(deliver, at)
        _check_end(deliver, at)

    def add(self, kind: int, frame: bytes) -> None:
        """The next frame on the same channel."""
        if kind != (HEADER if self.missing is None else BODY):
            raise ValueError(f"a frame of kind {kind} amid a delivery")
        if self.missing is None:
            (size,) = _SIZE.unpack_from(frame, _SIZE_AT)
            self._properties = _properties(frame)
            self.missing = size
        else:
            self.missing -= len(frame) - OVERHEAD
        self.frames.append(frame)

    @property
    def is_complete(self) -> bool:
        """Whether the whole body is there."""
        return self.missing is not None and self.missing <= 0

    def message(self) -> Arrived:
        """The message; to be called when it is complete."""
        _, _, *bodies = self.frames
        body = b"".join([each[PAYLOAD_AT:-1] for each in bodies])
        return Arrived(self._tag, bool(self._redelivered & 1), self._routing_key, self._properties, body)


def consumer_of(deliver: bytes) -> bytes:
    """The tag of the consumer that a Basic.Deliver is for, or something else if the frame makes no sense."""
    return deliver[_CONSUMER_AT + 1 : _after_consumer(deliver)]


def _after_consumer(deliver: bytes) -> int:
    return _CONSUMER_AT + 1 + deliver[_CONSUMER_AT]


def arrived_by_library(delivered: DeliveredMessage) -> Arrived:
    """The same out of what the client library has made of it. Raises TypeError for what was not delivered."""
    delivery = delivered.delivery
    if not isinstance(delivery, Basic.Deliver | Basic.GetOk) or delivery.delivery_tag is None:
        raise TypeError(f"{delivery!r} is no delivery")
    set_ones = {name: value for name, value in delivered.header.properties if value is not None}
    set_ones.pop("cluster_id", None)  # AMQP has taken it back
    return Arrived(
        delivery.delivery_tag,
        bool(delivery.redelivered),
        delivery.routing_key or "",
        cast("Properties", set_ones),
        delivered.body,
    )


_CONSUMER_AT = PAYLOAD_AT + 4
_TAG = Struct(">qB")
_SIZE = Struct(">Q")
_SIZE_AT = PAYLOAD_AT + 4
_FLAGS = Struct(">H")
_LONG = Struct(">I")
_NUMBER = Struct(">q")
_FLAGS_AT = PAYLOAD_AT + 12
_FLAGS_OF_NOTHING = 0b111
"""No property has these: the lowest says that more flags follow, and the third one AMQP has taken back."""
_TEXT_KIND, _NUMBER_KIND = b"Sl"

_Read = Callable[[bytes, int], tuple[FieldValue, int]]
"""Reads a value at an offset, and says where the next one begins."""


def _properties(header: bytes) -> Properties:
    (flags,) = _FLAGS.unpack_from(header, _FLAGS_AT)
    found: dict[str, FieldValue] = {}
    at = _FLAGS_AT + _FLAGS.size
    for name, read in _announced(flags):
        found[name], at = read(header, at)
    _check_end(header, at)
    return cast("Properties", found)


@lru_cache(maxsize=256)
def _announced(flags: int) -> tuple[tuple[str, _Read], ...]:
    """The properties that a header with these flags has, in their order."""
    if flags & _FLAGS_OF_NOTHING:
        raise ValueError(f"flags {flags:#x}")
    names = Basic.Properties.attributes()
    return tuple(
        (name, _READ[Basic.Properties.amqp_type(name)])
        for name in names
        if flags & Basic.Properties.flags[name]
    )


def _check_end(frame: bytes, at: int) -> None:
    """Fields end where their frame does: then none of them was cut short."""
    if at != len(frame) - 1:
        raise ValueError(f"fields end at {at} in a frame of {len(frame)} bytes")


def _short(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


def _octet(data: bytes, at: int) -> tuple[int, int]:
    return data[at], at + 1


def _timestamp(data: bytes, at: int) -> tuple[datetime, int]:
    return _time(data[at : at + 8]), at + 8


@lru_cache(maxsize=16)
def _time(raw: bytes) -> datetime:
    # Messages of one second have the same.
    return decode.timestamp(raw)[1]


def _table(data: bytes, at: int) -> tuple[FieldTable, int]:
    (length,) = _LONG.unpack_from(data, at)
    at += 4
    end = at + length
    table: FieldTable = {}
    while at < end:
        name, at = _short(data, at)
        table[name], at = _value(data, at)
    if at != end:
        raise ValueError(f"a table ends at {at} instead of {end}")
    return table, end


def _value(data: bytes, at: int) -> tuple[FieldValue, int]:
    """Texts and numbers as headers mostly have them; the library knows the rest."""
    kind = data[at]
    if kind == _NUMBER_KIND:
        return _NUMBER.unpack_from(data, at + 1)[0], at + 9
    if kind == _TEXT_KIND:
        start = at + 5
        until = start + _LONG.unpack_from(data, at + 1)[0]
        raw = data[start:until]
        try:
            return raw.decode(), until
        except UnicodeDecodeError:
            return raw, until
    used, value = decode.embedded_value(data[at:-1])
    return value, at + used


_READ: dict[str, _Read] = {"shortstr": _short, "octet": _octet, "timestamp": _timestamp, "table": _table}
