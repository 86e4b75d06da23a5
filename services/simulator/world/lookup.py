"""Finding objects by what people call them: the object itself, its id, or its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from services.simulator.inventory.container_properties import TREES
from services.simulator.inventory.entities import Entity
from services.simulator.inventory.hosts import Host
from services.simulator.inventory.machines import Nic, VirtualMachine
from services.simulator.inventory.networks import Network, PortGroup
from services.simulator.soap.faults import invalid_argument
from services.simulator.soap.values import Value
from services.simulator.world.construction import Construction

T = TypeVar("T", bound=Entity)
VmLike = VirtualMachine | str
HostLike = Host | str
NetworkLike = Network | str


class Lookup(Construction):
    """Finds objects for operations, and runs what is to happen later."""

    def __init__(self, seed: int, log_limit: int = 300_000) -> None:
        super().__init__(seed, log_limit)
        self._timers: set[asyncio.TimerHandle] = set()

    def entity(self, what: Entity | str) -> Entity:
        """Any object by id or, when only one has it, by name."""
        return self._find(what, Entity)

    def vm(self, what: VmLike) -> VirtualMachine:
        """A VM."""
        return self._find(what, VirtualMachine)

    def host(self, what: HostLike) -> Host:
        """A host."""
        return self._find(what, Host)

    def network(self, what: NetworkLike) -> Network:
        """A standard network or distributed port group."""
        return self._find(what, Network)

    def port_group(self, what: NetworkLike) -> PortGroup:
        """A distributed port group."""
        return self._find(what, PortGroup)

    def _find(self, what: Entity | str, kind: type[T]) -> T:
        if isinstance(what, str):
            found = self.objects.get(what)
            if found is None:
                named = [e for e in self.objects.values() if e.name == what and isinstance(e, kind)]
                if len(named) > 1:
                    ids = ", ".join(e.moid for e in named[:5])
                    raise invalid_argument(what, f"several objects have this name: {ids}")
                found = named[0] if named else None
        else:
            found = what
        if not isinstance(found, kind):
            raise invalid_argument(str(what), f"there is no {kind.__name__} of that name or id")
        return found

    def nic(self, vm: VirtualMachine, device_key: int | None) -> Nic:
        """A VM's card by device key; the first one for None."""
        found = vm.nic(device_key) if device_key is not None else next(iter(vm.nics), None)
        if found is None:
            raise invalid_argument("device_key", f"{vm.name} has no network card {device_key}")
        return found

    def value_of(self, entity: Entity, path: str) -> Value:
        """What clients read at `path`. Raises an InvalidProperty fault."""
        return TREES[entity.kind].getter(path)(entity)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do `action` after `seconds`; at once when that is nothing or no event loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or seconds <= 0:
            action()
            return

        def ring() -> None:
            self._timers.discard(handle)
            action()

        handle = loop.call_later(seconds, ring)
        self._timers.add(handle)

    def stop_timers(self) -> None:
        """Forget everything that was to happen later."""
        for handle in self._timers:
            handle.cancel()
        self._timers.clear()
