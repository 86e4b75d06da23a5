"""What a connection to RabbitMQ receives, sorted: deliveries to our consumers, and all the rest.

In: bytes, cut anywhere. Out: messages to those who take them, in the broker's order; and the bytes of all
other frames, in theirs, for the client library. Pure. Anything that is not as it should be goes to the
library with all that belongs to it, so that what happens then is what the library does about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from struct import Struct

from shared.bus.rabbitmq_arrivals import Arrived, Malformed, arrived
from shared.bus.rabbitmq_wire import BODY, END, FRAME, HEADER, HEARTBEAT, METHOD, OVERHEAD, PAYLOAD_AT

Taker = Callable[[Arrived], None]
"""Is called in the order of the deliveries. It must neither wait nor raise."""

_Key = tuple[int, bytes]
"""A channel's number and a consumer's tag."""

_DELIVER = b"\x00\x3c\x00\x3c"
"""Class 60, method 60."""
_TAG_AT = PAYLOAD_AT + 4
_BODY_SIZE = Struct(">Q")
_BODY_SIZE_AT = PAYLOAD_AT + 4
_KINDS = frozenset((METHOD, HEADER, BODY, HEARTBEAT))


class Takers:
    """Who takes which deliveries of one connection."""

    def __init__(self) -> None:
        self._by_key: dict[_Key, Taker] = {}
        self._tags = count(1)

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def add(self, channel: int, taker: Taker) -> str:
        """A tag for a consumer on that channel; to be called before the broker is told of it."""
        tag = f"patchbay-{next(self._tags)}"
        self._by_key[channel, tag.encode()] = taker
        return tag

    def of(self, key: _Key) -> Taker | None:
        """Who takes deliveries with that key, if not the library."""
        return self._by_key.get(key)

    def leave(self, key: _Key) -> None:
        """Have the library take them from now on."""
        self._by_key.pop(key, None)

    def remove(self, taker: Taker) -> None:
        """Nothing comes for this one any more."""
        for key in [key for key, each in self._by_key.items() if each == taker]:
            del self._by_key[key]


class _Content:
    """A delivery that is not complete yet."""

    __slots__ = ("frames", "key", "missing", "taker")

    def __init__(self, key: _Key, taker: Taker, deliver: bytes) -> None:
        self.key = key
        self.taker = taker
        self.frames = [deliver]
        self.missing: int | None = None
        """Bytes of the body; None until the header has come."""

    def add(self, kind: int, frame: bytes) -> bool:
        """False when another frame should have come."""
        if self.missing is None:
            if kind != HEADER or len(frame) <= _BODY_SIZE_AT + _BODY_SIZE.size:
                return False
            (self.missing,) = _BODY_SIZE.unpack_from(frame, _BODY_SIZE_AT)
        elif kind == BODY:
            self.missing -= len(frame) - OVERHEAD
        else:
            return False
        self.frames.append(frame)
        return True


class Sorter:
    """Sorts what one connection receives."""

    def __init__(self, takers: Takers) -> None:
        self._takers = takers
        self._contents: dict[int, _Content] = {}
        """By channel."""
        self._rest = bytearray()
        self._enough = 0
        """Bytes that `_rest` must have before there is a frame in it."""
        self._broken = False

    def sort(self, data: bytes) -> bytes:
        """Hand out the messages that `data` completes; what the library is to read is returned."""
        if self._broken:
            return data
        if self._rest:
            self._rest += data
            if len(self._rest) < self._enough:
                return b""
            data = self.rest()
        others: list[bytes] = []
        at, until, enough = 0, len(data), OVERHEAD
        while until - at >= OVERHEAD:
            kind, channel, size = FRAME.unpack_from(data, at)
            enough = size + OVERHEAD
            if kind not in _KINDS:
                return b"".join((*others, *self._break(data[at:])))
            if until - at < enough:
                break
            frame = data[at : at + enough]
            if not frame.endswith(END) or not (size or kind == HEARTBEAT):
                return b"".join((*others, *self._break(data[at:])))
            others += self._sort(kind, channel, frame)
            at, enough = at + enough, OVERHEAD
        self._rest += data[at:]
        self._enough = enough
        return b"".join(others)

    def rest(self) -> bytes:
        """The beginning of a frame whose end has not come; it is forgotten."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def _sort(self, kind: int, channel: int, frame: bytes) -> Sequence[bytes]:
        content = self._contents.get(channel)
        if content is None:
            return () if self._begins(kind, channel, frame) else (frame,)
        if not content.add(kind, frame):
            return (*self._leave(channel, content), frame)
        if content.missing is None or content.missing > 0:
            return ()
        try:
            message = arrived(content.frames)
        except Malformed:
            return self._leave(channel, content)
        del self._contents[channel]
        content.taker(message)
        return ()

    def _begins(self, kind: int, channel: int, frame: bytes) -> bool:
        if kind != METHOD or not frame.startswith(_DELIVER, PAYLOAD_AT):
            return False
        key = (channel, frame[_TAG_AT + 1 : _TAG_AT + 1 + frame[_TAG_AT]])
        taker = self._takers.of(key)
        if taker is None:
            return False
        self._contents[channel] = _Content(key, taker, frame)
        return True

    def _leave(self, channel: int, content: _Content) -> list[bytes]:
        # With all that follow, or they would overtake this one: the library takes its time.
        del self._contents[channel]
        self._takers.leave(content.key)
        return content.frames

    def _break(self, data: bytes) -> Sequence[bytes]:
        """No frame begins here, and nobody could say where the next one does."""
        self._broken = True
        begun = [frame for content in self._contents.values() for frame in content.frames]
        self._contents.clear()
        return (*begun, data)
