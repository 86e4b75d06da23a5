"""Reads and updates, as pyVmomi sees them."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from typing import Any

import pytest

from services.simulator.app import RunningSimulator
from tests.integration.simulator.client import PC, Client, Watched, vim, vmodl

Run = Callable[..., Any]


async def test_paged_read_equals_the_world(simulator: RunningSimulator, client: Client, run: Run) -> None:
    mirror = await run(client.read, None, 7)
    vms = {moid for moid in mirror if moid.startswith("vm-")}
    assert vms == set(simulator.world.machines)
    assert sum(moid.startswith("host-") for moid in mirror) == 2


async def test_paged_snapshot_equals_a_read(client: Client, run: Run) -> None:
    watched = Watched()
    await run(client.watch)
    pages = await run(client.follow, watched, 9)
    assert pages > 5
    assert watched.mirror() == await run(client.read)


async def test_the_server_caps_pages(client: Client, run: Run) -> None:
    await run(client.watch)
    first = await run(client.wait, "", 0, 10_000)
    assert first.truncated
    assert sum(len(part.objectSet) for part in first.filterSet) == 20


async def test_snapshot_equals_reading_property_by_property(client: Client, run: Run) -> None:
    """The path through filters and the one through attribute access give the same values."""
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)

    def compare() -> int:
        compared = 0
        for vm in client.view(vim.VirtualMachine).view[:15]:
            held = watched.values[vm._moId]
            assert held["name"] == vm.name
            assert held["runtime.host"] == vm.runtime.host
            assert [d.key for d in held["config.hardware.device"]] == [
                d.key for d in vm.config.hardware.device
            ]
            assert [n.macAddress for n in held["guest.net"]] == [n.macAddress for n in vm.guest.net]
            assert held.get("guest.ipAddress") == vm.guest.ipAddress
            compared += 1
        return compared

    assert await run(compare) == 15


async def test_a_change_reaches_a_waiting_client(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    vm = next(v for v in simulator.world.machines.values() if v.guest.tools_running)
    waiting = asyncio.create_task(run(client.wait, watched.version, 20))
    await asyncio.sleep(0.05)
    simulator.world.set_guest_addresses(vm, None, [("10.99.0.7", 24)])
    update = await waiting
    (change,) = update.filterSet[0].objectSet
    assert (change.kind, change.obj._moId) == ("modify", vm.moid)
    names = {item.name for item in change.changeSet}
    assert "guest.net" in names
    assert names <= {"guest.net", "guest.ipAddress", "guest.ipStack"}


async def test_enter_and_leave(simulator: RunningSimulator, client: Client, run: Run) -> None:
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    made = simulator.world.create_vm("fresh", networks=["VM Network"])
    gone = next(iter(simulator.world.machines))
    simulator.world.remove_vm(gone)
    fleeting = simulator.world.create_vm("fleeting")
    simulator.world.remove_vm(fleeting)
    update = await run(client.wait, watched.version, 0)
    kinds = {(c.obj._moId, c.kind) for part in update.filterSet for c in part.objectSet}
    assert (made.moid, "enter") in kinds
    assert (gone, "leave") in kinds
    assert fleeting.moid not in {moid for moid, _ in kinds}
    watched.apply(update)
    await run(client.follow, watched)
    assert watched.mirror() == await run(client.read)


async def test_partial_updates_name_the_device(simulator: RunningSimulator, client: Client, run: Run) -> None:
    watched = Watched()
    want = {vim.VirtualMachine: ["config.hardware.device", "guest.net"]}
    await run(client.watch, want, partial=True)
    await run(client.follow, watched)
    world = simulator.world
    vm = next(iter(world.machines.values()))
    group = next(g for g in vm.host.networks.values() if g is not vm.nics[0].network)
    world.move_nic(vm, vm.nics[0].key, group)
    added = world.add_nic(vm, group)
    update = await run(client.wait, watched.version, 0)
    (change,) = update.filterSet[0].objectSet
    told = {(item.name, item.op) for item in change.changeSet}
    assert (f"config.hardware.device[{vm.nics[0].key}].backing", "assign") in told
    assert (f"config.hardware.device[{added}]", "add") in told
    assert "config.hardware.device" not in {name for name, _ in told}
    watched.apply(update)
    world.remove_nic(vm, added)
    update = await run(client.wait, watched.version, 0)
    told = {(i.name, i.op) for part in update.filterSet for c in part.objectSet for i in c.changeSet}
    assert (f"config.hardware.device[{added}]", "remove") in told
    watched.apply(update)
    assert watched.mirror() == await run(client.read, want)


async def test_whole_arrays_without_partial_updates(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    watched = Watched()
    await run(client.watch, {vim.VirtualMachine: ["config.hardware.device"]})
    await run(client.follow, watched)
    vm = next(iter(simulator.world.machines.values()))
    simulator.world.add_nic(vm, "VM Network")
    update = await run(client.wait, watched.version, 0)
    (change,) = update.filterSet[0].objectSet
    assert [item.name for item in change.changeSet] == ["config.hardware.device"]
    cards = [d for d in change.changeSet[0].val if isinstance(d, vim.vm.device.VirtualEthernetCard)]
    assert len(cards) == len(vm.nics)


async def test_an_old_version_may_be_asked_again(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    """G2: a client that could not pass an update on asks again from the version before it."""
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    before = watched.version
    vm = next(iter(simulator.world.machines.values()))
    simulator.world.annotate(vm, "once")
    first = await run(client.wait, before, 0)
    simulator.world.annotate(vm, "twice")
    again = await run(client.wait, before, 0)
    for update in (first, again):
        assert [c.obj._moId for part in update.filterSet for c in part.objectSet] == [vm.moid]
    assert again.filterSet[0].objectSet[0].changeSet[0].val == "twice"


async def test_a_page_may_be_asked_again(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """G2: the same page comes again when its answer was lost, and the rest follows as if nothing was."""
    watched = Watched()
    await run(client.watch)
    watched.apply(await run(client.wait, "", 0))
    simulator.world.cut_connections(1, performed=True)
    with pytest.raises((OSError, http.client.HTTPException)):
        await run(client.wait, watched.version, 0)
    vm = list(simulator.world.machines.values())[-1]
    simulator.world.add_nic(vm, "VM Network")
    first = await run(client.wait, watched.version, 0)
    second = await run(client.wait, watched.version, 0)
    ids = [[c.obj._moId for part in u.filterSet for c in part.objectSet] for u in (first, second)]
    assert ids[0] == ids[1]
    watched.apply(second)
    await run(client.follow, watched)
    assert watched.mirror() == await run(client.read)


async def test_nothing_new_is_no_update(client: Client, run: Run) -> None:
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    assert await run(client.wait, watched.version, 0) is None


async def test_unknown_and_restarted_versions(simulator: RunningSimulator, client: Client, run: Run) -> None:
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        await run(client.wait, "no such version", 0)
    waiting = asyncio.create_task(run(client.wait, watched.version, 20))
    await asyncio.sleep(0.05)
    simulator.world.restart_versions()
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        await waiting
    fresh = Watched()
    await run(client.follow, fresh)
    assert fresh.mirror() == await run(client.read)


async def test_versions_older_than_the_log_are_invalid(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    simulator.world.log_limit = 50
    vm = next(iter(simulator.world.machines.values()))
    for number in range(120):
        simulator.world.annotate(vm, str(number))
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        await run(client.wait, watched.version, 0)


async def test_cancel_ends_a_wait(client: Client, run: Run) -> None:
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    waiting = asyncio.create_task(run(client.wait, watched.version, 30))
    await asyncio.sleep(0.05)
    await run(client.collector.CancelWaitForUpdates)
    with pytest.raises(vmodl.fault.RequestCanceled):
        await waiting


async def test_destroyed_filter_is_silent(simulator: RunningSimulator, client: Client, run: Run) -> None:
    watched = Watched()
    held = await run(client.watch)
    await run(client.follow, watched)
    await run(held.Destroy)
    simulator.world.annotate(next(iter(simulator.world.machines)), "unseen")
    assert await run(client.wait, watched.version, 0) is None


async def test_list_view_is_told_its_objects(simulator: RunningSimulator, client: Client, run: Run) -> None:
    first, second, third = (vim.VirtualMachine(m) for m in list(simulator.world.machines)[:3])

    def go() -> list[tuple[str, str]]:
        view = client.content.viewManager.CreateListView([first, second])
        client.collector.CreateFilter(client.filter_spec(view, {vim.VirtualMachine: ["name"]}), False)
        update = client.wait("", 0)
        unresolved = view.Modify([third, vim.VirtualMachine("vm-0")], [first])
        assert [ref._moId for ref in unresolved] == ["vm-0"]
        update = client.wait(update.version, 0)
        return [(c.obj._moId, c.kind) for c in update.filterSet[0].objectSet]

    assert set(await run(go)) == {(third._moId, "enter"), (first._moId, "leave")}


async def test_traversal_without_a_view(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """Datacenter to VM folder to its children, the folder step referring to itself by name."""

    def go() -> set[str]:
        again = PC.SelectionSpec(name="folders")
        folders = PC.TraversalSpec(name="folders", type=vim.Folder, path="childEntity", selectSet=[again])
        start = PC.TraversalSpec(type=vim.Datacenter, path="vmFolder", selectSet=[folders])
        datacenter = client.content.rootFolder.childEntity[0]
        spec = PC.FilterSpec(
            objectSet=[PC.ObjectSpec(obj=datacenter, skip=True, selectSet=[start])],
            propSet=[PC.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
        )
        return {found.obj._moId for found in client.collector.RetrieveProperties([spec])}

    assert await run(go) == set(simulator.world.machines)


async def test_invalid_property_is_named(client: Client, run: Run) -> None:
    with pytest.raises(vmodl.query.InvalidProperty) as caught:
        await run(client.read, {vim.VirtualMachine: ["config.colour"]})
    assert caught.value.name == "config.colour"
    assert await run(client.read, {vim.VirtualMachine: ["config.vAppConfig"]})


async def test_unset_property_is_told(simulator: RunningSimulator, client: Client, run: Run) -> None:
    watched = Watched()
    await run(client.watch)
    await run(client.follow, watched)
    vm = next(v for v in simulator.world.machines.values() if v.guest.tools_running)
    assert "guest.ipAddress" in watched.values[vm.moid]
    simulator.world.drop_tools(vm)
    await run(client.follow, watched)
    assert "guest.ipAddress" not in watched.values[vm.moid]
    assert watched.values[vm.moid]["guest.net"] == []
    assert watched.mirror() == await run(client.read)


async def test_one_option_is_read_and_told_by_its_key(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    """Exactly that key; nothing at all where a VM lacks it."""
    path = 'config.extraConfig["guestinfo.a.b"]'
    first, second = list(simulator.world.machines.values())[:2]
    simulator.world.set_option(first, "guestinfo.a.b", "1 < 2")
    simulator.world.set_option(second, "guestinfo.a.bc", "other")

    def read() -> dict[str, Any]:
        spec = client.filter_spec(client.view(vim.VirtualMachine), {vim.VirtualMachine: [path]})
        found = client.collector.RetrievePropertiesEx([spec], PC.RetrieveOptions()).objects
        assert not any(one.missingSet for one in found)
        return {one.obj._moId: one.propSet[0].val for one in found if one.propSet}

    told = await run(read)
    assert {moid: (type(one).__name__, one.key, one.value) for moid, one in told.items()} == {
        first.moid: ("vim.option.OptionValue", "guestinfo.a.b", "1 < 2")
    }

    def watch() -> Any:
        spec = client.filter_spec(client.view(vim.VirtualMachine), {vim.VirtualMachine: [path]})
        client.collector.CreateFilter(spec, True)
        version = ""
        while (update := client.wait(version, 0)) is not None:
            version = update.version
        return version

    version = await run(watch)
    for key, value in (("guestinfo.a.bc", "x"), ("guestinfo.a.b", "2"), ("guestinfo.other", "y")):
        simulator.world.set_option(second, key, value)
    simulator.world.set_option(first, "guestinfo.a.b", "")
    update = await run(client.wait, version, 0)
    changes = {one.obj._moId: [(c.name, c.val and c.val.value) for c in one.changeSet]
               for one in update.filterSet[0].objectSet}  # fmt: skip
    assert changes == {first.moid: [(path, None)], second.moid: [(path, "2")]}
    simulator.world.set_option(second, "guestinfo.a.b", "2")
    assert await run(client.wait, update.version, 0) is None
