"""The demo's latency figures."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.demo.latency import LatencyBook, quantile
from shared.events.base import Event
from shared.events.nic import NicAddress, NicCreated, NicFacts
from shared.events.vcenter import VcenterHeartbeat

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ID = UUID(int=1)


def _event(moid: str, *addresses: str) -> Event:
    places = tuple(
        NicAddress(address=a, prefix=24, subnet=ID, subnet_name="s", source="tools") for a in addresses
    )
    facts = NicFacts(
        id=ID,
        vcenter=ID,
        vm=ID,
        vm_moid=moid,
        vm_name="vm",
        port=ID,
        device_key=4000,
        label="NIC",
        wire=ID,
        wire_name="w",
        addresses=places,
    )
    return NicCreated(nic=facts, since=NOW)


def test_a_change_ends_with_the_event_that_shows_it() -> None:
    book = LatencyBook()
    book.changed("vm-1", "10.0.0.1", 5.0)
    assert not book.arrived(_event("vm-2", "10.0.0.1"), 5.1)
    assert not book.arrived(_event("vm-1", "10.0.0.2"), 5.2)
    assert book.arrived(_event("vm-1", "10.0.0.2", "10.0.0.1"), 5.5)
    assert not book.arrived(_event("vm-1", "10.0.0.1"), 9.0)
    assert book.seconds == pytest.approx([0.5])
    assert book.waiting == {}


def test_other_events_end_nothing() -> None:
    beat = VcenterHeartbeat(vcenter=ID, epoch=1, sequence=1, name="x", current_to=NOW, lag_seconds=0)
    assert not LatencyBook().arrived(beat, 1.0)


def test_quantiles_of_few_values() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.99) == 3.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_smallest_value_that_covers_its_share(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values) - 1e-9
    assert sum(v < found for v in values) < share * len(values) + 1e-9
