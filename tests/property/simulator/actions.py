"""Operations at random, for tests that any sequence of them must pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from services.simulator.inventory.machines import VirtualMachine
from services.simulator.inventory.networks import Network, PortGroup
from services.simulator.soap.faults import Fault
from services.simulator.world.world import World
from shared.model.identifiers import RESERVATION_OPTION

Number = st.integers(min_value=0, max_value=10_000)
Action = tuple[str, int, int]
OPTIONS = ("", str(UUID(int=1)), str(UUID(int=2)), "soon")
ACTIONS: dict[str, Callable[[World, int, int], Any]] = {
    "create": lambda w, a, b: w.create_vm(f"new-{a}-{b}", networks=[network(w, a), network(w, b)]),
    "remove": lambda w, a, _: w.remove_vm(vm(w, a)),
    "clone": lambda w, a, b: w.clone_vm(vm(w, a), f"clone-{a}-{b}"),
    "rename": lambda w, a, b: w.rename(vm(w, a), f"name-{b}"),
    "rename network": lambda w, a, b: w.rename(network(w, a), f"net-{b}"),
    "annotate": lambda w, a, b: w.annotate(vm(w, a), str(b)),
    "option": lambda w, a, b: w.set_option(vm(w, a), RESERVATION_OPTION, OPTIONS[b % len(OPTIONS)]),
    "other option": lambda w, a, b: w.set_option(vm(w, a), f"guestinfo.{b % 3}", OPTIONS[b % len(OPTIONS)]),
    "resize": lambda w, a, b: w.resize(vm(w, a), b % 16 + 1, 1024 * (b % 8 + 1)),
    "move": lambda w, a, b: w.move_vm(vm(w, a), host(w, b)),
    "plug": lambda w, a, b: w.move_nic(vm(w, a), None, network(w, b), renumber=b % 2 == 0),
    "add nic": lambda w, a, b: w.add_nic(vm(w, a), network(w, b)),
    "remove nic": lambda w, a, _: w.remove_nic(vm(w, a), None),
    "last nic": lambda w, a, _: w.remove_nic(vm(w, a), vm(w, a).nics[-1].key),
    "cable": lambda w, a, b: w.connect_nic(vm(w, a), None, b % 2 == 0),
    "mac": lambda w, a, b: w.set_mac(vm(w, a), None, f"00:50:56:00:{b % 256:02x}:{a % 256:02x}"),
    "address": lambda w, a, b: w.set_guest_addresses(vm(w, a), None, [f"10.9.{b % 256}.{a % 256}/24"]),
    "docker": lambda w, a, b: w.add_docker_bridges(vm(w, a), b % 3 + 1),
    "silence": lambda w, a, _: w.drop_tools(vm(w, a)),
    "speak": lambda w, a, _: w.start_tools(vm(w, a)),
    "power": lambda w, a, b: w.power(vm(w, a), b % 2 == 0),
    "template": lambda w, a, b: w.set_template(vm(w, a), b % 2 == 0),
    "shuffle": lambda w, a, _: w.shuffle_guest(vm(w, a)),
    "add group": lambda w, a, b: w.add_portgroup(f"group-{a}", b % 4094),
    "remove group": lambda w, a, _: w.remove_portgroup(network(w, a)),
    "vlan": lambda w, a, b: w.set_vlan(network(w, a), b % 4094),
    "lose host": lambda w, a, _: w.disconnect_host(host(w, a)),
    "find host": lambda w, a, _: w.reconnect_host(host(w, a)),
    "maintain": lambda w, a, b: w.maintenance(host(w, a), b % 2 == 0),
    "link": lambda w, a, b: w.set_link(host(w, a), f"vmnic{a % 4}", b % 3 * 10_000 or None),
}


def vm(world: World, number: int) -> VirtualMachine:
    machines = list(world.machines.values())
    return machines[number % len(machines)]


def host(world: World, number: int) -> Any:
    hosts = list(world.of_kind("HostSystem"))
    return hosts[number % len(hosts)]


def network(world: World, number: int) -> Network:
    found = [n for n in world.of_kind("Network") if isinstance(n, Network)]
    usable = [n for n in found if not (isinstance(n, PortGroup) and n.uplink)]
    return usable[number % len(usable)]


def act(world: World, action: Action) -> None:
    """Do it, unless it can't be done as things are."""
    name, first, second = action
    try:
        ACTIONS[name](world, first, second)
    except (Fault, ZeroDivisionError, IndexError):
        return


Steps = st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), Number, Number), max_size=25)
