"""What every managed object has, and the plain containers: folders, datacenters, clusters, pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from services.simulator.soap.values import Ref

if TYPE_CHECKING:
    from services.simulator.inventory.hosts import Datastore, Host
    from services.simulator.inventory.machines import VirtualMachine
    from services.simulator.inventory.networks import Network

MANAGED_ENTITY = ("ManagedEntity", "ExtensibleManagedObject")


class Change(NamedTuple):
    """One recorded change of a property. `op` is a PropertyChangeOp: assign, add or remove."""

    version: int
    path: str
    op: str


class Entity:
    """A managed object: id, name, place in the tree, and its recent changes."""

    kind: ClassVar[str] = ""
    """Wire name of its type."""
    bases: ClassVar[tuple[str, ...]] = MANAGED_ENTITY
    """Wire names of the types it also counts as, in views, property and traversal specs."""
    mirrors: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Paths that show the same as another, and so change with it."""

    def __init__(self, moid: str, name: str, parent: Entity | None) -> None:
        self.moid = moid
        self.name = name
        self.parent = parent
        self.changes: list[Change] = []
        self.alive = True

    @property
    def ref(self) -> Ref:
        """The reference that clients use for it."""
        return Ref(self.kind, self.moid)

    def counts_as(self, kind: str) -> bool:
        """Whether the object is of the type with that wire name, or of one derived from it."""
        return kind == self.kind or kind in self.bases or kind == "ManagedObject"

    def children(self) -> list[Entity]:
        """The objects below it in the inventory tree, as container views walk it."""
        return []

    def __repr__(self) -> str:
        return f"<{self.kind} {self.moid} {self.name!r}>"


class Folder(Entity):
    """A folder; `child_types` are the wire names of what it may hold."""

    kind = "Folder"

    def __init__(self, moid: str, name: str, parent: Entity | None, child_types: tuple[str, ...]) -> None:
        super().__init__(moid, name, parent)
        self.child_types = child_types
        self.child_entities: dict[str, Entity] = {}

    def children(self) -> list[Entity]:
        return list(self.child_entities.values())


class Datacenter(Entity):
    """A datacenter with its four folders."""

    kind = "Datacenter"
    vm_folder: Folder
    host_folder: Folder
    datastore_folder: Folder
    network_folder: Folder

    def __init__(self, moid: str, name: str, parent: Folder) -> None:
        super().__init__(moid, name, parent)

    def children(self) -> list[Entity]:
        return [self.vm_folder, self.host_folder, self.datastore_folder, self.network_folder]


class Cluster(Entity):
    """A cluster: hosts that share a root resource pool."""

    kind = "ClusterComputeResource"
    bases = ("ComputeResource", *MANAGED_ENTITY)
    pool: ResourcePool

    def __init__(self, moid: str, name: str, parent: Folder, datacenter: Datacenter) -> None:
        super().__init__(moid, name, parent)
        self.datacenter = datacenter
        self.hosts: dict[str, Host] = {}
        self.datastores: list[Datastore] = []

    def networks(self) -> list[Network]:
        """Every network that one of its hosts sees."""
        seen: dict[str, Network] = {}
        for host in self.hosts.values():
            seen.update(host.networks)
        return list(seen.values())

    def children(self) -> list[Entity]:
        return [self.pool, *self.hosts.values()]


class ResourcePool(Entity):
    """A resource pool; the VMs in it are kept here."""

    kind = "ResourcePool"

    def __init__(self, moid: str, name: str, parent: Entity, owner: Cluster) -> None:
        super().__init__(moid, name, parent)
        self.owner = owner
        self.pools: dict[str, ResourcePool] = {}
        self.vms: dict[str, VirtualMachine] = {}

    def children(self) -> list[Entity]:
        return list(self.pools.values())
