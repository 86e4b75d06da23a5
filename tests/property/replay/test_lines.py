"""A message is the same after a file; a replay's marks change nothing but themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.port import LogEntry, Message
from shared.events.topology import ALLOCATOR_FACTS, COLLECTOR_COMMANDS, TOPOLOGY
from shared.replay.lines import BadLine, entry_of, line_of
from shared.replay.places import SKEW, EventId, Stretch, place_of
from shared.replay.rules import KEY_HEADER, REPLAY_HEADER, admits, asks, marked

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
words = st.text(st.characters(codec="utf-8"), max_size=12)
objects = st.dictionaries(words, st.one_of(words, st.integers(), st.floats(allow_nan=False), st.none()))
bodies = st.one_of(
    st.binary(max_size=40),
    objects.map(lambda value: json.dumps(value).encode()),
    objects.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()),
    objects.map(lambda value: b'{"specversion":"1.0",' + json.dumps({"data": value}).encode()[1:]),
)
messages = st.builds(
    Message,
    body=bodies,
    routing_key=words,
    message_id=words,
    type=words,
    subject=words,
    content_type=words.filter(bool),
    correlation_id=st.none() | words.filter(bool),
    reply_to=st.none() | words.filter(bool),
    headers=st.dictionaries(words, st.one_of(words, st.integers(), st.booleans())),
)
entries = st.builds(
    LogEntry,
    offset=st.integers(0, 2**62),
    time=st.datetimes(timezones=st.just(UTC)),
    message=messages,
)


@given(entry=entries)
def test_a_line_holds_a_message_byte_for_byte(entry: LogEntry) -> None:
    line = line_of(entry)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert entry_of(line) == entry


@given(line=st.binary(max_size=80))
def test_any_other_line_is_refused_with_a_reason(line: bytes) -> None:
    with pytest.raises(BadLine) as caught:
        entry_of(line)
    assert str(caught.value)


@given(entry=entries)
def test_a_mark_is_an_addition(entry: LogEntry) -> None:
    message = marked(entry, "mine", "r1")
    assert (message.message_id, message.type, message.subject) == (
        entry.message.message_id,
        entry.message.type,
        entry.message.subject,
    )
    assert message.routing_key == "mine"
    assert message.headers[REPLAY_HEADER] == "r1"
    assert message.headers[KEY_HEADER] == entry.message.headers.get(KEY_HEADER, entry.message.routing_key)
    if message.body != entry.message.body:
        said = json.loads(message.body)
        assert said.pop("replayed") == "r1"
        assert said == json.loads(entry.message.body)


@given(
    name=st.sampled_from(
        ["nic.created", "command.subnet.create", "command.replied", "vm.create.requested", "vm.create.placed"]
    ),
    queue=st.sampled_from([*(each.name for each in TOPOLOGY.queues), "mine"]),
    with_commands=st.booleans(),
)
def test_what_asks_is_sent_only_when_asked_for(name: str, queue: str, with_commands: bool) -> None:
    message = Message(b"{}", f"{name}.-.-", "1", type=name)
    if admits(queue, with_commands=with_commands)(message) and not with_commands:
        assert not asks(name)
        assert name not in {"command.subnet.create", "vm.create.requested"}


def test_a_service_s_queue_takes_what_it_is_bound_to_also_a_second_time() -> None:
    fact = Message(b"{}", "inventory.vm.changed.a.-", "1", type="inventory.vm.changed")
    again = Message(b"{}", "mine", "1", type=fact.type, headers={KEY_HEADER: fact.routing_key})
    takes = admits(ALLOCATOR_FACTS, with_commands=False)
    assert takes(fact)
    assert takes(again)
    assert not admits(COLLECTOR_COMMANDS, with_commands=True)(fact)
    assert admits("mine", with_commands=False)(fact)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("first", "first"),
        ("last", "last"),
        ("17", 17),
        ("10m", NOW - timedelta(minutes=10)),
        ("75cb471f-c63c-5703-ac89-351eed7ce675", EventId("75cb471f-c63c-5703-ac89-351eed7ce675")),
        (
            "75cb471f-c63c-5703-ac89-351eed7ce675:reply",
            EventId("75cb471f-c63c-5703-ac89-351eed7ce675:reply"),
        ),
        ("id:17", EventId("17")),
    ],
)
def test_places_as_people_name_them(text: str, place: object) -> None:
    assert place_of(text, _moment) == place


@pytest.mark.parametrize("text", ["", "middle", "id:", "next"])
def test_a_place_that_is_none_says_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="first, last, an offset"):
        place_of(text, _moment)


@given(
    offset=st.integers(0, 50), minutes=st.integers(-5, 5), first=st.integers(0, 50), last=st.integers(0, 50)
)
def test_nothing_of_a_stretch_comes_behind_its_end(offset: int, minutes: int, first: int, last: int) -> None:
    stretch = Stretch(first, last, until=NOW)
    entry = LogEntry(offset, NOW + timedelta(minutes=minutes), Message(b"", "", ""))
    assert not (stretch.holds(entry) and stretch.is_behind(entry))
    if not stretch.is_behind(entry):
        assert entry.offset <= last
        assert entry.time <= NOW + SKEW


def _moment(text: str) -> datetime:
    if text != "10m":
        raise ValueError(text)
    return NOW - timedelta(minutes=10)
