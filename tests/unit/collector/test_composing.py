"""What the collector writes by itself is, byte for byte in meaning, what the event library would write."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.collector.composing import Composer, time_text
from services.collector.domain.stamp import UNNUMBERED, Stamp
from services.collector.domain.wording import wording
from shared.events.base import Fact
from shared.events.codec import MAX_BODY_BYTES, Unreadable, decode
from shared.events.envelope import event_id, wrap
from shared.events.inventory import VmChanged
from shared.runtime.publishing import message_of

GOLDEN = Path(__file__).parents[2] / "contract" / "events" / "golden"
AT = datetime(2026, 11, 1, 8, 30, 15, 250_000, tzinfo=UTC)


def facts() -> list[Any]:
    golden = (decode(path.read_bytes()).data for path in sorted(GOLDEN.glob("*.json")))
    return [
        pytest.param(event, id=f"{event.TYPE}.v{event.VERSION}")
        for event in golden
        if isinstance(event, Fact)
    ]


@pytest.mark.parametrize("at", [AT, AT.replace(microsecond=0), AT + timedelta(microseconds=1)])
@pytest.mark.parametrize("fact", facts())
def test_a_composed_message_is_the_library_s_message(fact: Fact, at: datetime) -> None:
    stamp = Stamp(fact.vcenter, fact.epoch)
    numbered = fact.model_copy(update={"sequence": 4711})
    expected = message_of(
        wrap(
            numbered,
            source="collector",
            time=at,
            id=event_id(numbered, stamp.vcenter, stamp.epoch, 4711),
        )
    )
    unnumbered = fact.model_copy(update={"sequence": UNNUMBERED})
    words = wording(unnumbered, stamp)
    composed = Composer(stamp).message(unnumbered, words, sequence=4711, at=time_text(at))
    assert json.loads(composed.body) == json.loads(expected.body)
    assert decode(composed.body).data == numbered
    assert (composed.routing_key, composed.message_id, composed.type) == (
        expected.routing_key,
        expected.message_id,
        expected.type,
    )
    assert (composed.subject, composed.content_type) == (expected.subject, expected.content_type)


def vm(moid: str, name: str) -> VmChanged:
    return VmChanged(
        vcenter=AT_VCENTER.vcenter,
        epoch=AT_VCENTER.epoch,
        sequence=UNNUMBERED,
        moid=moid,
        name=name,
        power="on",
        connection="connected",
    )


AT_VCENTER = Stamp(facts()[0].values[0].vcenter, 7)


@pytest.mark.parametrize("scope", ["default", "dmz", 'a "second" one', "Büro"])
def test_every_fact_carries_the_scope_of_its_vcenter(scope: str) -> None:
    fact, stamp = vm("vm-1", "one"), AT_VCENTER._replace(scope=scope)
    message = Composer(stamp).message(fact, wording(fact, stamp), sequence=3, at=time_text(AT))
    assert decode(message.body).data == fact.model_copy(update={"sequence": 3, "scope": scope})


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "ключ", "a\x01b", "a/b\u2028c", "😀"])
def test_odd_names_come_through(odd: str) -> None:
    fact = vm(odd, odd)
    message = Composer(AT_VCENTER).message(fact, wording(fact, AT_VCENTER), sequence=3, at=time_text(AT))
    envelope = decode(message.body)
    assert (envelope.subject, envelope.data) == (f"vm/{odd}", fact.model_copy(update={"sequence": 3}))


def test_g8_what_nobody_could_read_is_not_written() -> None:
    fact = vm("vm-1", "x" * MAX_BODY_BYTES)
    with pytest.raises(Unreadable, match="oversized"):
        Composer(AT_VCENTER).message(fact, wording(fact, AT_VCENTER), sequence=1, at=time_text(AT))
