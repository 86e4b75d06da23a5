"""What a connection to RabbitMQ receives, sorted: deliveries to our consumers, and all the rest.

In: bytes, cut anywhere. Out: messages to those who take them, in the broker's order; and the bytes of all
other frames, in theirs, for the client library. Pure. Anything that is not as it should be goes to the
library with all that belongs to it, so that what happens then is what the library does about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from shared.bus.rabbitmq_arrivals import Arrived, Arriving, Malformed, consumer_of
from shared.bus.rabbitmq_wire import BODY, END, FRAME, HEADER, HEARTBEAT, METHOD, OVERHEAD, PAYLOAD_AT

Taker = Callable[[Arrived], None]
"""Is called in the order of the deliveries. It must neither wait nor raise."""

_Key = tuple[int, bytes]
"""A channel's number and a consumer's tag."""

_DELIVER = b"\x00\x3c\x00\x3c"
"""Class 60, method 60."""
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
        """Have the library take them from now on: it takes its time, and we would overtake it."""
        self._by_key.pop(key, None)

    def remove(self, taker: Taker) -> None:
        """Nothing comes for this one any more."""
        for key in [key for key, each in self._by_key.items() if each == taker]:
            del self._by_key[key]


class Sorter:
    """Sorts what one connection receives."""

    def __init__(self, takers: Takers) -> None:
        self._takers = takers
        self._begun: dict[int, tuple[_Key, Taker, Arriving]] = {}
        """Deliveries that are not complete yet, by channel."""
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
            sane = kind in _KINDS and (size or kind == HEARTBEAT)
            frame = data[at : at + enough]
            if sane and len(frame) < enough:
                break
            if not sane or not frame.endswith(END):
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
        """What the library is to read of this frame and of those in front of it."""
        begun = self._begun.get(channel)
        if begun is None:
            return () if self._begins(kind, channel, frame) else (frame,)
        key, taker, arriving = begun
        try:
            arriving.add(kind, frame)
        except Malformed:
            del self._begun[channel]
            self._takers.leave(key)
            return (*arriving.frames, frame)
        if arriving.is_complete:
            del self._begun[channel]
            taker(arriving.message())
        return ()

    def _begins(self, kind: int, channel: int, frame: bytes) -> bool:
        """Whether a delivery begins that somebody takes."""
        if kind != METHOD or not frame.startswith(_DELIVER, PAYLOAD_AT):
            return False
        key = (channel, consumer_of(frame))
        taker = self._takers.of(key)
        if taker is None:
            return False
        try:
            self._begun[channel] = (key, taker, Arriving(frame))
        except Malformed:
            self._takers.leave(key)
            return False
        return True

    def _break(self, data: bytes) -> Sequence[bytes]:
        """No frame begins here, and nobody could say where the next one does."""
        self._broken = True
        kept = [frame for _, _, arriving in self._begun.values() for frame in arriving.frames]
        self._begun.clear()
        return (*kept, data)
