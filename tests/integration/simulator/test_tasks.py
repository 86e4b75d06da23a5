"""Creating and changing things through the API, as a provisioning system does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.inventory.hosts import Host
from services.simulator.inventory.networks import PortGroup
from services.simulator.settings import SimulatorSettings
from tests.integration.simulator.client import Client, vim, vmodl, wait_for_task

Run = Callable[..., Any]
Vm = vim.vm


def _group(simulator: RunningSimulator) -> PortGroup:
    found = simulator.world.first(PortGroup, lambda g: isinstance(g, PortGroup) and g.vlan == 101)
    assert isinstance(found, PortGroup)
    return found


def card(group: PortGroup, key: int = -1, mac: str | None = None) -> Any:
    port = vim.dvs.PortConnection(switchUuid=group.switch.uuid, portgroupKey=group.key)
    backing = Vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    device = Vm.device.VirtualVmxnet3(key=key, backing=backing)
    if mac:
        device.addressType, device.macAddress = "manual", mac
    return device


def change(operation: str, device: Any) -> Any:
    return Vm.device.VirtualDeviceSpec(operation=operation, device=device)


def customization(*addresses: tuple[str, str, str]) -> Any:
    c = Vm.customization
    adapters = [
        c.AdapterMapping(
            adapter=c.IPSettings(
                ip=c.FixedIp(ipAddress=ip), subnetMask=mask, gateway=[gateway], dnsServerList=["192.0.2.53"]
            )
        )
        for ip, mask, gateway in addresses
    ]
    return c.Specification(
        identity=c.LinuxPrep(hostName=c.FixedName(name="made"), domain="example.org"),
        globalIPSettings=c.GlobalIPSettings(),
        nicSettingMap=adapters,
    )


def create(client: Client, simulator: RunningSimulator, name: str = "made", **config: Any) -> Any:
    datacenter = client.content.rootFolder.childEntity[0]
    cluster = datacenter.hostFolder.childEntity[0]
    spec = Vm.ConfigSpec(
        name=name,
        numCPUs=4,
        memoryMB=8192,
        guestId="ubuntu64Guest",
        annotation="by test",
        files=Vm.FileInfo(vmPathName="[store]"),
        deviceChange=[change("add", card(_group(simulator)))],
        **config,
    )
    task = datacenter.vmFolder.CreateVM_Task(config=spec, pool=cluster.resourcePool, host=cluster.host[0])
    return client.task(task)


async def test_create_customize_boot_and_report(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    """The whole way: on the asked host and port group, and Tools report the spec's address after the boot."""

    def go() -> None:
        vm = create(client, simulator)
        assert (vm.name, vm.config.hardware.numCPU, vm.config.hardware.memoryMB) == ("made", 4, 8192)
        assert vm.config.annotation == "by test"
        assert vm.runtime.powerState == "poweredOff"
        (nic,) = [d for d in vm.config.hardware.device if isinstance(d, Vm.device.VirtualEthernetCard)]
        assert nic.backing.port.portgroupKey == _group(simulator).key
        assert nic.macAddress.startswith("00:50:56:83:")
        client.task(vm.CustomizeVM_Task(customization(("10.64.1.200", "255.255.255.0", "10.64.1.1"))))
        assert vm.guest.customizationInfo.customizationStatus == "TOOLSDEPLOYPKG_PENDING"
        client.task(vm.PowerOnVM_Task())
        guest = vm.guest
        assert guest.toolsRunningStatus == "guestToolsRunning"
        assert (guest.ipAddress, guest.hostName) == ("10.64.1.200", "made")
        (reported,) = guest.net
        assert (reported.deviceConfigId, reported.macAddress) == (nic.key, nic.macAddress)
        assert reported.ipConfig.ipAddress[0].prefixLength == 24
        assert guest.ipStack[0].ipRouteConfig.ipRoute[0].gateway.ipAddress == "10.64.1.1"
        assert guest.customizationInfo.customizationStatus == "TOOLSDEPLOYPKG_SUCCEEDED"

    await run(go)


