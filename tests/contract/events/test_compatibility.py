"""A change that would break a reader or a sender of a published version is named, and what to do instead."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from shared.events.contract.compatibility import INSTEAD, breaks
from shared.events.contract.files import broken, schemas

NIC = "nic.created.v1"
COMMAND = "command.subnet.create.v1"
Change = Any


def changed(name: str, change: Change) -> list[str]:
    """What a change of a schema would break."""
    published = schemas()[name]
    current = copy.deepcopy(published)
    change(current)
    return [str(one) for one in broken({name: published}, {name: current}).get(name, [])]


def facts(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of a NIC record."""
    found: dict[str, Any] = schema["definitions"]["NicFacts"]["properties"]
    return found


def source(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["definitions"]["NicAddress"]["properties"]["source"]
    return found


def test_no_change_breaks_nobody() -> None:
    assert broken(schemas()) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: facts(s).pop("vm_name"), "nic.vm_name is gone; readers show it"),
        (lambda s: facts(s).pop("mac"), "nic.mac is gone"),
        (lambda s: facts(s).update(name=facts(s).pop("vm_name")), "nic.name is a new field"),
        (lambda s: facts(s).update(colour={"type": "string"}), "nic.colour is a new field"),
        (lambda s: facts(s)["device_key"].update(type="string"), "nic.device_key is string now, was integer"),
        (lambda s: facts(s)["vm"].pop("format"), "nic.vm has format any now, had uuid"),
        (lambda s: s["definitions"]["NicFacts"]["required"].remove("wire"), "nic.wire may be missing now"),
        (lambda s: source(s)["enum"].append("dns"), "nic.addresses[].source may be 'dns' now"),
        (
            lambda s: s["definitions"]["NicAddress"]["properties"]["prefix"].update(maximum=200),
            "goes beyond",
        ),
    ],
)
def test_readers_of_what_patchbay_writes(change: Change, said: str) -> None:
    found = changed(NIC, change)
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda s: source(s)["enum"].remove("fixed"),
        lambda s: s["definitions"]["NicFacts"]["required"].append("mac"),
        lambda s: facts(s)["label"].update(description="other words"),
        lambda s: facts(s)["label"].update(maxLength=50),
    ],
)
def test_readers_bear_less_than_was_promised(change: Change) -> None:
    assert changed(NIC, change) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["properties"].pop("ntp"), "ntp is refused now; senders write it"),
        (lambda s: s["required"].append("gateway"), "gateway is required now; senders leave it out"),
        (lambda s: s["properties"]["allocation_order"]["enum"].remove("random"), "restricted"),
        (lambda s: s["properties"]["name"].update(maxLength=10), "name is limited more than published"),
        (lambda s: s["properties"]["auto_allocate"].update(type="string"), "must be string now, was boolean"),
    ],
)
def test_senders_of_what_patchbay_reads(change: Change, said: str) -> None:
    found = changed(COMMAND, change)
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["properties"].update(comment={"type": "string"}),
        lambda s: s["required"].remove("wire"),
        lambda s: s["properties"]["allocation_order"]["enum"].append("newest"),
        lambda s: s["properties"]["name"].pop("maxLength"),
    ],
)
def test_senders_may_be_offered_more(change: Change) -> None:
    assert changed(COMMAND, change) == []


def test_a_version_that_nothing_reads_any_more_is_a_break() -> None:
    now = schemas()
    gone = {"nic.painted.v1": now[NIC]}
    (several,) = broken(gone, now).values()
    assert "can't be read any more" in str(several[0])


def test_what_to_do_instead_names_the_places() -> None:
    for place in ("VERSION", "registry.py", "upcasts.py", "golden", "make contract", "contract accept"):
        assert place in INSTEAD


def test_a_whole_object_that_goes_is_named_once() -> None:
    schema = schemas()["nic.updated.v1"]
    current = copy.deepcopy(schema)
    del current["properties"]["before"]
    current["required"].remove("before")
    assert [one.field for one in breaks(schema, current, "patchbay")] == ["before"]
