"""Creating the VM of an answer, on the simulator and on govmomi's vcsim: as answered, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
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
from services.cli.provisioning.tasks import read
from services.placement.domain.answering import annotation
from services.placement.domain.rendering import rendered
from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from shared.events.inventory import VlanNone
from shared.events.placement import Guest, PlacedAddress, PlacedNic, PlacedWire, VmCreatePlaced

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
        yield Vcenter(connection, host, group, standard, uuid)


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


def answer(vcenter: Vcenter, *, datacenter: str | None = None) -> VmCreatePlaced:
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
    placed = VmCreatePlaced(
        request_id="order-1",
        reservation=reservation,
        name=f"web-{reservation.hex[:6]}",
        vcenter=uuid4(),
        host=vcenter.host._moId,
        host_name="esx",
        datacenter=datacenter,
        cpus=2,
        memory_mb=512,
        nics=(
            PlacedNic(index=0, wire=distributed, mac=MAC, addresses=(address("10.7.0.5", 24, "10.7.0.1"),)),
            PlacedNic(index=1, wire=standard, addresses=(address("10.8.0.5", 24),)),
        ),
        guest=Guest(hostname="web"),
        expires_at=now,
        annotation=annotation(reservation),
        explanation=(),
        facts_as_of=now,
    )
    return rendered(placed)


async def test_the_vm_is_made_exactly_as_answered(vcenter: Vcenter) -> None:
    placed = answer(vcenter)
    said: list[str] = []
    moid = await create_vm(vcenter.connection, placed, on_progress=said.append)
    vm = vcenter.connection.object(_vim.VirtualMachine, moid)

    async def value(path: str) -> Any:
        return await read(vcenter.connection, vm, path)

    assert await value("name") == placed.name
    assert (await value("runtime.host"))._moId == placed.host
    assert await value("runtime.powerState") == "poweredOn"
    assert await value("config.annotation") == placed.annotation
    assert (await value("config.hardware.numCPU"), await value("config.hardware.memoryMB")) == (2, 512)
    devices = await value("config.hardware.device")
    first, second = [device for device in devices if isinstance(device, _vim.vm.device.VirtualEthernetCard)]
    assert first.macAddress == MAC
    assert first.backing.port.portgroupKey == vcenter.distributed._moId
    assert second.backing.network._moId == vcenter.standard._moId
    assert second.macAddress != MAC
    assert len(said) == 3


async def test_the_guest_comes_up_with_the_answered_addresses(vcenter: Vcenter) -> None:
    """The customization was understood: Tools report what it says."""
    moid = await create_vm(vcenter.connection, answer(vcenter))
    vm = vcenter.connection.object(_vim.VirtualMachine, moid)
    async with asyncio.timeout(20):
        while not (nics := await read(vcenter.connection, vm, "guest.net")):  # noqa: ASYNC110  a vCenter has no Event
            await asyncio.sleep(0.05)
    reported = {nic.macAddress: set(nic.ipAddress) for nic in nics}
    assert "10.7.0.5" in reported[MAC]
    assert any("10.8.0.5" in addresses for addresses in reported.values())


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

    def give_up(said: str) -> None:
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