async def test_a_created_vm_without_a_system_reports_nothing(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    def go() -> None:
        vm = create(client, simulator)
        client.task(vm.PowerOnVM_Task())
        assert vm.guest.net == []
        assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"

    await run(go)


async def test_clone_with_customization_and_power_on(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    template = next(v for v in simulator.world.machines.values() if v.template)

    def go() -> None:
        source = vim.VirtualMachine(template.moid, client.instance._stub)
        pool = source.runtime.host.parent.resourcePool
        cards = [change("edit", card(_group(simulator), key=nic.key)) for nic in template.nics[:1]]
        count = len(template.nics)
        spec = Vm.CloneSpec(
            location=Vm.RelocateSpec(pool=pool, deviceChange=cards),
            customization=customization(
                *[(f"10.64.1.{210 + n}", "255.255.255.0", "10.64.1.1") for n in range(count)]
            ),
            powerOn=True,
            template=False,
        )
        vm = client.task(source.CloneVM_Task(folder=source.parent, name="copy", spec=spec))
        assert vm.config.instanceUuid != source.config.instanceUuid
        assert not vm.config.template
        nics = [d for d in vm.config.hardware.device if isinstance(d, Vm.device.VirtualEthernetCard)]
        assert nics[0].backing.port.portgroupKey == _group(simulator).key
        assert {n.macAddress for n in nics}.isdisjoint(nic.mac for nic in template.nics)
        assert vm.guest.ipAddress == "10.64.1.210"

    await run(go)


async def test_clone_without_customization_takes_a_natural_address(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    """A copy of a running VM asks for an address of its own when it starts."""
    running = next(v for v in simulator.world.machines.values() if v.guest.nics and v.power == "poweredOn")

    def go() -> Any:
        source = vim.VirtualMachine(running.moid, client.instance._stub)
        spec = Vm.CloneSpec(location=Vm.RelocateSpec(), powerOn=True, template=False)
        return client.task(source.CloneVM_Task(source.parent, "twin", spec)).guest.ipAddress

    address = await run(go)
    others = {
        a.address
        for v in simulator.world.machines.values()
        if v.name != "twin"
        for n in v.guest.nics
        for a in n.addresses
    }
    assert address
    assert address not in others


async def test_reconfigure(simulator: RunningSimulator, client: Client, run: Run) -> None:
    def go() -> None:
        vm = create(client, simulator, extraConfig=[vim.option.OptionValue(key="kept", value="1")])
        group = _group(simulator)
        (key,) = [d.key for d in vm.config.hardware.device if isinstance(d, Vm.device.VirtualEthernetCard)]
        added = card(group, mac="00:50:56:01:02:03")
        spec = Vm.ConfigSpec(
            numCPUs=8,
            memoryMB=16384,
            annotation="larger",
            deviceChange=[change("add", added), change("remove", Vm.device.VirtualVmxnet3(key=key))],
            extraConfig=[vim.option.OptionValue(key="patchbay.reservation", value="r-1")],
        )
        client.task(vm.ReconfigVM_Task(spec))
        config = vm.config
        assert (config.hardware.numCPU, config.hardware.memoryMB, config.annotation) == (8, 16384, "larger")
        nics = [d for d in config.hardware.device if isinstance(d, Vm.device.VirtualEthernetCard)]
        assert [n.macAddress for n in nics] == ["00:50:56:01:02:03"]
        assert [(o.key, o.value) for o in config.extraConfig] == [
            ("kept", "1"),
            ("patchbay.reservation", "r-1"),
        ]

    await run(go)


async def test_relocate_to_a_host_and_a_port_group(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    vm = next(v for v in simulator.world.machines.values() if v.power == "poweredOn")
    target = next(h for h in vm.host.cluster.hosts.values() if h is not vm.host)
    group = _group(simulator)

    def go() -> None:
        machine = vim.VirtualMachine(vm.moid, client.instance._stub)
        moved = card(group, key=vm.nics[0].key)
        spec = Vm.RelocateSpec(host=vim.HostSystem(target.moid), deviceChange=[change("edit", moved)])
        client.task(machine.RelocateVM_Task(spec))
        assert machine.runtime.host._moId == target.moid
        assert group.moid in {network._moId for network in machine.network}
        host = vim.HostSystem(target.moid, client.instance._stub)
        assert vm.moid in {v._moId for v in host.vm}

    await run(go)


async def test_power_rename_and_removal(simulator: RunningSimulator, client: Client, run: Run) -> None:
    def go() -> None:
        vm = create(client, simulator)
        with pytest.raises(vim.fault.InvalidPowerState):
            client.task(vm.PowerOffVM_Task())
        client.task(vm.PowerOnVM_Task())
        with pytest.raises(vim.fault.InvalidPowerState) as caught:
            client.task(vm.PowerOnVM_Task())
        assert caught.value.existingState == "poweredOn"
        client.task(vm.SuspendVM_Task())
        assert vm.runtime.powerState == "suspended"
        client.task(vm.PowerOnVM_Task())
        client.task(vm.Rename_Task("renamed"))
        assert (vm.name, vm.config.name) == ("renamed", "renamed")
        with pytest.raises(vim.fault.InvalidPowerState):
            client.task(vm.Destroy_Task())
        client.task(vm.PowerOffVM_Task())
        client.task(vm.Destroy_Task())
        with pytest.raises(vmodl.fault.ManagedObjectNotFound) as gone:
            _ = vm.name
        assert gone.value.obj == vm
        other = create(client, simulator, "second")
        other.UnregisterVM()
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            _ = other.name

    await run(go)


async def test_names_are_checked(simulator: RunningSimulator, client: Client, run: Run) -> None:
    def go() -> None:
        first = create(client, simulator, "taken")
        with pytest.raises(vim.fault.DuplicateName) as caught:
            create(client, simulator, "taken")
        assert caught.value.object == first
        with pytest.raises(vim.fault.InvalidName):
            create(client, simulator, " ")
        with pytest.raises(vim.fault.DuplicateName):
            client.task(create(client, simulator, "free").Rename_Task("taken"))

    await run(go)


async def test_hosts(simulator: RunningSimulator, client: Client, run: Run) -> None:
    inside = next(iter(simulator.world.of_kind("HostSystem")))
    assert isinstance(inside, Host)
    running = [v for v in inside.vms.values() if v.power == "poweredOn"]

    def go() -> None:
        host = vim.HostSystem(inside.moid, client.instance._stub)
        client.task(host.EnterMaintenanceMode_Task(timeout=0))
        assert host.runtime.inMaintenanceMode
        assert all(vim.VirtualMachine(v.moid, client.instance._stub).runtime.host != host for v in running)
        with pytest.raises(vim.fault.InvalidState):
            client.task(host.EnterMaintenanceMode_Task(timeout=0))
        client.task(host.ExitMaintenanceMode_Task(timeout=0))
        client.task(host.DisconnectHost_Task())
        assert host.runtime.connectionState == "disconnected"
        left = host.vm[0]
        assert left.runtime.connectionState == "disconnected"
        assert left.config.hardware.device
        client.task(host.ReconnectHost_Task())
        assert left.runtime.connectionState == "connected"

    await run(go)


async def test_port_groups(simulator: RunningSimulator, client: Client, run: Run) -> None:
    group = _group(simulator)

    def go() -> None:
        stub = client.instance._stub
        used = vim.dvs.DistributedVirtualPortgroup(group.moid, stub)
        with pytest.raises(vim.fault.ResourceInUse):
            client.task(used.Destroy_Task())
        client.task(used.Rename_Task("renamed"))
        assert (used.name, used.config.name) == ("renamed", "renamed")
        switch = used.config.distributedVirtualSwitch
        vlan = vim.dvs.VmwareDistributedVirtualSwitch.VlanIdSpec(vlanId=77, inherited=False)
        policy = vim.dvs.VmwareDistributedVirtualSwitch.VmwarePortConfigPolicy(vlan=vlan)
        spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
            name="extra", type="earlyBinding", numPorts=8, defaultPortConfig=policy
        )
        client.task(switch.AddDVPortgroup_Task([spec]))
        extra = next(g for g in switch.portgroup if g.name == "extra")
        assert extra.config.defaultPortConfig.vlan.vlanId == 77
        assert {h._moId for h in extra.host} == {h._moId for h in used.host}
        client.task(extra.Destroy_Task())
        assert "extra" not in {g.name for g in switch.portgroup}
        kinds = {type(g.config.defaultPortConfig.vlan).__name__.rpartition(".")[2] for g in switch.portgroup}
        assert kinds == {"VlanIdSpec", "TrunkVlanSpec"}
        assert [g.config.uplink for g in switch.portgroup].count(True) == 1

    await run(go)


async def test_searching(simulator: RunningSimulator, client: Client, run: Run) -> None:
    vm = next(v for v in simulator.world.machines.values() if v.guest.tools_running and v.guest.nics)

    def go() -> None:
        index = client.content.searchIndex
        assert index.FindByUuid(None, vm.instance_uuid, True, True)._moId == vm.moid
        assert index.FindByUuid(None, vm.uuid, True)._moId == vm.moid
        assert index.FindByInventoryPath(f"dc1/vm/{vm.name}")._moId == vm.moid
        assert index.FindByInventoryPath("dc1/vm/nobody") is None
        assert index.FindByIp(None, vm.guest.primary_address(), True)._moId == vm.moid

    await run(go)


async def test_tasks_that_take_time_can_be_watched(run: Run) -> None:
    settings = SimulatorSettings(port=0, vms=5, task_seconds=0.2, boot_seconds=0)
    async with simulated_vcenter(settings) as running:
        made = await run(Client, running)

        def go() -> str:
            vm = made.view(vim.VirtualMachine).view[0]
            task = vm.Rename_Task("slowly")
            assert task.info.state == "running"
            wait_for_task(task, si=made.instance)
            assert task.info.state == "success"
            assert task.info.entity == vm
            return str(vm.name)

        assert await run(go) == "slowly"
        await run(made.close)
