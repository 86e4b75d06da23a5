"""Creating the VM of an answer, on the simulator and on govmomi's vcsim: as answered, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from pyVmomi import vim

from services.cli.provisioning import (
    ProvisioningFailed,
    VcenterConnection,
    VcenterOutOfSight,
    connect,
    create_vm,
)
from services.cli.provisioning.customizing import specification
from services.cli.provisioning.devices import removed_nics
from services.cli.provisioning.tasks import finished, read
from services.placement.domain.answering import annotation
from services.placement.domain.rendering import rendered
from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from shared.events.inventory import VlanNone
from shared.events.placement import (
    Adapter,
    Disk,
    Guest,
    PlacedAddress,
    PlacedNic,
    PlacedWire,
    VmCreatePlaced,
)
from shared.model.identifiers import RESERVATION_OPTION

MAC = "00:50:56:00:00:07"
_vim: Any = vim


@dataclass
class Vcenter:
    """A connection, and where a VM can go there."""

    connection: VcenterConnection
    host: Any
    distributed: Any
    standard: Any
    switch_uuid: str
    ours: bool
    """Our simulator has no disks; the other one tells no guest its IPv6 addresses."""

    async def vms(self) -> set[str]:
        return {vm._moId for vm in await _all(self.connection, _vim.VirtualMachine)}


@pytest.fixture(params=["simulator", pytest.param("vcsim", marks=pytest.mark.vcsim)])
async def vcenter(request: pytest.FixtureRequest) -> AsyncIterator[Vcenter]:
    """A vCenter of this test's own."""
    if request.param == "vcsim":
        parts = urlsplit(request.getfixturevalue("vcsim_url"))
        url = f"{parts.scheme}://{parts.hostname}:{parts.port}/sdk"
        async with _look(url, unquote(parts.username or ""), unquote(parts.password or "")) as found:
            yield found
        return
    settings = SimulatorSettings(port=0, vms=10, hosts=2, boot_seconds=0.0)
    async with (
        simulated_vcenter(settings) as running,
        _look(running.url, settings.user, settings.password.get_secret_value()) as found,
    ):
        yield found


@asynccontextmanager
async def _look(url: str, user: str, password: str) -> AsyncIterator[Vcenter]:
    async with connect(url, user=user, password=password) as connection:
        for group in await _all(connection, _vim.dvs.DistributedVirtualPortgroup):
            if "uplink" not in (await read(connection, group, "name")).lower():
                break
        config = await read(connection, group, "config")
        host = (await read(connection, group, "host"))[0]
        networks = await read(connection, host, "network")
        standard = next(network for network in networks if type(network) is _vim.Network)
        uuid = await read(connection, config.distributedVirtualSwitch, "uuid")
        yield Vcenter(connection, host, group, standard, uuid, ours=user == SimulatorSettings().user)


async def _all(connection: VcenterConnection, kind: Any) -> list[Any]:
    content = connection._session.content  # tests look at the whole inventory, the provisioner never does

    def ask() -> list[Any]:
        view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
        return list(view.view)

    return await connection.call(ask)


def address(text: str, prefix: int, gateway: str | None = None) -> PlacedAddress:
    return PlacedAddress(
        address=text,
        prefix=prefix,
        subnet=uuid4(),
        subnet_name="net",
        gateway=gateway,
        dns=("10.7.0.53",),
        domain="example.test",
    )


async def reported(vcenter: Vcenter, moid: str, mac: str | None = None) -> set[str]:
    """What Tools report on every NIC, or on that with this MAC, once they report anything."""
    vm = vcenter.connection.object(_vim.VirtualMachine, moid)
    async with asyncio.timeout(20):
        while not (nics := await read(vcenter.connection, vm, "guest.net")):  # noqa: ASYNC110  a vCenter has no Event
            await asyncio.sleep(0.05)
    return {text for nic in nics if mac in {None, nic.macAddress} for text in nic.ipAddress}


