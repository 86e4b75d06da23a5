"""Whatever happens in whatever order: who applied every fact holds what a fresh read would tell."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.domain.brake import BrakeRule
from services.collector.domain.changes import Change
from services.collector.domain.departures import Departures
from services.collector.domain.mirror import Mirror, News
from services.collector.domain.raw import DvSetting, DvVlan, HostPort
from services.collector.domain.sight import SightLost
from services.collector.domain.state import ObjectKind
from tests.unit.collector.making import STAMP, card, nic

ORDER: tuple[ObjectKind, ...] = ("place", "host", "switch", "portgroup", "vm")
TYPES = {
    "datacenter-1": "datacenter",
    "domain-c1": "cluster",
    "network-1": "standard",
    "dvportgroup-1": "distributed",
}
NAMES = st.sampled_from(["a", "b", "VM Network"])
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "datacenter-1": {"name": NAMES},
    "domain-c1": {
        "name": NAMES,
        "parent": st.just("datacenter-1"),
        "resource_pool": st.sampled_from(["r1", "r2"]),
    },
    **{
        host: {
            "name": NAMES,
            "parent": st.sampled_from(["domain-c1", "elsewhere"]),
            "connection": st.sampled_from(["connected", "disconnected"]),
            "portgroups": st.integers(0, 3).map(
                lambda vlan: (HostPort("VM Network", "vSwitch0", vlan, None),)
            ),
        }
        for host in ("host-1", "host-2")
    },
    "dvs-1": {
        "name": NAMES,
        "uuid": st.sampled_from(["u1", "u2"]),
        "uplink_portgroups": st.sampled_from([(), ("dvportgroup-1",)]),
    },
    "network-1": {"name": NAMES, "hosts": st.sampled_from([(), ("host-1",), ("host-1", "host-2")])},
    "dvportgroup-1": {
        "name": NAMES,
        "key": st.just("key-1"),
        "switch": st.just("dvs-1"),
        "setting": st.integers(0, 9).map(lambda vlan: DvSetting(DvVlan("id", vlan), None)),
    },
    **{
        vm: {
            "name": NAMES,
            "host": st.sampled_from(["host-1", "host-2"]),
            "template": st.booleans(),
            "cards": st.sampled_from([(), (card(),), (card(network=None, group="key-1"),)]),
            "guest_nics": st.sampled_from([(), (nic("10.0.0.4"),), (nic("10.0.0.5", "10.0.0.4"),)]),
        }
        for vm in ("vm-1", "vm-2")
    },
}
KIND_OF: dict[str, ObjectKind] = {
    moid: kind
    for kind, moids in {
        "place": ("datacenter-1", "domain-c1"),
        "host": ("host-1", "host-2"),
        "switch": ("dvs-1",),
        "portgroup": ("network-1", "dvportgroup-1"),
        "vm": ("vm-1", "vm-2"),
    }.items()
    for moid in moids
    for kind in [cast(ObjectKind, kind)]
}


class Vcenter:
    """What is really there, and what is said of it."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}

    def act(self, draw: st.DrawFn) -> Change:
        moid = draw(st.sampled_from(sorted(FIELDS)))
        kind, finer = KIND_OF[moid], TYPES.get(moid, "")
        fields = {name: draw(values) for name, values in FIELDS[moid].items()}
        if moid not in self.objects:
            self.objects[moid] = fields
            return Change("enter", kind, moid, finer, dict(fields))
        if kind != "place" and not self._in_use(moid) and draw(st.integers(0, 4)) == 0:
            del self.objects[moid]
            return Change("leave", kind, moid, finer)
        some = draw(st.sets(st.sampled_from(sorted(fields)), min_size=1))
        self.objects[moid].update({name: fields[name] for name in some})
        return Change("modify", kind, moid, finer, {name: fields[name] for name in some})

    def _in_use(self, moid: str) -> bool:
        """Whether vSphere would refuse to let it go."""
        return any(
            moid in {fields.get("host"), fields.get("switch"), *fields.get("hosts", ())}
            or any(
                card.portgroup_key == "key-1" and moid == "dvportgroup-1" for card in fields.get("cards", ())
            )
            for fields in self.objects.values()
        )

    def fresh(self) -> list[Change]:
        """What a snapshot would say."""
        return [
            Change("enter", kind, moid, TYPES.get(moid, ""), dict(fields))
            for kind in ORDER
            for moid, fields in self.objects.items()
            if KIND_OF[moid] == kind
        ]


class Consumer:
    """Applies facts as anybody downstream does."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], dict[str, Any]] = {}

    def apply(self, news: list[News]) -> None:
        for item in news:
            if item.gone:
                self.held = {key: value for key, value in self.held.items() if key[1] != item.moid}
            else:
                self.held[item.fact.TYPE, item.moid] = item.fact.model_dump()


@st.composite
def histories(draw: st.DrawFn) -> tuple[Vcenter, list[list[Change]]]:
    vcenter = Vcenter()
    pages = [
        [vcenter.act(draw) for _ in range(draw(st.integers(1, 6)))] for _ in range(draw(st.integers(1, 6)))
    ]
    return vcenter, pages


@settings(max_examples=200)
@given(histories())
def test_facts_add_up_to_what_is_there(history: tuple[Vcenter, list[list[Change]]]) -> None:
    vcenter, pages = history
    mirror, consumer = Mirror(STAMP), Consumer()
    for page in pages:
        mirror.apply(page)
        consumer.apply(list(mirror.news()))
    expected, once = Consumer(), Mirror(STAMP)
    once.apply(vcenter.fresh())
    expected.apply(list(once.news()))
    templates = {moid for moid, fields in vcenter.objects.items() if fields.get("template")}
    # A VM that became a template keeps the last word of its guest; a fresh read has none.
    held = {
        key: fact
        for key, fact in consumer.held.items()
        if not (key[0] == "guest.addresses.changed" and key[1] in templates)
    }
    assert held == expected.held


@given(histories())
def test_a_page_that_is_told_twice_is_news_once(history: tuple[Vcenter, list[list[Change]]]) -> None:
    vcenter, pages = history
    mirror = Mirror(STAMP)
    for page in pages:
        mirror.apply(page)
        list(mirror.news())
    mirror.apply(vcenter.fresh())
    assert list(mirror.news()) == []


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 12))
def test_g4_page_by_page_no_more_leaves_than_at_once(leaving: int, there: int, page_size: int) -> None:
    rule = BrakeRule(20, 10)
    leaving = min(leaving, there)
    mirror, departures = Mirror(STAMP), Departures(rule)
    mirror.apply([Change("enter", "vm", f"vm-{n}", "", {"name": "x", "cards": ()}) for n in range(there)])
    list(mirror.news())
    gone = [f"vm-{n}" for n in range(leaving)]
    believed: list[News] = []
    try:
        for first in range(0, leaving, page_size):
            mirror.apply([Change("leave", "vm", moid) for moid in gone[first : first + page_size]])
            assert departures.sift(list(mirror.news()), mirror) == []
        believed = departures.take()
    except SightLost:
        assert rule.too_much(leaving, there)
    else:
        assert not rule.too_much(leaving, there)
        assert [item.moid for item in believed] == gone
