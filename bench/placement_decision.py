"""How long placement thinks: a decision on 1,000 hosts, 2,000 port groups and 50,000 VMs, without the commit.

    python -m bench.placement_decision [--hosts 1000] [--port-groups 2000] [--vms 50000] [--decisions 1000]

Prints one JSON document. The time is from a request and a loaded world to the choice with its published
rulings; each placement counts for those after it. CPU time is given beside wall time, since a busy machine
stretches the latter only. `growth` repeats it with half and a quarter of hosts, port groups and VMs.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from ipaddress import ip_network
from random import Random
from uuid import UUID, uuid5

from services.placement.domain.deciding import Choice, decide
from services.placement.domain.finding import rulings
from services.placement.domain.policy import Policy
from services.placement.domain.world import (
    HostFacts,
    HostKey,
    Links,
    Load,
    SubnetFacts,
    VcenterFacts,
    WireFacts,
    World,
)
from shared.events.inventory import VlanId
from shared.events.placement import NicRequest, VmCreateRequested
from shared.model.identifiers import scope_id, wire_id

NOW = datetime(2026, 3, 1, tzinfo=UTC)
VCENTER = UUID(int=10)
SWITCH = "50 2c 7a"
BAR_MS = 5.0
SEEN_BY = 100
"""Hosts that have each port group."""


def made_world(hosts: int, port_groups: int, vms: int, dice: Random) -> World:
    """Hosts of 64 cores and 512 GiB with VMs of 2 CPUs and 4 GiB; a /24 on each port group."""
    links = {SWITCH: Links(("vmnic0", "vmnic1"), ())}
    machines = [
        HostFacts(
            HostKey(VCENTER, f"host-{n}"), f"esx-{n}", "dc", "east", "c1", "blue", "pool", "connected", False,
            64, 512 * 1024, {}, links,
        )
        for n in range(hosts)
    ]  # fmt: skip
    wires = [
        WireFacts(
            wire_id(VCENTER, f"pg-{n}"), VCENTER, f"pg-{n}", f"net-{n}", "distributed",
            VlanId(id=n % 4094 + 1),
            frozenset(machine.key.moid for machine in dice.sample(machines, min(SEEN_BY, hosts))),
            switch_uuid=SWITCH, portgroup_key=f"pg-{n}",
        )
        for n in range(port_groups)
    ]  # fmt: skip
    subnets = [
        SubnetFacts(
            uuid5(VCENTER, wire.name), scope_id("default"), "default", wire.name,
            ip_network((0x0A000000 + (n << 8), 24)), {wire.id: "default"},
        )
        for n, wire in enumerate(wires)
    ]  # fmt: skip
    counts = Counter(dice.choices(range(hosts), k=vms))
    loads = {machine.key: Load(2 * counts[n], 4096 * counts[n]) for n, machine in enumerate(machines)}
    free = {subnet.id: 254 - vms // port_groups for subnet in subnets}
    vcenter = VcenterFacts(VCENTER, "vc", "connected", None, NOW)
    return World([vcenter], machines, loads, wires, subnets, free=free)


def measured(world: World, requests: list[VmCreateRequested]) -> dict[str, float]:
    """Milliseconds a decision: median and p99 by the clock, p99 and mean of CPU time."""
    wall, spent, placed = [], [], 0
    # What follows from the description alone is worked out once and kept, as in the service.
    decide(requests[0], world, Policy(), NOW)
    # As the service does with a new world.
    gc.freeze()
    cpu = time.process_time()
    for request in requests:
        begun, worked = time.perf_counter(), time.thread_time()
        verdict = decide(request, world, Policy(), NOW)
        rulings(verdict.findings, 200)
        wall.append((time.perf_counter() - begun) * 1000)
        spent.append((time.thread_time() - worked) * 1000)
        if isinstance(verdict, Choice):
            placed += 1
            world.add_load(verdict.host.key, request.cpus, request.memory_mb)
            for option in verdict.options:
                world.add_nic(option.wire.id, [subnet.id for subnet in option.subnets])
    wall.sort()
    spent.sort()
    return {
        "p50_ms": round(wall[len(wall) // 2], 3),
        "p99_ms": round(wall[int(len(wall) * 0.99)], 3),
        "cpu_p99_ms": round(spent[int(len(spent) * 0.99)], 3),
        "cpu_mean_ms": round((time.process_time() - cpu) * 1000 / len(wall), 3),
        "placed": placed,
    }


def ask(*nics: NicRequest, memory_mb: int = 4096) -> VmCreateRequested:
    return VmCreateRequested(request_id="r", name="vm", cpus=2, memory_mb=memory_mb, nics=nics)


def all_shapes(hosts: int, port_groups: int, vms: int, decisions: int) -> dict[str, dict[str, float]]:
    """Each shape of request on a world of its own."""
    dice = Random(1)  # noqa: S311  the same world in every run
    world = made_world(hosts, port_groups, vms, dice)
    names = [f"net-{dice.randrange(port_groups)}" for _ in range(decisions)]
    few = decisions // 4
    return {
        "named_subnet": measured(world, [ask(NicRequest(subnet=name)) for name in names]),
        "named_wire": measured(world, [ask(NicRequest(wire=name)) for name in names]),
        "any_subnet": measured(world, [ask(NicRequest())] * few),
        "refused_everywhere": measured(world, [ask(NicRequest(), memory_mb=2**20)] * few),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--port-groups", type=int, default=2000)
    parser.add_argument("--vms", type=int, default=50_000)
    parser.add_argument("--decisions", type=int, default=1000)
    options = parser.parse_args()
    full = (options.hosts, options.port_groups, options.vms)
    growth = {}
    for index, what in enumerate(("hosts", "port_groups", "vms")):
        for part in (2, 4):
            sizes = [size // part if place == index else size for place, size in enumerate(full)]
            shapes = all_shapes(sizes[0], sizes[1], sizes[2], options.decisions // 2)
            growth[f"{what}={sizes[index]}"] = {shape: found["cpu_p99_ms"] for shape, found in shapes.items()}
    report = {
        "bench": "placement_decision",
        "machine": {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
        "sizes": {key.replace("-", "_"): value for key, value in vars(options).items()},
        "bar": {"p99_ms": BAR_MS},
        **all_shapes(*full, options.decisions),
        "growth_cpu_p99_ms": growth,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
