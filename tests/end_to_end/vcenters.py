"""Hands on a vCenter: govmomi's vcsim through its API alone, our simulator also through its controls."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from pyVim import connect
from pyVmomi import vim as pyvmomi_vim

# pyVmomi is typed only in part: as a stranger's client it may stay untyped here.
vim: Any = pyvmomi_vim
pyvim: Any = connect


@dataclass(frozen=True)
class Machine:
    """A VM as the vCenter has it; `network` is the port group of its first NIC, `device_key` that NIC."""

    moid: str
    name: str
    network: str
    device_key: int


class VcenterHands(Protocol):
    """What the scenario does to a vCenter, and what it looks up there."""

    url: str
    user: str
    password: str

    def logged_in(self) -> AbstractContextManager[Any]:
        """The service instance, for what there is no method for. Blocks."""
        ...

    async def machines(self) -> list[Machine]:
        """VMs that are powered on and have at least one NIC."""
        ...

    async def set_address(self, machine: Machine, address: str) -> None:
        """Let the guest's Tools report `address` on the first NIC."""
        ...

    async def destroy(self, machine: Machine) -> None:
        """Power off and delete."""
        ...


class _OverTheApi:
    """Log in for each action: slow, and free of any state that could hide a mistake."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self.user, self.password = url, user, password

    async def machines(self) -> list[Machine]:
        return await asyncio.to_thread(self._machines)

    async def destroy(self, machine: Machine) -> None:
        await asyncio.to_thread(self._destroy, machine)

    @contextmanager
    def logged_in(self) -> Iterator[Any]:
        parts = urlsplit(self.url)
        instance = pyvim.SmartConnect(
            protocol=parts.scheme,
            host=parts.hostname,
            port=parts.port,
            user=self.user,
            pwd=self.password,
        )
        try:
            yield instance
        finally:
            pyvim.Disconnect(instance)

    def _machines(self) -> list[Machine]:
        with self.logged_in() as instance:
            content = instance.RetrieveContent()
            view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
            found = [_machine_of(vm) for vm in view.view]
            return [machine for machine in found if machine is not None]

    def _destroy(self, machine: Machine) -> None:
        with self.logged_in() as instance:
            vm = vim.VirtualMachine(machine.moid, instance._stub)
            if vm.runtime.powerState == "poweredOn":
                _finish(vm.PowerOffVM_Task())
            _finish(vm.Destroy_Task())


def _machine_of(vm: Any) -> Machine | None:
    if vm.runtime.powerState != "poweredOn" or vm.config.template:
        return None
    for device in vm.config.hardware.device:
        if isinstance(device, vim.vm.device.VirtualEthernetCard):
            backing: Any = device.backing
            port = getattr(backing, "port", None)
            network = port.portgroupKey if port else backing.network._moId
            return Machine(vm._moId, vm.name, network, device.key)
    return None


def _finish(task: Any, patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while (state := task.info.state) not in {"success", "error"}:
        assert time.monotonic() < deadline, f"task is still {state}"
        time.sleep(0.05)
    assert state == "success", task.info.error


class VcsimHands(_OverTheApi):
    """govmomi's simulator: a guest's address is an extraConfig entry with a special name."""

    async def set_address(self, machine: Machine, address: str) -> None:
        await asyncio.to_thread(self._set_address, machine, address)

    def _set_address(self, machine: Machine, address: str) -> None:
        with self.logged_in() as instance:
            vm = vim.VirtualMachine(machine.moid, instance._stub)
            entries = {
                "SET.guest.toolsRunningStatus": "guestToolsRunning",
                "SET.guest.ipAddress": address,
            }
            config = [vim.option.OptionValue(key=key, value=value) for key, value in entries.items()]
            _finish(vm.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=config)))


class SimulatorHands(_OverTheApi):
    """Our simulator: guests are moved by its control interface, the rest goes through the API."""

    async def set_address(self, machine: Machine, address: str) -> None:
        await asyncio.to_thread(
            self._control,
            "set_guest_addresses",
            {
                "vm": machine.moid,
                "device_key": machine.device_key,
                "addresses": [[address, 24, "manual", "preferred"]],
            },
        )

    def _control(self, operation: str, arguments: dict[str, Any]) -> None:
        parts = urlsplit(self.url)
        request = urllib.request.Request(  # noqa: S310  always a loopback address of ours
            f"{parts.scheme}://{parts.netloc}/control/{operation}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()
