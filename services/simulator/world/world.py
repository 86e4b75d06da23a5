"""The world as a whole: made from a seed, summed up, put back to its beginning."""

from __future__ import annotations

from typing import Any

from services.simulator.inventory.entities import Entity
from services.simulator.inventory.machines import VirtualMachine
from services.simulator.world.generation import Sizes, furnish
from services.simulator.world.operations import operation
from services.simulator.world.sight import SightOperations

_RESTORED = (
    "objects", "machines", "subnets", "borrowed", "random", "root", "version", "structure_version", "floor",
    "_log", "_next_id", "_next_mac", "recent_tasks",
)  # fmt: skip


class World(SightOperations):
    """Everything one simulated vCenter holds. Operations are synchronous and belong on the event loop."""

    def __init__(self, seed: int, sizes: Sizes | None = None, log_limit: int = 300_000) -> None:
        super().__init__(seed, log_limit)
        self.sizes = sizes or Sizes(0, 0, 0)
        self.restores = 0
        """Counts rewinds, so that what was handed out before can be told."""
        self.recent_tasks: dict[str, Entity] = {}

    @operation
    def rewind(self) -> None:
        """Put the vCenter back to how it began, as a restored backup does: ids and versions go back too."""
        fresh = generate(self.seed, self.sizes.vms, self.sizes.hosts, sizes=self.sizes)
        self.stop_timers()
        for session in list(self.sessions.values()):
            session.close()
        self.sessions.clear()
        self.populations.clear()
        for entity in self.objects.values():
            entity.alive = False
        for name in _RESTORED:
            setattr(self, name, getattr(fresh, name))
        self.restores += 1
        self.wake_all()

    def summary(self) -> dict[str, Any]:
        """Counts per kind, and the state that operations set, ready for JSON."""
        kinds: dict[str, int] = {}
        for entity in self.objects.values():
            kinds[entity.kind] = kinds.get(entity.kind, 0) + 1
        return {
            "instance_uuid": self.instance_uuid,
            "seed": self.seed,
            "version": self.version,
            "objects": kinds,
            "powered_on": sum(vm.power == "poweredOn" for vm in self.machines.values()),
            "tools_running": sum(vm.guest.tools_running for vm in self.machines.values()),
            "sessions": len(self.sessions),
            "blindness": self.blindness,
            "delay_seconds": self.delay_seconds,
            "natural_subnets": [plan._asdict() for plan in self.natural_subnets()],
        }

    def vm_listing(self) -> list[dict[str, Any]]:
        """Every VM with its place, cards and guest addresses, ready for JSON."""
        return [_listed(vm) for vm in self.machines.values()]


def _listed(vm: VirtualMachine) -> dict[str, Any]:
    return {
        "moid": vm.moid,
        "name": vm.name,
        "instance_uuid": vm.instance_uuid,
        "host": vm.host.moid,
        "power": vm.power,
        "template": vm.template,
        "tools_running": vm.guest.tools_running,
        "nics": [
            {"key": nic.key, "mac": nic.mac, "network": nic.network.moid, "connected": nic.connected}
            for nic in vm.nics
        ],
        "guest": [
            {"device_key": nic.device_key, "mac": nic.mac, "addresses": [a.address for a in nic.addresses]}
            for nic in vm.guest.nics
        ],
    }


def generate(seed: int, vms: int, hosts: int | None = None, *, sizes: Sizes | None = None) -> World:
    """A furnished world; the same arguments always give the same one."""
    wanted = sizes or Sizes(vms, hosts)
    world = World(seed, wanted)
    world.recording = False
    furnish(world, wanted)
    world.forget_history()
    return world
