"""A small vSphere client on pyVmomi: reads, watches, and a mirror that applies updates as the API says."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import pyVmomi.SoapAdapter
from pyVim import connect as pyvim_connect
from pyVim import task as pyvim_task

from services.simulator.app import RunningSimulator

# pyVmomi builds its types at run time, so its stubs know some of their members only.
vim: Any = pyVmomi.vim
vmodl: Any = pyVmomi.vmodl
connect: Any = pyvim_connect
soap_stub: Any = pyVmomi.SoapAdapter.SoapStubAdapter
wait_for_task: Any = pyvim_task.WaitForTask
PC = vmodl.query.PropertyCollector
WANT: dict[Any, list[str]] = {
    vim.VirtualMachine: [
        "name", "config.uuid", "config.instanceUuid", "config.template", "config.annotation",
        "config.hardware.device", "config.hardware.numCPU", "config.hardware.memoryMB",
        "guest.net", "guest.ipStack", "guest.ipAddress", "guest.hostName", "guest.toolsRunningStatus",
        "runtime.host", "runtime.powerState", "runtime.connectionState", "network", "resourcePool",
    ],
    vim.HostSystem: [
        "name", "parent", "runtime.connectionState", "runtime.inMaintenanceMode", "config.network.vswitch",
        "config.network.proxySwitch", "config.network.portgroup", "config.network.pnic",
        "config.network.vnic", "config.virtualNicManagerInfo.netConfig", "summary.hardware.memorySize",
        "network", "vm",
    ],
    vim.Network: ["name", "summary", "host", "vm"],
    vim.dvs.DistributedVirtualPortgroup: ["key", "config", "portKeys"],
    vim.dvs.VmwareDistributedVirtualSwitch: ["name", "uuid", "config", "summary.hostMember", "portgroup"],
}  # fmt: skip
Mirror = dict[str, dict[str, str]]
"""By object id and property path: the value as pyVmomi prints it."""


class Client:
    """One login."""

    def __init__(
        self,
        simulator: RunningSimulator,
        *,
        user: str = "administrator@vsphere.local",
        password: str = "vmware",  # noqa: S107  the simulator's default
        ca_file: str | None = None,
    ) -> None:
        # Without a context of ours pyVmomi verifies nothing on loopback.
        context = ssl.create_default_context(cafile=ca_file) if simulator.scheme == "https" else None
        self.instance = connect.SmartConnect(
            protocol=simulator.scheme,
            host=simulator.host,
            port=simulator.port,
            user=user,
            pwd=password,
            sslContext=context,
        )
        self.content = self.instance.RetrieveServiceContent()
        self.collector = self.content.propertyCollector

    def close(self) -> None:
        with contextlib.suppress(vmodl.MethodFault, OSError):
            connect.Disconnect(self.instance)

    def view(self, *types: Any) -> Any:
        """A container view on everything of some types."""
        return self.content.viewManager.CreateContainerView(self.content.rootFolder, list(types), True)

    def filter_spec(self, view: Any, want: dict[Any, list[str]]) -> Any:
        step = PC.TraversalSpec(name="v", type=type(view), path="view", skip=False)
        return PC.FilterSpec(
            objectSet=[PC.ObjectSpec(obj=view, skip=True, selectSet=[step])],
            propSet=[PC.PropertySpec(type=kind, pathSet=paths) for kind, paths in want.items()],
        )

    def watch(self, want: dict[Any, list[str]] | None = None, *, partial: bool = False) -> Any:
        """A filter on everything of the types in `want`."""
        wanted = want or WANT
        return self.collector.CreateFilter(self.filter_spec(self.view(*wanted), wanted), partial)

    def read(self, want: dict[Any, list[str]] | None = None, page: int | None = None) -> Mirror:
        """A full read with RetrievePropertiesEx."""
        wanted = want or WANT
        spec = self.filter_spec(self.view(*wanted), wanted)
        result = self.collector.RetrievePropertiesEx([spec], PC.RetrieveOptions(maxObjects=page))
        mirror: Mirror = {}
        while result is not None:
            for found in result.objects:
                assert found.obj._moId not in mirror, "an object came twice"
                mirror[found.obj._moId] = {p.name: as_text(p.val) for p in found.propSet}
            if not result.token:
                break
            result = self.collector.ContinueRetrievePropertiesEx(result.token)
        return mirror

    def wait(self, version: str, seconds: int = 10, objects: int | None = None) -> Any:
        """One WaitForUpdatesEx."""
        return self.collector.WaitForUpdatesEx(
            version, PC.WaitOptions(maxWaitSeconds=seconds, maxObjectUpdates=objects)
        )

    def follow(self, mirror: Watched, objects: int | None = None) -> int:
        """Apply everything there is up to now; returns how many pages it took."""
        pages = 0
        while True:
            update = self.wait(mirror.version, 0, objects)
            if update is None:
                return pages
            pages += 1
            mirror.apply(update)
            if not update.truncated and pages > 50:
                raise AssertionError("updates never end")

    def task(self, task: Any) -> Any:
        """The result of a finished task; raises its fault."""
        info = task.info
        assert info.state in {"success", "error"}, info.state
        if info.state == "error":
            raise info.error
        return info.result


class Watched:
    """What a client knows from updates alone, with whole and indexed changes applied."""

    def __init__(self) -> None:
        self.version = ""
        self.values: dict[str, dict[str, Any]] = {}

    def apply(self, update: Any) -> None:
        self.version = update.version
        for part in update.filterSet:
            for change in part.objectSet:
                self._object(change)

    def _object(self, change: Any) -> None:
        moid = change.obj._moId
        if change.kind == "leave":
            assert moid in self.values, f"{moid} left, and was not there"
            del self.values[moid]
            return
        assert (change.kind == "enter") == (moid not in self.values), f"{change.kind} of {moid}"
        held = self.values.setdefault(moid, {})
        for item in change.changeSet:
            self._property(held, item)

    def _property(self, held: dict[str, Any], item: Any) -> None:
        whole = next((name for name in held if item.name.startswith(name + ".")), None)
        if whole is not None:
            *path, last = item.name.removeprefix(whole + ".").split(".")
            target = held[whole]
            for part in path:
                target = getattr(target, part)
            setattr(target, last, item.val)
        elif "[" not in item.name:
            if item.op == "assign" and item.val is not None:
                held[item.name] = item.val
            else:
                held.pop(item.name, None)
        else:
            self._element(held, item)

    def _element(self, held: dict[str, Any], item: Any) -> None:
        array, rest = item.name.split("[", 1)
        key_text, below = rest.split("]", 1)
        items = held[array]
        at = next((n for n, device in enumerate(items) if device.key == int(key_text)), None)
        if item.op == "remove":
            assert at is not None, f"{item.name} was removed, and was not there"
            del items[at]
        elif below:
            assert at is not None, f"{item.name} was assigned below nothing"
            setattr(items[at], below.removeprefix("."), item.val)
        elif item.op == "add":
            assert at is None, f"{item.name} was added, and was there"
            items.append(item.val)
        else:
            assert at is not None, f"{item.name} was assigned, and was not there"
            items[at] = item.val

    def mirror(self) -> Mirror:
        return {
            moid: {name: as_text(value) for name, value in held.items()} for moid, held in self.values.items()
        }


def as_text(value: Any) -> str:
    """A value in a form that compares: pyVmomi prints every field of it."""
    return repr(value)
