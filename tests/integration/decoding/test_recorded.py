"""Bytes that simulated vCenters really sent: ours, and one that others wrote."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from lxml import etree

from services.collector.domain.changes import Page
from services.collector.vsphere.decoding.answers import decode_page
from services.collector.vsphere.decoding.documents import Unreadable
from services.collector.vsphere.decoding.objects import decode_objects
from services.collector.vsphere.decoding.plans import forget
from services.collector.vsphere.decoding.scanning import Scan
from services.collector.vsphere.decoding.tally import Tally
from services.collector.vsphere.decoding.unfamiliar import type_named, whole_answer
from services.collector.vsphere.paths import WATCHED
from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.churn import Churn
from services.simulator.settings import SimulatorSettings
from tests.integration.decoding.recording import NOW, Recorder, by_pyvmomi, vmodl

CHURN = dict.fromkeys(
    ("address", "move", "create", "remove", "docker", "power", "rename", "nic", "shuffle"), 1.0
)


@pytest.fixture
async def simulator() -> AsyncIterator[RunningSimulator]:
    async with simulated_vcenter(SimulatorSettings(port=0, vms=300, boot_seconds=0)) as running:
        yield running


async def login(simulator: RunningSimulator, *, partial: bool = False) -> Recorder:
    user, password = "administrator@vsphere.local", "vmware"
    return await asyncio.to_thread(Recorder, simulator.url, user, password, partial=partial)


def assert_same(bodies: list[bytes]) -> None:
    strays: Counter[str] = Counter()
    for body in bodies:
        assert decode_page(body, NOW, strays=strays) == by_pyvmomi(body)
    assert not strays


async def test_a_snapshot_of_the_simulator(simulator: RunningSimulator) -> None:
    recorder = await login(simulator)
    bodies = await asyncio.to_thread(recorder.answers, objects=100)
    recorder.close()
    assert len(bodies) > 3
    assert_same(bodies)
    seen = {change.kind for body in bodies for change in decode_page(body, NOW).changes}  # type: ignore[union-attr]
    assert seen == {watched.kind for watched in WATCHED.values()}


@pytest.mark.parametrize("partial", [False, True], ids=["lists as a whole", "parts of lists"])
async def test_changes_of_the_simulator(simulator: RunningSimulator, partial: bool) -> None:
    recorder = await login(simulator, partial=partial)
    await asyncio.to_thread(recorder.answers)
    churn = Churn(simulator.world, CHURN, seed=3)
    bodies = []
    for _ in range(40):
        for _ in range(5):
            churn.step()
        bodies += await asyncio.to_thread(recorder.answers, objects=10)
    recorder.close()
    assert len(bodies) >= 40
    assert_same(bodies)
    actions = {change.action for body in bodies for change in decode_page(body, NOW).changes}  # type: ignore[union-attr]
    assert actions == {"enter", "modify", "leave"}


@pytest.mark.parametrize("type_name", ["VirtualMachine", "HostSystem", "DistributedVirtualPortgroup"])
async def test_objects_read_once(simulator: RunningSimulator, type_name: str) -> None:
    recorder = await login(simulator)
    kind, watched = type_named(type_name), WATCHED[type_name].fields
    body = await asyncio.to_thread(recorder.objects, kind, list(watched))
    recorder.close()
    result = whole_answer(body, vmodl.query.PropertyCollector.RetrieveResult)
    expected = {
        entry.obj._moId: {
            watched[told.name].name: watched[told.name].convert(told.val) for told in entry.propSet
        }
        for entry in result.objects
    }
    found = decode_objects(body)
    assert {one.moid: one.fields for one in found} == expected
    assert {one.type_name for one in found} == {type_name}


async def test_hardly_an_object_needs_a_parser(simulator: RunningSimulator) -> None:
    """The quick way is the one taken, and not just a way that nobody misses."""
    recorder = await login(simulator)
    bodies = await asyncio.to_thread(recorder.answers)
    recorder.close()
    for body in bodies:
        scan = Scan(body.decode(), Tally())
        scan.update_set()
        assert scan.parsed <= len(scan.changes) * 0.05


async def test_threads_do_not_disturb_each_other(simulator: RunningSimulator) -> None:
    """Each vCenter decodes in a thread of its own; what is remembered between answers is common to all."""
    recorder = await login(simulator)
    bodies = await asyncio.to_thread(recorder.answers, objects=100)
    recorder.close()
    expected = [by_pyvmomi(body) for body in bodies]

    def decode() -> list[Page | None]:
        forget()
        return [decode_page(body, NOW) for body in bodies]

    results = await asyncio.gather(*(asyncio.to_thread(decode) for _ in range(4)))
    assert all(result == expected for result in results)


async def test_damage_is_noticed_or_is_in_what_nobody_reads(simulator: RunningSimulator) -> None:
    """G4: of a damaged answer nothing else is told than of the undamaged one, or nothing at all."""
    recorder = await login(simulator)
    *_, body = await asyncio.to_thread(recorder.answers, objects=5)
    recorder.close()
    whole = decode_page(body, NOW)
    begin, end = body.index(b"<returnval>"), body.index(b"</returnval>")
    damage = random.Random(1)  # noqa: S311  not for secrets
    for _ in range(2000):
        at = damage.randrange(begin, end)
        damaged = body[:at] + bytes([damage.choice(b"<>/\"'&!- \x00\xc3")]) + body[at + 1 :]
        if is_xml(damaged):
            continue
        with contextlib.suppress(Unreadable):
            assert decode_page(damaged, NOW) == whole


def is_xml(body: bytes) -> bool:
    try:
        etree.fromstring(body)
    except etree.XMLSyntaxError:
        return False
    return True


@pytest.mark.vcsim
async def test_a_snapshot_of_vcsim(vcsim_url: str) -> None:
    parts = urlsplit(vcsim_url)
    url = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
    recorder = await asyncio.to_thread(Recorder, url, parts.username or "", parts.password or "")
    bodies = await asyncio.to_thread(recorder.answers)
    recorder.close()
    assert_same(bodies)
    seen = {change.kind for body in bodies for change in decode_page(body, NOW).changes}  # type: ignore[union-attr]
    assert seen == {watched.kind for watched in WATCHED.values()}
