"""What the API shows of folders, datacenters, clusters and resource pools; and the table of all trees."""

from __future__ import annotations

from collections.abc import Callable

from services.simulator.inventory.entities import Cluster, Datacenter, Entity, Folder, ResourcePool
from services.simulator.inventory.host_properties import DATASTORE, HOST
from services.simulator.inventory.hosts import Datastore
from services.simulator.inventory.machine_properties import MACHINE
from services.simulator.inventory.network_properties import NETWORK, PORT_GROUP, SWITCH
from services.simulator.inventory.networks import Network
from services.simulator.inventory.trees import AnyTree, Getter, Node, Tree
from services.simulator.soap.values import Array, Data, Enum, Long, Short, Value, refs, strings

_GREEN = Enum("ManagedEntityStatus", "green")


def _parent(entity: Entity) -> Value:
    return entity.parent.ref if entity.parent else None


_ENTITY: dict[str, Getter[Entity]] = {
    "parent": _parent,
    "overallStatus": lambda _: _GREEN,
    "configStatus": lambda _: _GREEN,
    "name": lambda entity: entity.name,
}

FOLDER: Tree[Folder] = Tree(
    "Folder",
    {
        **_ENTITY,
        "childType": lambda folder: strings(folder.child_types),
        "childEntity": lambda folder: refs([child.ref for child in folder.child_entities.values()]),
    },
)


def _below(folder: Callable[[Datacenter], Folder], kind: type[Entity]) -> Getter[Datacenter]:
    def read(datacenter: Datacenter) -> Value:
        found = folder(datacenter).child_entities.values()
        return refs([child.ref for child in found if isinstance(child, kind)])

    return read


DATACENTER: Tree[Datacenter] = Tree(
    "Datacenter",
    {
        **_ENTITY,
        "vmFolder": lambda dc: dc.vm_folder.ref,
        "hostFolder": lambda dc: dc.host_folder.ref,
        "datastoreFolder": lambda dc: dc.datastore_folder.ref,
        "networkFolder": lambda dc: dc.network_folder.ref,
        "datastore": _below(lambda dc: dc.datastore_folder, Datastore),
        "network": _below(lambda dc: dc.network_folder, Network),
        "configuration": lambda _: Data("DatacenterConfigInfo"),
    },
)


def _able(cluster: Cluster) -> int:
    return sum(h.connection == "connected" and not h.maintenance for h in cluster.hosts.values())


def _summary(type_: str, **more: Getter[Cluster]) -> Node[Cluster]:
    fields: dict[str, Getter[Cluster]] = {
        "totalCpu": lambda c: sum(h.cpu_cores * h.cpu_mhz for h in c.hosts.values()),
        "totalMemory": lambda c: Long(sum(h.memory for h in c.hosts.values())),
        "numCpuCores": lambda c: Short(sum(h.cpu_cores for h in c.hosts.values())),
        "numCpuThreads": lambda c: Short(2 * sum(h.cpu_cores for h in c.hosts.values())),
        "effectiveCpu": lambda c: sum(h.cpu_cores * h.cpu_mhz for h in c.hosts.values()),
        "effectiveMemory": lambda c: Long(sum(h.memory for h in c.hosts.values()) // 2**20),
        "numHosts": lambda c: len(c.hosts),
        "numEffectiveHosts": _able,
        "overallStatus": lambda _: _GREEN,
    }
    return Node(type_, {**fields, **more})


CLUSTER: Tree[Cluster] = Tree(
    "ClusterComputeResource",
    {
        **_ENTITY,
        "resourcePool": lambda c: c.pool.ref,
        "host": lambda c: refs([host.ref for host in c.hosts.values()]),
        "datastore": lambda c: refs([datastore.ref for datastore in c.datastores]),
        "network": lambda c: refs([network.ref for network in c.networks()]),
        # The property is declared with the base type; vCenter fills in the cluster's.
        "summary": _summary(
            "ClusterComputeResourceSummary", currentFailoverLevel=lambda _: 1, numVmotions=lambda _: 0
        ),
    },
)

POOL: Tree[ResourcePool] = Tree(
    "ResourcePool",
    {
        **_ENTITY,
        "owner": lambda pool: pool.owner.ref,
        "resourcePool": lambda pool: refs([child.ref for child in pool.pools.values()]),
        "vm": lambda pool: refs([vm.ref for vm in pool.vms.values()]),
        "runtime": lambda _: Data("ResourcePoolRuntimeInfo", overallStatus=_GREEN),
        "childConfiguration": lambda _: Array("ResourceConfigSpec", ()),
    },
)

TREES: dict[str, AnyTree] = {
    tree.kind: tree
    for tree in (
        FOLDER, DATACENTER, CLUSTER, POOL, HOST, DATASTORE, NETWORK, PORT_GROUP, SWITCH, MACHINE,
    )
}  # fmt: skip
"""Property trees of the inventory's kinds by wire name."""
