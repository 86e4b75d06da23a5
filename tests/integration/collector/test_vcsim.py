"""The collector against govmomi's vCenter simulator, which others wrote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from services.collector.checking import check
from services.collector.registry import NewVcenter, add
from services.collector.vsphere.paths import OPTION_PATH
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import (
    HostChanged,
    PortgroupChanged,
    SnapshotCompleted,
    SwitchChanged,
    VmChanged,
    VmRemoved,
)
from shared.events.vcenter import VcenterHeartbeat
from shared.model.identifiers import RESERVATION_OPTION
from tests.integration.collector.conftest import Bench
from tests.integration.collector.direct import DirectRead, told

pytestmark = [pytest.mark.postgres, pytest.mark.vcsim]
KINDS: Any = vim.vm
OPTION: Any = vim.option.OptionValue
T = TypeVar("T")


class Direct:
    """pyVmomi as anybody uses it."""

    def __init__(self, instance: Any) -> None:
        self.content = instance.RetrieveContent()

    def every(self, kind: Any) -> list[Any]:
        view = self.content.viewManager.CreateContainerView(self.content.rootFolder, [kind], True)
        return list(view.view)

    def reconfigure(self, vm: Any, **fields: Any) -> None:
        settle(vm.ReconfigVM_Task(KINDS.ConfigSpec(**fields)))

    def set_guest(self, vm: Any, **values: str) -> None:
        options = [OPTION(key=f"SET.guest.{name}", value=value) for name, value in values.items()]
        self.reconfigure(vm, extraConfig=options)


def settle(task: Any) -> None:
    while task.info.state not in {"success", "error"}:
        time.sleep(0.02)
    assert task.info.state == "success", task.info.error


@pytest.fixture
async def direct(vcsim_url: str) -> AsyncIterator[Direct]:
    parts = urlsplit(vcsim_url)

    def connect() -> Any:
        connect_with: Any = SmartConnect
        return connect_with(
            protocol=parts.scheme,
            host=parts.hostname,
            port=parts.port,
            user=parts.username,
            pwd=parts.password,
        )

    instance = await asyncio.to_thread(connect)
    yield await asyncio.to_thread(Direct, instance)
    await asyncio.to_thread(Disconnect, instance)


@pytest.fixture
async def registered(bench: Bench, vcsim_url: str) -> NewVcenter:
    parts = urlsplit(vcsim_url)
    bench.password_file.write_text(parts.password or "")
    url = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
    return await add(
        bench.pool, NewVcenter("vcsim", url, f"text:{parts.username}", f"file:{bench.password_file}")
    )


async def apart(call: Callable[[], T]) -> T:
    return await asyncio.to_thread(call)


@pytest.mark.usefixtures("registered")
async def test_the_snapshot_is_what_a_direct_read_finds_property_by_property(
    bench: Bench, direct: Direct
) -> None:
    async with bench.collector():
        completed = await bench.observer.first(SnapshotCompleted)
    expected = await apart(DirectRead(direct.content).facts)
    for kind, facts in expected.items():
        assert told(bench.observer, kind) == facts, kind.TYPE
    counts = {kind: len(facts) for kind, facts in expected.items()}
    assert completed.counts == {
        "host": counts[HostChanged],
        "switch": counts[SwitchChanged],
        "portgroup": counts[PortgroupChanged],
        "vm": counts[VmChanged],
    }
    assert all(counts.values())


@pytest.mark.usefixtures("registered")
async def test_address_rename_and_destruction_arrive(bench: Bench, direct: Direct) -> None:
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        vm = (await apart(lambda: direct.every(vim.VirtualMachine)))[0]
        await apart(
            lambda: direct.set_guest(vm, toolsRunningStatus="guestToolsRunning", ipAddress="10.77.0.5")
        )
        fact = await bench.observer.first(
            GuestAddressesChanged,
            seen,
            lambda fact: (
                "10.77.0.5" in {fact.unplaced, *(ip.address for port in fact.ports for ip in port.addresses)}
            ),
        )
        assert fact.moid == vm._moId
        await apart(lambda: settle(vm.Rename_Task("renamed")))
        await bench.observer.first(VmChanged, seen, lambda fact: fact.name == "renamed")
        await apart(lambda: settle(vm.PowerOffVM_Task()))
        await bench.observer.first(VmChanged, seen, lambda fact: fact.power == "off")
        await apart(lambda: settle(vm.Destroy_Task()))
        gone = await bench.observer.first(VmRemoved, seen)
    assert (gone.moid, gone.how) == (vm._moId, "observed")


@pytest.mark.usefixtures("registered")
async def test_a_vm_that_is_created_arrives_with_its_note(bench: Bench, direct: Direct) -> None:
    reservation = "0f0e0d0c-0b0a-4908-8706-050403020100"
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
        vm = (await apart(lambda: direct.every(vim.VirtualMachine)))[0]

        def clone() -> None:
            spec = KINDS.CloneSpec(location=KINDS.RelocateSpec(), powerOn=False, template=False)
            settle(vm.CloneVM_Task(folder=vm.parent, name="copy", spec=spec))
            [copy] = [vm for vm in direct.every(vim.VirtualMachine) if vm.name == "copy"]
            direct.reconfigure(copy, annotation=f"patchbay-reservation: {reservation}")

        await apart(clone)
        fact = await bench.observer.first(VmChanged, 0, lambda fact: fact.reservation is not None)
    assert (fact.name, str(fact.reservation)) == ("copy", reservation)


@pytest.mark.usefixtures("registered")
async def test_a_check_passes_and_says_whether_options_are_told(
    bench: Bench, direct: Direct, registered: NewVcenter
) -> None:
    """An old one has no paths to single options, and says so to who reads: it is watched without."""
    checks = await check(registered)
    assert [one.name for one in checks if not one.ok] == []
    told = OPTION_PATH not in checks[-1].detail
    assert told or "annotation" in checks[-1].detail
    reservation = "0f0e0d0c-0b0a-4908-8706-050403020100"
    vm = (await apart(lambda: direct.every(vim.VirtualMachine)))[0]
    ways: dict[str, Any] = {
        "annotation": f"patchbay-reservation: {reservation}",
        "extraConfig": [OPTION(key=RESERVATION_OPTION, value=reservation)],
    }
    await apart(lambda: direct.reconfigure(vm, **ways))
    async with bench.collector():
        fact = await bench.observer.first(VmChanged, 0, lambda fact: fact.moid == vm._moId)
    assert str(fact.reservation) == reservation
    assert str(fact.extra_config_reservation) == (reservation if told else "None")
