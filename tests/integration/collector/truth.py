"""What a vCenter holds, asked afresh, and what who applied every fact holds: G2 is that they are equal."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from services.collector.domain.mirror import Mirror
from services.collector.domain.stamp import Stamp
from services.collector.vsphere.endpoint import Credentials, parse_endpoint
from services.collector.vsphere.session import Patience, open_session
from services.simulator.app import RunningSimulator
from shared.events.base import Fact
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import (
    HostChanged,
    HostRemoved,
    PortgroupChanged,
    PortgroupRemoved,
    SwitchChanged,
    SwitchRemoved,
    VmChanged,
    VmRemoved,
)
from shared.model.ordering import Order
from tests.integration.collector.observing import PATIENCE, Observer

Picture = dict[tuple[str, str], dict[str, Any]]
"""What is said of each object, by topic and managed object id, without its place in the order."""

_REMOVALS = (HostRemoved, SwitchRemoved, PortgroupRemoved, VmRemoved)
_DESCRIPTIONS = (HostChanged, SwitchChanged, PortgroupChanged, VmChanged, GuestAddressesChanged)


async def asked(sim: RunningSimulator) -> Picture:
    """A full read by a session of its own."""
    endpoint = parse_endpoint(sim.url)
    credentials = Credentials(sim.settings.user, sim.settings.password)
    async with open_session(endpoint, credentials, patience=Patience(), name="truth") as session:
        mirror = Mirror(Stamp(session.about.instance_uuid, 1))
        await session.watch()
        version, more = "", True
        while more:
            page = await session.next_page(version, wait_seconds=5, objects=500)
            assert page is not None
            mirror.apply(page.changes)
            version, more = page.version, page.truncated
    return {_key(item.fact): _said(item.fact) for item in mirror.news()}


async def add_up(observer: Observer, sim: RunningSimulator) -> None:
    """Wait until who applied every fact holds what the vCenter holds. It may still change by itself."""
    identity = sim.world.instance_uuid
    held, truth = None, await asked(sim)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while held != truth:
                await asyncio.sleep(0.1)
                await observer.read()
                truth = await asked(sim)
                held = _to_compare(applied(observer, identity), truth)
    known = held or {}
    apart = {key: (known.get(key), truth.get(key)) for key in known.keys() | truth.keys()}
    assert held == truth, {key: pair for key, pair in apart.items() if pair[0] != pair[1]}


def applied(observer: Observer, vcenter: str | None = None) -> Picture:
    """What a consumer holds that applied every fact read so far, newest order first served."""
    picture: Picture = {}
    orders: dict[tuple[str, str], Order] = {}
    for envelope in observer.envelopes:
        fact = envelope.data
        if not isinstance(fact, _REMOVALS + _DESCRIPTIONS) or vcenter not in {None, str(fact.vcenter)}:
            continue
        topics = [_key(fact)]
        if isinstance(fact, VmRemoved):
            topics.append(("guest", fact.moid))
        for key in topics:
            if fact.order <= orders.get(key, Order(0, 0)):
                continue
            orders[key] = fact.order
            if isinstance(fact, _REMOVALS):
                picture.pop(key, None)
            else:
                picture[key] = _said(fact)
    return picture


def _to_compare(held: Picture, truth: Picture) -> Picture:
    """Less the last words of guests whose VMs are templates now: they stay, and a fresh read has none."""
    templates = {("guest", moid) for (topic, moid), said in truth.items() if said.get("template")}
    return {key: said for key, said in held.items() if key not in templates}


def _key(fact: Fact) -> tuple[str, str]:
    kind, _, moid = fact.subject_of().partition("/")
    return ("guest" if isinstance(fact, GuestAddressesChanged) else kind, moid)


def _said(fact: Fact) -> dict[str, Any]:
    said = fact.model_dump(mode="json", exclude={"epoch", "sequence", "scope"})
    for switch in said.get("switches", ()):
        switch.pop("ports_available", None)  # told along with the next real change
    return said
