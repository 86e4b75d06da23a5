"""Change without being asked: at random by rates, or by a script."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from services.simulator.inventory.machines import VirtualMachine
from services.simulator.inventory.networks import PortGroup
from services.simulator.soap.faults import Fault
from services.simulator.world.operations import perform
from services.simulator.world.world import World


class Churn:
    """Random changes at `rates` per second by kind. The seed decides what is changed, not when exactly."""

    def __init__(self, world: World, rates: Mapping[str, float], seed: int = 1) -> None:
        self._world = world
        self._random = random.Random(seed)  # noqa: S311  reproducible by intent
        self._kinds: dict[str, Callable[[], None]] = {
            "address": self._address,
            "move": self._move,
            "create": self._create,
            "remove": self._remove,
            "docker": self._docker,
            "power": self._power,
            "rename": self._rename,
            "nic": self._nic,
            "shuffle": self._shuffle,
        }
        unknown = set(rates) - set(self._kinds)
        if unknown:
            raise ValueError(f"churn knows {', '.join(self._kinds)}; not {', '.join(sorted(unknown))}")
        self._rates = {kind: rate for kind, rate in rates.items() if rate > 0}
        self._made = 0
        self.done: dict[str, int] = dict.fromkeys(self._rates, 0)
        """Changes made so far, by kind."""

    async def run(self) -> None:
        """Change things until cancelled. Falls behind rather than blocking when the rates are too high."""
        total = sum(self._rates.values())
        if not total:
            return
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._random.expovariate(total), loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.step()

    def step(self) -> str:
        """One random change; returns its kind."""
        kinds = list(self._rates)
        kind = self._random.choices(kinds, [self._rates[k] for k in kinds])[0]
        try:
            self._kinds[kind]()
        except (Fault, LookupError):
            # What was picked can't change that way just now (a removed VM, a full subnet): next time.
            return kind
        self.done[kind] += 1
        return kind

    def _vm(self, *, on: bool | None = None) -> VirtualMachine:
        machines = self._world.machines
        for _ in range(20):
            vm = machines[self._random.choice(list(machines)) if len(machines) < 1000 else self._pick()]
            if not vm.template and (on is None or (vm.power == "poweredOn") == on):
                return vm
        raise LookupError("no such VM")

    def _pick(self) -> str:
        """A VM's id, mostly without listing all of them."""
        for _ in range(50):
            moid = f"vm-{self._random.randrange(1, self._world.newest_id + 1)}"
            if moid in self._world.machines:
                return moid
        return self._random.choice(list(self._world.machines))

    def _address(self) -> None:
        vm = self._vm(on=True)
        if not vm.guest.tools_running or not vm.nics:
            raise LookupError("a silent guest")
        card = self._random.choice(vm.nics)
        self._world.move_nic(vm, card.key, card.network, renumber=True)

    def _move(self) -> None:
        vm = self._vm(on=True)
        hosts = [host for host in vm.host.cluster.hosts.values() if self._world.usable(host)]
        self._world.move_vm(vm, self._random.choice(hosts))

    def _create(self) -> None:
        groups = self._groups()
        self._made += 1
        name = f"churn-{self._random.getrandbits(32):08x}-{self._made}"
        group = self._random.choice(groups)
        hosts = [host for host in group.hosts.values() if self._world.usable(host)]
        self._world.create_vm(name, host=self._random.choice(hosts), networks=[group])

    def _groups(self) -> list[PortGroup]:
        found = [self._world.objects.get(moid) for moid in self._world.subnets]
        return [group for group in found if isinstance(group, PortGroup) and isinstance(group.vlan, int)]

    def _remove(self) -> None:
        self._world.remove_vm(self._vm())

    def _docker(self) -> None:
        vm = self._vm(on=True)
        if sum(nic.device_key < 0 for nic in vm.guest.nics) > 4:
            self._world.remove_docker_bridges(vm)
        else:
            self._world.add_docker_bridges(vm)

    def _power(self) -> None:
        vm = self._vm()
        self._world.power(vm, vm.power != "poweredOn")

    def _rename(self) -> None:
        vm = self._vm()
        base = vm.name.partition("~")[0]
        self._world.rename(vm, f"{base}~{self._random.getrandbits(24):06x}")

    def _nic(self) -> None:
        vm = self._vm(on=True)
        group = self._random.choice([g for g in self._groups() if vm.host.moid in g.hosts])
        self._world.move_nic(vm, self._random.choice(vm.nics).key, group, renumber=True)

    def _shuffle(self) -> None:
        self._world.shuffle_guest(self._vm(on=True))


class Step(NamedTuple):
    """One line of a script: wait `delay` seconds, then perform the operation."""

    delay: float
    operation: str
    arguments: dict[str, Any]


def read_script(path: Path) -> list[Step]:
    """A script from a YAML or JSON file: a list of {delay, operation, args}.

    Raises ValueError, naming the entry, for anything else.
    """
    text = path.read_text(encoding="utf-8")
    entries = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    if not isinstance(entries, list):
        raise ValueError(f"{path}: a script is a list of steps")  # noqa: TRY004  a mistake in a file's content
    return [_step(path, number, entry) for number, entry in enumerate(entries, 1)]


def _step(path: Path, number: int, entry: object) -> Step:
    if isinstance(entry, list) and len(entry) == 3:
        entry = dict(zip(("delay", "operation", "args"), entry, strict=True))
    if not isinstance(entry, dict) or not isinstance(entry.get("operation"), str):
        message = f"{path}: step {number} needs an operation (and may have delay and args)"
        raise ValueError(message)  # noqa: TRY004  as above
    return Step(float(entry.get("delay", 0)), entry["operation"], dict(entry.get("args") or {}))


async def run_script(world: World, steps: Sequence[Step]) -> None:
    """Perform the steps in order, each after its delay. A step's fault ends the script."""
    for step in steps:
        await asyncio.sleep(step.delay)
        perform(world, step.operation, step.arguments)
