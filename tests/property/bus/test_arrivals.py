"""Our decoder of deliveries against the client library's own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp.commands import Basic

from shared.bus.rabbitmq_arrivals import Arrived, Arriving, Malformed
from shared.bus.rabbitmq_wire import FRAME, HEADER
from tests.property.bus import frames
from tests.property.bus.frames import BODIES, PROPERTIES, SHORT, content, deliver, properties, read, written

DELIVERS = st.builds(
    deliver,
    st.integers(0, 2**63 - 1),
    SHORT.filter(lambda tag: tag != ""),
    exchange=st.sampled_from(["", "patchbay", "amq.topic"]),
    key=SHORT,
    again=st.booleans(),
)


def arrived(raw: list[bytes]) -> Arrived:
    """The message that these frames bring."""
    head, *others = raw
    arriving = Arriving(head)
    for frame in others:
        assert not arriving.is_complete
        arriving.add(FRAME.unpack_from(frame)[0], frame)
    assert arriving.is_complete
    return arriving.message()


@given(DELIVERS, PROPERTIES, BODIES)
@example(deliver(1, "c"), properties(headers={"raw": "ü"}), [])
@example(deliver(1, "c"), properties(headers={}), [b"x"])
async def test_a_delivery_is_what_the_library_makes_of_it(
    head: Basic.Deliver, made: Basic.Properties, pieces: list[bytes]
) -> None:
    raw = written(content(head, made, pieces), channel=3)
    by_library = (await read(b"".join(raw))).deliveries[3, head.consumer_tag or ""]
    assert [arrived(raw)] == by_library


async def test_a_header_that_is_no_text_is_bytes_to_both() -> None:
    raw = written(content(deliver(1, "c"), properties(headers={"raw": "abcd"}), []), channel=1)
    raw[1] = raw[1].replace(b"abcd", b"\xff\xfe\xfd\xfc")
    assert arrived(raw).headers == {"raw": b"\xff\xfe\xfd\xfc"}
    assert [arrived(raw)] == (await read(b"".join(raw))).deliveries[1, "c"]


async def test_a_time_in_milliseconds_is_a_time_to_both() -> None:
    raw = written(
        content(deliver(1, "c"), properties(timestamp=datetime.fromtimestamp(1, UTC)), []), channel=1
    )
    raw[1] = raw[1].replace(b"\x00" * 7 + b"\x01", (1_700_000_000_123).to_bytes(8, "big"))
    assert arrived(raw).properties["timestamp"].year == 2023
    assert [arrived(raw)] == (await read(b"".join(raw))).deliveries[1, "c"]


@given(PROPERTIES, st.data())
def test_a_header_that_is_cut_short_is_malformed(made: Basic.Properties, data: st.DataObject) -> None:
    head, header = written(content(deliver(1, "c"), made, []), channel=1)
    left = data.draw(st.integers(frames.FIXED, len(header) - 2))
    arriving = Arriving(head)
    with pytest.raises(Malformed):
        arriving.add(HEADER, header[:left] + header[-1:])
    assert not arriving.is_complete