def answer(
    vcenter: Vcenter, *, mac: str = MAC, adapter: Adapter = "vmxnet3", dual: bool = False, **values: Any
) -> VmCreatePlaced:
    """An answer with a NIC on a distributed and one on a standard port group."""
    reservation, now = uuid4(), datetime.now(UTC)
    distributed = PlacedWire(
        id=uuid4(),
        network=vcenter.distributed._moId,
        name="dist",
        kind="distributed",
        vlan=VlanNone(),
        switch_uuid=vcenter.switch_uuid,
        portgroup_key=vcenter.distributed._moId,
    )
    standard = PlacedWire(
        id=uuid4(), network=vcenter.standard._moId, name="VM Network", kind="standard", vlan=VlanNone()
    )
    first = [address("10.7.0.5", 24, "10.7.0.1")]
    first += [address("2001:db8:7::5", 64, "2001:db8:7::1")] if dual else []
    placed = VmCreatePlaced(
        request_id="order-1",
        reservation=reservation,
        name=f"web-{reservation.hex[:6]}",
        vcenter=uuid4(),
        host=vcenter.host._moId,
        host_name="esx",
        cpus=2,
        memory_mb=512,
        nics=(
            PlacedNic(index=0, wire=distributed, mac=mac, adapter=adapter, addresses=tuple(first)),
            PlacedNic(index=1, wire=standard, adapter=adapter, addresses=(address("10.8.0.5", 24),)),
        ),
        expires_at=now,
        annotation=annotation(reservation),
        explanation=(),
        facts_as_of=now,
        **({"guest": Guest(hostname="web")} | values),
    )
    return rendered(placed)


def options_of(extra_config: Any) -> dict[str, Any]:
    """Options by key. vcsim adds where vCenter replaces: the last one counts."""
    return {option.key: option.value for option in extra_config}


async def test_the_vm_is_made_exactly_as_answered(vcenter: Vcenter) -> None:
    placed = answer(vcenter)
    said: list[tuple[str, int]] = []
    moid = await create_vm(
        vcenter.connection, placed, on_progress=lambda what, percent: said.append((what, percent))
    )
    vm = vcenter.connection.object(_vim.VirtualMachine, moid)

    async def value(path: str) -> Any:
        return await read(vcenter.connection, vm, path)

    assert await value("name") == placed.name
    assert (await value("runtime.host"))._moId == placed.host
    assert await value("runtime.powerState") == "poweredOn"
    assert await value("config.annotation") == placed.annotation
    assert options_of(await value("config.extraConfig"))[RESERVATION_OPTION] == str(placed.reservation)
    assert (await value("config.hardware.numCPU"), await value("config.hardware.memoryMB")) == (2, 512)
    devices = await value("config.hardware.device")
    first, second = [device for device in devices if isinstance(device, _vim.vm.device.VirtualEthernetCard)]
    assert first.macAddress == MAC
    assert first.backing.port.portgroupKey == vcenter.distributed._moId
    assert second.backing.network._moId == vcenter.standard._moId
    assert second.macAddress != MAC
    assert [percent for _, percent in said] == sorted(percent for _, percent in said)
    assert [said[0][1], said[-1]] == [0, (f"created {placed.name}", 100)]
    assert {what.split()[0] for what, _ in said} == {
        "preparing",
        "creating",
        "customizing",
        "powering",
        "created",
    }


async def test_the_guest_comes_up_with_the_answered_addresses(vcenter: Vcenter) -> None:
    """The customization was understood: Tools report what it says."""
    moid = await create_vm(vcenter.connection, answer(vcenter))
    assert "10.7.0.5" in await reported(vcenter, moid, MAC)
    assert "10.8.0.5" in await reported(vcenter, moid)


