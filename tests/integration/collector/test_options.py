"""The id of a reservation in a VM's extraConfig: told, and gone on without where a vCenter can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.collector.checking import check
from services.collector.registry import NewVcenter
from services.collector.vsphere.paths import OPTION_PATH
from services.simulator.app import RunningSimulator
from services.simulator.inventory.trees import Tree
from services.simulator.soap.faults import invalid_property
from shared.events.inventory import VmChanged
from shared.events.vcenter import VcenterHeartbeat
from shared.model.identifiers import RESERVATION_OPTION
from tests.integration.collector.conftest import PASSWORD, USER, Bench, simulator

FIRST, SECOND = UUID(int=1), UUID(int=2)


@pytest.mark.postgres
async def test_an_option_is_told_with_its_vm_and_when_it_changes(bench: Bench, sim: RunningSimulator) -> None:
    vm, other = list(sim.world.machines.values())[:2]
    sim.world.set_option(vm, RESERVATION_OPTION, str(FIRST))
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        [fact] = [fact for fact in bench.observer.of(VmChanged) if fact.moid == vm.moid]
        assert (fact.reservation, fact.extra_config_reservation) == (None, FIRST)
        seen = bench.observer.seen
        # What is not news: another option, the same value, and one that is no id.
        sim.world.set_option(vm, "guestinfo.other", str(SECOND))
        sim.world.set_option(vm, RESERVATION_OPTION, f" {FIRST} ")
        sim.world.set_option(other, RESERVATION_OPTION, "soon")
        sim.world.set_option(vm, RESERVATION_OPTION, str(SECOND))
        await bench.observer.first(VmChanged, seen, lambda fact: fact.extra_config_reservation == SECOND)
        sim.world.set_option(vm, RESERVATION_OPTION, "")
        await bench.observer.first(VmChanged, seen, lambda fact: fact.extra_config_reservation is None)
    told = [(fact.moid, fact.extra_config_reservation) for fact in bench.observer.of(VmChanged, seen)]
    assert told == [(vm.moid, SECOND), (vm.moid, None)]


@pytest.mark.postgres
@pytest.mark.parametrize("vms", [0, 5])
@pytest.mark.parametrize("named", ["", "config.extraConfig", 'config.extraConfig["guestinfo'])
async def test_a_vcenter_that_refuses_the_path_is_watched_without(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vms: int, named: str
) -> None:
    """The read that tries it is refused, or the filter where there is no VM; however the fault names it."""

    getter = Tree.getter

    def refusing(tree: Tree[Any], path: str) -> Any:
        if path == OPTION_PATH:
            raise invalid_property(named or path)
        return getter(tree, path)

    monkeypatch.setattr(Tree, "getter", refusing)
    async with simulator(vms=vms) as sim:
        new = NewVcenter("lab", sim.url, f"text:{USER}", f"file:{tmp_path / 'password'}")
        (tmp_path / "password").write_text(PASSWORD)
        checks = await check(new)
        assert [one.name for one in checks if not one.ok] == []
        assert f"VirtualMachine.{OPTION_PATH}" in checks[-1].detail
        await bench.register(sim)
        async with bench.collector():
            await bench.observer.first(VcenterHeartbeat)
            seen = bench.observer.seen
            vm = sim.world.create_vm("made")
            sim.world.annotate(vm, f"patchbay-reservation: {FIRST}")
            await bench.observer.first(VmChanged, seen, lambda fact: fact.reservation == FIRST)
