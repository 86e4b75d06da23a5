"""What the API shows of a host, save its network (host_network.py), and of a datastore."""

from __future__ import annotations

from services.simulator.inventory.host_network import NETWORK, nic_roles
from services.simulator.inventory.hosts import Datastore, Host
from services.simulator.inventory.trees import Node, Tree
from services.simulator.soap.values import Data, Enum, Long, Ref, Short, Value, refs

_GREEN = Enum("ManagedEntityStatus", "green")
_RED = Enum("ManagedEntityStatus", "red")
VENDOR, MODEL, CPU = "Example Systems", "Rack 2U", "Example CPU @ 2.40GHz"


def _status(host: Host) -> Value:
    return _GREEN if host.connection == "connected" else _RED


def _product() -> Data:
    return Data(
        "AboutInfo",
        name="VMware ESXi",
        fullName="VMware ESXi 8.0.3 build-24022510",
        vendor="VMware, Inc.",
        version="8.0.3",
        build="24022510",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion="8.0.3.0",
    )


RUNTIME: Node[Host] = Node(
    "HostRuntimeInfo",
    {
        "connectionState": lambda host: Enum("HostSystemConnectionState", host.connection),
        "powerState": lambda host: Enum(
            "HostSystemPowerState", "poweredOn" if host.connection == "connected" else "unknown"
        ),
        "inMaintenanceMode": lambda host: host.maintenance,
        "inQuarantineMode": lambda _: False,
    },
)

SUMMARY: Node[Host] = Node(
    "HostListSummary",
    {
        "host": lambda host: host.ref,
        "hardware": Node(
            "HostHardwareSummary",
            {
                "vendor": lambda _: VENDOR,
                "model": lambda _: MODEL,
                "uuid": lambda host: host.uuid,
                "memorySize": lambda host: Long(host.memory),
                "cpuModel": lambda _: CPU,
                "cpuMhz": lambda host: host.cpu_mhz,
                "numCpuPkgs": lambda _: Short(2),
                "numCpuCores": lambda host: Short(host.cpu_cores),
                "numCpuThreads": lambda host: Short(host.cpu_cores * 2),
                "numNics": lambda host: len(host.pnics),
                "numHBAs": lambda _: 2,
            },
        ),
        "runtime": RUNTIME,
        "config": Node(
            "HostConfigSummary",
            {
                "name": lambda host: host.name,
                "port": lambda _: 443,
                "product": lambda _: _product(),
                "vmotionEnabled": lambda _: True,
                "faultToleranceEnabled": lambda _: False,
            },
        ),
        "quickStats": Node(
            "HostListSummaryQuickStats",
            {
                "overallCpuUsage": lambda host: 100 * len(host.vms),
                "overallMemoryUsage": lambda host: 512 * len(host.vms),
            },
        ),
        "overallStatus": _status,
        "rebootRequired": lambda _: False,
        "managementServerIp": lambda _: "192.0.2.10",
    },
)

HOST: Tree[Host] = Tree(
    "HostSystem",
    {
        "parent": lambda host: host.cluster.ref,
        "overallStatus": _status,
        "configStatus": lambda _: _GREEN,
        "name": lambda host: host.name,
        "runtime": RUNTIME,
        "summary": SUMMARY,
        "hardware": Node(
            "HostHardwareInfo",
            {
                "systemInfo": Node(
                    "HostSystemInfo",
                    {"vendor": lambda _: VENDOR, "model": lambda _: MODEL, "uuid": lambda host: host.uuid},
                ),
                "memorySize": lambda host: Long(host.memory),
            },
        ),
        "configManager": lambda host: Data(
            "HostConfigManager",
            networkSystem=Ref("HostNetworkSystem", f"networkSystem-{host.moid.removeprefix('host-')}"),
        ),
        "config": Node(
            "HostConfigInfo",
            {
                "host": lambda host: host.ref,
                "product": lambda _: _product(),
                "network": NETWORK,
                "virtualNicManagerInfo": Node("HostVirtualNicManagerInfo", {"netConfig": nic_roles}),
            },
        ),
        "vm": lambda host: refs([vm.ref for vm in host.vms.values()]),
        "datastore": lambda host: refs([datastore.ref for datastore in host.datastores]),
        "network": lambda host: refs([network.ref for network in host.networks.values()]),
    },
)

DATASTORE: Tree[Datastore] = Tree(
    "Datastore",
    {
        "parent": lambda ds: ds.parent.ref if ds.parent else None,
        "overallStatus": lambda _: _GREEN,
        "name": lambda ds: ds.name,
        "summary": Node(
            "DatastoreSummary",
            {
                "datastore": lambda ds: ds.ref,
                "name": lambda ds: ds.name,
                "url": lambda ds: f"ds:///vmfs/volumes/{ds.moid}/",
                "capacity": lambda ds: Long(ds.capacity),
                "freeSpace": lambda ds: Long(ds.capacity // 2),
                "accessible": lambda _: True,
                "multipleHostAccess": lambda _: True,
                "type": lambda _: "VMFS",
                "maintenanceMode": lambda _: "normal",
            },
        ),
        "vm": lambda ds: refs([vm.ref for vm in ds.vms.values()]),
    },
)
