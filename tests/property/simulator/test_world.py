"""What must hold of a world after any sequence of operations."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from services.simulator.directory import ALL_TREES
from services.simulator.inventory.networks import Network
from services.simulator.watching.operations import inside
from services.simulator.world.world import World, generate
from tests.property.simulator.actions import Action, Steps, act

LEAVES = {kind: [(path, tree.getter(path)) for path in tree.leaves()] for kind, tree in ALL_TREES.items()}
NOISE = ("summary.quickStats", "portKeys", "summary.numPorts")
"""Changes that clients poll rather than watch: nobody is told."""


def readings(world: World) -> dict[str, dict[str, Any]]:
    """Every value that a client could read now."""
    return {
        entity.moid: {path: read(entity) for path, read in LEAVES[entity.kind]}
        for entity in world.objects.values()
    }


@settings(max_examples=25, deadline=None)
@given(steps=Steps)
def test_every_visible_change_is_recorded(steps: list[Action]) -> None:
    """G2: what a client would read differently after an operation stands in the change log."""
    world = generate(5, 12)
    before = readings(world)
    for action in steps:
        version = world.version
        act(world, action)
        after = readings(world)
        for moid, values in after.items():
            recorded = [change.path for change in world.objects[moid].changes if change.version > version]
            for path, value in values.items():
                if moid not in before or value == before[moid][path] or path.startswith(NOISE):
                    continue
                told = any(inside(path, other) or inside(other, path) for other in recorded)
                assert told, f"{action[0]} changed {path} of {world.objects[moid]} unrecorded"
        before = after


@settings(max_examples=20, deadline=None)
@given(steps=Steps)
def test_links_agree_on_both_ends(steps: list[Action]) -> None:
    world = generate(5, 30)
    for action in steps:
        act(world, action)
    assert_consistent(world)


def assert_consistent(world: World) -> None:
    """Every link between VMs, hosts, pools, folders and networks has its other end."""
    for machine in world.machines.values():
        assert world.objects[machine.moid] is machine
        assert machine.host.vms[machine.moid] is machine
        assert machine.datastore.vms[machine.moid] is machine
        assert machine.datastore in machine.host.datastores
        assert (machine.pool is None) == machine.template
        if machine.pool is not None:
            assert machine.pool.vms[machine.moid] is machine
            assert machine.pool.owner is machine.host.cluster
        for net in machine.networks():
            assert net.vms[machine.moid] is machine
        own = {nic.device_key for nic in machine.guest.nics if nic.device_key >= 0}
        assert own <= {nic.key for nic in machine.nics}
        assert not (machine.guest.tools_running and machine.power != "poweredOn")
    for network in world.of_kind("Network"):
        assert isinstance(network, Network)
        assert all(network in machine.networks() for machine in network.vms.values())
        assert all(host.networks[network.moid] is network for host in network.hosts.values())
