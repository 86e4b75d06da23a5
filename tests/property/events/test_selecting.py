"""Selecting is a conjunction, is deaf to what it is not asked for, and never trips over a strange message."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.events.selecting import Named, Prefix, Selection

WORDS = ("web", "vm-1", "prod", "10.0.0.5", "2001:db8::5", "pg-1", "lab")
KEYS = ("vm", "vm_moid", "wire", "network", "subnet", "address", "addresses", "gateway", "moid", "name", "id")
TYPES = ("nic.created", "inventory.vm.changed", "inventory.portgroup.changed", "guest.addresses.changed", "x")

leaves = st.one_of(st.sampled_from(WORDS), st.integers(), st.none(), st.booleans(), st.text(max_size=4))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=12,
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES), "vcenter": st.sampled_from(["lab", "hamburg", None]), "data": trees}
)
named = st.builds(
    Named,
    words=st.lists(st.sampled_from(WORDS), max_size=2).map(tuple),
    vcenter=st.sampled_from(["lab", "hamburg", None]),
    moid=st.sampled_from(["vm-1", "pg-1", None]),
)
selections = st.builds(
    Selection,
    types=st.lists(st.sampled_from(["nic", "*.changed", "x", "inventory.vm"]), max_size=2).map(tuple),
    vcenter=st.sampled_from([None, "lab"]),
    vm=st.none() | named,
    wire=st.none() | named,
    subnet=st.none() | st.just(Prefix(words=("prod",), prefix="10.0.0.0/24")),
    address=st.sampled_from([None, "10.0.0.5", "2001:db8::5"]),
)


@given(event=events, selection=selections)
def test_every_criterion_must_hold(event: dict[str, Any], selection: Selection) -> None:
    alone = [Selection(**{name: getattr(selection, name)}) for name in Selection.model_fields]
    assert selection.fits(event) == all(one.fits(event) for one in alone)


@given(event=events)
def test_nothing_asked_takes_everything(event: dict[str, Any]) -> None:
    assert Selection().fits(event)


@given(event=events, selection=selections)
def test_a_selection_that_was_kept_selects_the_same(event: dict[str, Any], selection: Selection) -> None:
    kept = Selection.model_validate_json(selection.model_dump_json())
    assert kept == selection
    assert kept.takes(json.dumps(event).encode(), event["type"]) == selection.fits(event)


@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode), selection=selections)
def test_g8_no_body_is_too_strange(body: bytes, selection: Selection) -> None:
    selection.takes(body, "nic.created")


@given(event=events, moid=st.sampled_from(["vm-1", "pg-1"]))
def test_another_vcenter_s_object_id_is_somebody_else(event: dict[str, Any], moid: str) -> None:
    elsewhere = Named(vcenter="munich", moid=moid)
    assert not Selection(vm=elsewhere).fits(event)
    assert not Selection(wire=elsewhere).fits(event)