async def source_of_clones(vcenter: Vcenter) -> Any:
    """A VM that is off, with cards of its own; none on vcsim, whose clones never lose them."""
    connection = vcenter.connection
    moid = await create_vm(connection, answer(vcenter, mac="00:50:56:00:00:09"))
    source = connection.object(_vim.VirtualMachine, moid)
    await finished(connection, await connection.call(source.PowerOffVM_Task))
    if not vcenter.ours:
        devices = await read(connection, source, "config.hardware.device")
        change = _vim.vm.ConfigSpec(deviceChange=removed_nics(devices))
        await finished(connection, await connection.call(lambda: source.ReconfigVM_Task(change)))
    return source


@pytest.mark.parametrize("kind", ["template", "vm"])
async def test_a_clone_has_the_answered_nics_and_size_and_its_sources_disks(
    vcenter: Vcenter, kind: str
) -> None:
    placed = answer(vcenter, disks=(Disk(size_gb=3),))
    connection = vcenter.connection
    source = await source_of_clones(vcenter)
    if kind == "template":
        await connection.call(source.MarkAsTemplate)
    said: list[str] = []
    moid = await create_vm(
        connection, placed, template=source._moId, on_progress=lambda what, _: said.append(what)
    )
    assert any(what.startswith("cloning") for what in said)
    vm = connection.object(_vim.VirtualMachine, moid)
    assert await read(connection, vm, "name") == placed.name
    assert (await read(connection, vm, "runtime.host"))._moId == placed.host
    assert await read(connection, vm, "config.annotation") == placed.annotation
    options = options_of(await read(connection, vm, "config.extraConfig"))
    assert options[RESERVATION_OPTION] == str(placed.reservation)
    assert await read(connection, vm, "config.hardware.memoryMB") == 512
    assert await read(connection, vm, "config.template") is False
    cards = [
        device
        for device in await read(connection, vm, "config.hardware.device")
        if isinstance(device, _vim.vm.device.VirtualEthernetCard)
    ]
    assert len(cards) == 2
    assert cards[0].macAddress == MAC
    assert await reported(vcenter, moid) >= {"10.7.0.5", "10.8.0.5"}


