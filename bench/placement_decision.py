"""How long placement thinks: a decision on 1,000 hosts and 2,000 port groups, without the commit.

    python bench/placement_decision.py [--hosts 1000] [--port-groups 2000] [--decisions 1000]

Prints one JSON document. The time is from a request and a loaded world to the choice with its published
rulings. CPU time is given beside wall time, since a busy machine stretches the latter only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
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


def made_world(hosts: int, port_groups: int, dice: Random) -> World:
    """Hosts of 64 cores and 512 GiB, half full on average; a subnet on each port group."""
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
            ip_network((0x0A000000 + (n << 8), 24)), {wire.id: "default"}, True,
        )
        for n, wire in enumerate(wires)
    ]  # fmt: skip
    loads = {machine.key: Load(dice.randrange(200), dice.randrange(500) * 1024) for machine in machines}
    return World([VcenterFacts(VCENTER, "vc", "connected", None, NOW)], machines, loads, wires, subnets)


def measured(world: World, requests: list[VmCreateRequested]) -> dict[str, float]:
    """Milliseconds a decision: median, p99 and mean of CPU time."""
    wall, placed = [], 0
    cpu = time.process_time()
    for request in requests:
        begun = time.perf_counter()
        verdict = decide(request, world, Policy(), NOW)
        rulings(verdict.findings, 200)
        wall.append((time.perf_counter() - begun) * 1000)
        placed += isinstance(verdict, Choice)
    wall.sort()
    return {
        "p50_ms": round(wall[len(wall) // 2], 3),
        "p99_ms": round(wall[int(len(wall) * 0.99)], 3),
        "cpu_mean_ms": round((time.process_time() - cpu) * 1000 / len(wall), 3),
        "placed": placed,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--port-groups", type=int, default=2000)
    parser.add_argument("--decisions", type=int, default=1000)
    options = parser.parse_args()
    dice = Random(1)  # noqa: S311  the same world in every run
    world = made_world(options.hosts, options.port_groups, dice)
    names = [f"net-{dice.randrange(options.port_groups)}" for _ in range(options.decisions)]

    def ask(nic: NicRequest) -> VmCreateRequested:
        return VmCreateRequested(request_id="r", name="vm", cpus=2, memory_mb=4096, nics=(nic,))

    any_subnet = [ask(NicRequest())] * max(options.decisions // 20, 1)
    report = {
        "bench": "placement_decision",
        "machine": {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
        "sizes": {key.replace("-", "_"): value for key, value in vars(options).items()},
        "bar": {"named_subnet_p99_ms": BAR_MS},
        "named_subnet": measured(world, [ask(NicRequest(subnet=name)) for name in names]),
        "named_wire": measured(world, [ask(NicRequest(wire=name)) for name in names]),
        "any_subnet": measured(world, any_subnet),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
