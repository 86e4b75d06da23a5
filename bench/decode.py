"""How fast answers of a vCenter are decoded: we, pyVmomi, and what parsing alone would cost; JSON.

    python -m bench.decode [--vms 2000] [--vcsim] [--rounds 7]

All read the same bytes in this process, one after the other; the best round counts, in CPU time. Pages are
what the simulator sends for one kind of object, plus changes as they happen; `--vcsim` adds govmomi's vcsim.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from xml.parsers import expat

import structlog
from lxml import etree

from services.collector.vsphere.decoding.answers import by_tree, decode_page
from services.collector.vsphere.decoding.plans import forget
from services.collector.vsphere.decoding.tally import Tally
from services.collector.vsphere.decoding.unfamiliar import whole_answer
from services.collector.vsphere.reading import read_page
from services.simulator.app import simulated_vcenter
from services.simulator.churn import Churn
from services.simulator.settings import SimulatorSettings
from tests.integration.decoding.recording import NOW, Recorder
from tests.servers.vcsim import find_vcsim

OBJECT = re.compile(rb'<objectSet><kind>\w+</kind><obj type="(\w+)">.*?</objectSet>', re.DOTALL)
DEVICES = re.compile(rb"<changeSet><name>config\.hardware\.device</name>.*?</changeSet>", re.DOTALL)
DEVICE = re.compile(rb'<VirtualDevice xsi:type="(\w+)">.*?</VirtualDevice>', re.DOTALL)
CARDS = frozenset({b"VirtualVmxnet3", b"VirtualE1000", b"VirtualE1000e"})
PAGE_OBJECTS = 500
CHURN = dict.fromkeys(("address", "move", "docker", "power", "nic", "shuffle"), 1.0)


def best(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds of CPU time of the quickest round."""
    times = []
    for _ in range(rounds):
        gc.collect()  # nobody pays for what another one left behind
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) * 1000


def page_of(frame: bytes, objects: list[bytes]) -> bytes:
    """An answer with just these objects."""
    head, tail = frame[: frame.index(b"<objectSet>")], b"</filterSet></returnval>"
    return head + b"".join(objects) + tail + frame.partition(b"</returnval>")[2]


def pages_by_kind(bodies: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """A page for each kind of object in the answers."""
    found: dict[str, list[bytes]] = {}
    for body in bodies:
        for entry in OBJECT.finditer(body):
            found.setdefault(entry[1].decode(), []).append(entry[0])
    for kind in ("HostSystem", "DistributedVirtualPortgroup", "VirtualMachine"):
        yield kind, page_of(bodies[0], found[kind][:PAGE_OBJECTS])
    machines = found["VirtualMachine"][:PAGE_OBJECTS]
    yield "VirtualMachine without devices", page_of(bodies[0], [DEVICES.sub(b"", one) for one in machines])


def expat_alone(body: bytes) -> None:
    """pyVmomi's parser, with Python called for each element and nothing done there."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda *_: None
    parser.EndElementHandler = lambda *_: None
    parser.CharacterDataHandler = lambda *_: None
    parser.Parse(body, True)


def iterparse_alone(body: bytes) -> None:
    for _, element in etree.iterparse(BytesIO(body), tag="{urn:vim25}objectSet"):
        element.clear()


def pruned_alone(body: bytes) -> None:
    """Cut out the devices that are no cards, then parse."""
    etree.fromstring(DEVICE.sub(lambda device: device[0] if device[1] in CARDS else b"", body))


def first_time(body: bytes) -> None:
    """Decode without what earlier rounds left behind."""
    forget()
    decode_page(body, NOW)


def measure(body: bytes, rounds: int) -> dict[str, Any]:
    """Every way to read one page."""
    theirs = read_page(whole_answer(body), NOW)
    assert decode_page(body, NOW) == theirs
    pyvmomi = best(lambda: whole_answer(body), rounds)
    translated = best(lambda: read_page(whole_answer(body), NOW), rounds)
    decoded = best(lambda: first_time(body), rounds)
    tree = best(lambda: by_tree(body, NOW, Tally()), rounds)
    objects = len(theirs.changes)
    return {
        "bytes": len(body),
        "objects": objects,
        "pyvmomi_ms": round(pyvmomi, 1),
        "pyvmomi_and_translation_ms": round(translated, 1),
        "ours_ms": round(decoded, 1),
        "ours_us_per_object": round(decoded / objects * 1000),
        "ratio": round(pyvmomi / decoded, 1),
        "ratio_with_translation": round(translated / decoded, 1),
        "ratio_when_seen_before": round(pyvmomi / best(lambda: decode_page(body, NOW), rounds), 1),
        "ours_by_tree_ms": round(tree, 1),
        "ratio_by_tree": round(pyvmomi / tree, 1),
        "parsing_alone_ms": {
            "expat_with_empty_handlers": round(best(lambda: expat_alone(body), rounds), 1),
            "lxml_iterparse": round(best(lambda: iterparse_alone(body), rounds), 1),
            "lxml_fromstring": round(best(lambda: etree.fromstring(body), rounds), 1),
            "lxml_fromstring_without_other_devices": round(best(lambda: pruned_alone(body), rounds), 1),
        },
    }


async def recorded(vms: int) -> tuple[list[bytes], bytes]:
    """A snapshot's answers, and one answer with a page of changes, from the simulator."""
    async with simulated_vcenter(SimulatorSettings(port=0, vms=vms, boot_seconds=0)) as running:
        recorder = await asyncio.to_thread(Recorder, running.url, "administrator@vsphere.local", "vmware")
        bodies = await asyncio.to_thread(recorder.answers, objects=PAGE_OBJECTS)
        churn = Churn(running.world, CHURN, 1)
        for _ in range(PAGE_OBJECTS):
            churn.step()
        changes = await asyncio.to_thread(recorder.answer)
        recorder.close()
        return bodies, changes


def from_vcsim() -> bytes:
    """vcsim's first page of VMs."""
    server = find_vcsim()(vms=100)
    server.start()
    try:
        parts = urlsplit(server.url)
        url = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
        recorder = Recorder(url, parts.username or "", parts.password or "")
        return recorder.answers()[-1]
    finally:
        server.stop()


def shares(pages: dict[str, Any]) -> dict[str, float]:
    """Which part of a VM's page is for config.hardware.device."""
    whole, without = pages["VirtualMachine"], pages["VirtualMachine without devices"]
    keys = ("bytes", "pyvmomi_ms", "ours_ms")
    return {key: round(1 - without[key] / whole[key], 2) for key in keys}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vms", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--vcsim", action="store_true")
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    bodies, changes = asyncio.run(recorded(arguments.vms))
    bodies_by_kind = dict(pages_by_kind(bodies)) | {"changes": changes}
    if arguments.vcsim:
        bodies_by_kind["vcsim"] = from_vcsim()
    pages = {kind: measure(body, arguments.rounds) for kind, body in bodies_by_kind.items()}
    result = {
        "benchmark": "decode",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "platform": platform.platform(), "load": os.getloadavg()},
        "versions": {
            "python": platform.python_version(),
            "expat": expat.EXPAT_VERSION,
            "libxml2": ".".join(map(str, etree.LIBXML_VERSION)),
            **{name: version(name) for name in ("lxml", "pyvmomi", "patchbay")},
        },
        "vms": arguments.vms,
        "pages": pages,
        "share_of_config_hardware_device": shares(pages),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
