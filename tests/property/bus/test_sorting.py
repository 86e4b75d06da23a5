"""What is sorted out of a connection, and what is left for the client library, against the library alone."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic, Channel, Queue
from pamqp.frame import FrameTypes
from pamqp.heartbeat import Heartbeat

from shared.bus.rabbitmq_arrivals import Arrived
from shared.bus.rabbitmq_sorting import Sorter, Takers
from shared.bus.rabbitmq_wire import SIGN_OF_LIFE
from tests.property.bus.frames import BODIES, PROPERTIES, Read, content, deliver, properties, read, written

OURS = {1: "patchbay-1", 2: "patchbay-2"}
"""The consumers whose deliveries are taken, by channel."""
FOREIGN = "ctag1.abc"
Deliveries = dict[tuple[int, str], list[Arrived]]

CHANNELS = st.integers(1, 3)
DELIVERIES = st.builds(
    lambda tag, consumer, made, pieces: content(deliver(tag, consumer), made, pieces),
    st.integers(1, 2**40),
    st.sampled_from([*OURS.values(), FOREIGN]),
    PROPERTIES,
    BODIES,
)
RETURNS = st.builds(lambda pieces: content(Basic.Return(312, "", "", "k"), properties(), pieces), BODIES)
CALLS: st.SearchStrategy[list[FrameTypes]] = st.sampled_from(
    [[Basic.ConsumeOk("patchbay-1")], [Basic.Ack(7)], [Queue.DeclareOk("q", 1, 1)], [Channel.CloseOk()]]
)
TALKS = st.lists(st.tuples(CHANNELS, st.one_of(DELIVERIES, DELIVERIES, RETURNS, CALLS)), max_size=12)
CUTS = st.lists(st.floats(0, 1, exclude_max=True), max_size=20)


class Taken:
    """A sorter with takers of the deliveries to `OURS`."""

    def __init__(self) -> None:
        self.deliveries: Deliveries = defaultdict(list)
        takers = Takers()
        for channel, consumer in OURS.items():
            assert takers.add(channel, self.deliveries[channel, consumer].append) == consumer
        self.sorter = Sorter(takers)

    def sort(self, data: bytes, cuts: list[float]) -> bytes:
        """All of `data`, cut at these places; what is left for the library."""
        places = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
        pieces = [data[start:end] for start, end in pairwise(places)]
        return b"".join(map(self.sorter.sort, pieces)) + self.sorter.rest()

    def and_then(self, left: Read) -> Deliveries:
        """What came to each consumer, either way."""
        keys = {*self.deliveries, *left.deliveries}
        both = {key: self.deliveries.get(key, []) + left.deliveries.get(key, []) for key in keys}
        return {key: deliveries for key, deliveries in both.items() if deliveries}


def told(talks: list[tuple[int, list[FrameTypes]]], order: Random) -> bytes:
    """What a broker writes: the frames of each channel in their order, and signs of life among them."""
    waiting: dict[int, list[bytes]] = defaultdict(list)
    for channel, frames in talks:
        waiting[channel] += written(frames, channel)
    stream = []
    while waiting:
        channel = order.choice(sorted(waiting))
        stream.append(waiting[channel].pop(0))
        if not waiting[channel]:
            del waiting[channel]
        if order.random() < 0.1:
            stream += written([Heartbeat()], 0)
    return b"".join(stream)


@given(TALKS, st.randoms(use_true_random=False), CUTS)
async def test_deliveries_are_the_library_s_wherever_the_bytes_are_cut(
    talks: list[tuple[int, list[FrameTypes]]], order: Random, cuts: list[float]
) -> None:
    data = told(talks, order)
    alone, taken = await read(data), Taken()
    left = await read(taken.sort(data, cuts))
    assert taken.and_then(left) == alone.deliveries
    assert left.others == alone.others
    assert not any(key in left.deliveries for key in OURS.items())


@given(TALKS, st.randoms(use_true_random=False), CUTS, st.data())
async def test_what_is_broken_is_the_library_s_to_complain_of(
    talks: list[tuple[int, list[FrameTypes]]], order: Random, cuts: list[float], data: st.DataObject
) -> None:
    broken = bytearray(told(talks, order) or SIGN_OF_LIFE)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    alone, taken = await read(bytes(broken)), Taken()
    left = await read(taken.sort(bytes(broken), cuts))
    both = taken.and_then(left)
    assert left.error == alone.error
    for key, deliveries in alone.deliveries.items():
        # What comes behind an error, when the library alone reads no more, may have been taken already.
        assert both[key][: len(deliveries)] == deliveries
    if not alone.error:
        assert going_on(alone, both) == going_on(alone, alone.deliveries)
        assert [each for each in left.others if each[0] not in alone.refused] == [
            each for each in alone.others if each[0] not in alone.refused
        ]
        # What ends amid a message of ours ends so for the library, too.
        assert left.refused.items() >= {
            (channel, why) for channel, why in alone.refused.items() if why[0] == OURS.get(channel)
        }


def going_on(read: Read, deliveries: Deliveries) -> Deliveries:
    """Those by channels that do not end."""
    return {key: found for key, found in deliveries.items() if key[0] not in read.refused}


@given(st.binary(min_size=8, max_size=40))
async def test_what_is_not_amqp_goes_to_the_library_as_it_is(data: bytes) -> None:
    taken = Taken()
    assert taken.sort(b"HTTP/1.1 " + data, []) == b"HTTP/1.1 " + data
    assert Taken().sort(b"AMQP\x00\x00\x09\x01", []) == b"AMQP\x00\x00\x09\x01"


async def test_a_channel_that_is_closed_amid_a_delivery_hears_of_it() -> None:
    head, header, *_ = written(content(deliver(1, "patchbay-1"), properties(), [b"x"]), 1)
    (close,) = written([Channel.Close(406, "gone", 60, 80)], 1)
    taken = Taken()
    assert taken.sort(head + header + close, []) == head + header + close
    assert (await read(head + header + close)).refused == {1: ("patchbay-1", "Channel.Close")}


async def test_what_the_library_has_to_take_is_not_overtaken() -> None:
    """A header that only the library may understand: its consumer gets all that follows from it, too."""
    first, second = (content(deliver(tag, "patchbay-1"), properties(), []) for tag in (1, 2))
    head, header = written(first, 1)
    odd = header[:3] + (len(header) - 7).to_bytes(4, "big") + header[7:-1] + b"?" + header[-1:]
    data = head + odd + b"".join(written(second, 1))
    taken = Taken()
    left = taken.sort(data, [])
    assert left == data
    assert [each.tag for each in (await read(left)).deliveries[1, "patchbay-1"]] == [1, 2]


async def test_nothing_comes_for_who_has_left() -> None:
    takers, got = Takers(), list[Arrived]()
    consumer = takers.add(1, got.append)
    sorter = Sorter(takers)
    data = b"".join(written(content(deliver(1, consumer), properties(), [b"x"]), 1))
    assert sorter.sort(data) == b""
    takers.remove(got.append)
    assert sorter.sort(data) == data
    assert [each.body for each in got] == [b"x"]