async def test_a_failed_clone_leaves_nothing(vcenter: Vcenter, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = vcenter.connection
    source = await source_of_clones(vcenter)
    before = await vcenter.vms()

    def one_short(placed: VmCreatePlaced) -> Any:
        wanted = specification(placed)
        wanted.nicSettingMap = wanted.nicSettingMap[:1]
        return wanted

    monkeypatch.setattr("services.cli.provisioning.creating.specification", one_short)
    with pytest.raises(ProvisioningFailed, match=r"(?i)NicSettingM"):
        await create_vm(connection, answer(vcenter), template=source._moId)
    assert await vcenter.vms() == before


async def test_a_template_that_is_gone_is_named(vcenter: Vcenter) -> None:
    before = await vcenter.vms()
    with pytest.raises(ProvisioningFailed, match="ManagedObjectNotFound"):
        await create_vm(vcenter.connection, answer(vcenter), template="vm-999999")
    assert await vcenter.vms() == before


async def test_adapter_types_and_disks_are_as_asked(vcenter: Vcenter) -> None:
    placed = answer(vcenter, adapter="e1000e", disks=(Disk(size_gb=2), Disk(size_gb=1, thin=False)))
    moid = await create_vm(vcenter.connection, placed)
    vm = vcenter.connection.object(_vim.VirtualMachine, moid)
    devices = await read(vcenter.connection, vm, "config.hardware.device")
    assert [type(d) for d in devices if isinstance(d, _vim.vm.device.VirtualEthernetCard)] == [
        _vim.vm.device.VirtualE1000e
    ] * 2
    if not vcenter.ours:
        disks = [d for d in devices if isinstance(d, _vim.vm.device.VirtualDisk)]
        assert [disk.capacityInKB for disk in disks] == [2 * 1024 * 1024, 1024 * 1024]
        assert [disk.backing.thinProvisioned for disk in disks] == [True, False]


async def test_a_datastore_or_folder_that_is_not_there_is_named(vcenter: Vcenter) -> None:
    before = await vcenter.vms()
    with pytest.raises(ProvisioningFailed, match="does not reach datastore 'gold'; it reaches"):
        await create_vm(vcenter.connection, answer(vcenter, disks=(Disk(size_gb=2, datastore="gold"),)))
    with pytest.raises(ProvisioningFailed, match="no VM folder 'absent'"):
        await create_vm(vcenter.connection, answer(vcenter, folder="absent/deeper"))
    assert await vcenter.vms() == before


async def test_a_folder_is_found_by_path_and_by_id(vcenter: Vcenter) -> None:
    connection = vcenter.connection
    first = connection.object(_vim.VirtualMachine, await create_vm(connection, answer(vcenter)))
    root = await read(connection, first, "parent")
    made = await connection.call(lambda: root.CreateFolder("shops"))
    for folder in ("shops", made._moId):
        moid = await create_vm(connection, answer(vcenter, folder=folder))
        vm = connection.object(_vim.VirtualMachine, moid)
        assert (await read(connection, vm, "parent"))._moId == made._moId


@pytest.mark.parametrize("os", ["linux", "windows"])
async def test_the_customization_of_every_guest_is_taken(
    vcenter: Vcenter, os: Literal["linux", "windows"]
) -> None:
    guest = Guest(os=os, hostname="web", time_zone="Europe/Berlin", search_domains=("a.test",))
    moid = await create_vm(vcenter.connection, answer(vcenter, guest=guest, dual=True))
    wanted = {"10.7.0.5", "10.8.0.5"} | ({"2001:db8:7::5"} if vcenter.ours else set())
    assert await reported(vcenter, moid) >= wanted


async def test_a_place_the_vcenter_does_not_have_leaves_nothing(vcenter: Vcenter) -> None:
    before = await vcenter.vms()
    with pytest.raises(ProvisioningFailed):
        await create_vm(vcenter.connection, answer(vcenter, datacenter="datacenter-999999"))
    assert await vcenter.vms() == before


async def test_a_failure_after_creation_removes_the_vm(
    vcenter: Vcenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vCenter refuses a customization of fewer adapters than the VM has."""
    before = await vcenter.vms()

    def one_short(placed: VmCreatePlaced) -> Any:
        wanted = specification(placed)
        wanted.nicSettingMap = wanted.nicSettingMap[:1]
        return wanted

    monkeypatch.setattr("services.cli.provisioning.creating.specification", one_short)
    with pytest.raises(ProvisioningFailed, match=r"(?i)NicSettingM"):
        await create_vm(vcenter.connection, answer(vcenter))
    assert await vcenter.vms() == before


@pytest.mark.parametrize("step", ["creating", "customizing", "powering"])
async def test_a_caller_that_gives_up_leaves_nothing(vcenter: Vcenter, step: str) -> None:
    before = await vcenter.vms()
    work: asyncio.Task[str]

    def give_up(said: str, _percent: int) -> None:
        if said.startswith(step):
            work.cancel()

    work = asyncio.create_task(create_vm(vcenter.connection, answer(vcenter), on_progress=give_up))
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await vcenter.vms() == before


async def test_a_wrong_password_is_permanent_and_not_repeated_back() -> None:
    """G9."""
    async with simulated_vcenter(SimulatorSettings(port=0, vms=1, hosts=1)) as running:
        with pytest.raises(ProvisioningFailed, match="InvalidLogin") as raised:
            async with connect(running.url, user=running.settings.user, password="hunter2"):
                pass
    assert raised.value.code == "rejected_login"
    assert "hunter2" not in str(raised.value)


async def test_a_vcenter_that_goes_away_is_transient() -> None:
    async with simulated_vcenter(SimulatorSettings(port=0, vms=1, hosts=1)) as running:
        url = running.url
    with pytest.raises(VcenterOutOfSight):
        async with connect(url, user="anybody", password="anything"):
            pass
