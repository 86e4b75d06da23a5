"""The answer to a create-VM request: a place with all that belongs to it, or a refusal with its reasons."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Part, Timestamp
from shared.events.guest_configuration import GuestConfiguration
from shared.events.inventory import ForeignNetwork, Vlan
from shared.events.placement_parts import Label
from shared.events.placement_request import Adapter, Disk, Guest
from shared.events.subnet import Route
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress


class PlacedWire(Part):
    """The port group that a NIC is to be connected to."""

    id: UUID
    network: str
    name: str
    kind: Literal["standard", "distributed", "opaque"]
    vlan: Vlan
    switch_uuid: str | None = None
    portgroup_key: str | None = None
    binding: Literal["early", "late", "ephemeral"] | None = None
    foreign: ForeignNetwork | None = None
    """What NSX calls the network, where NSX keeps it."""


class Backing(Part):
    """What the NIC's device is backed by, in the vSphere API's words."""

    type: Literal[
        "VirtualEthernetCardNetworkBackingInfo",
        "VirtualEthernetCardDistributedVirtualPortBackingInfo",
        "VirtualEthernetCardOpaqueNetworkBackingInfo",
    ]
    device_name: str | None = None
    """Standard port groups: the network's name."""
    network: str | None = None
    """Standard port groups: the network's managed object id."""
    switch_uuid: str | None = None
    portgroup_key: str | None = None
    """Distributed port groups, with the switch's UUID."""
    opaque_network_id: str | None = None
    opaque_network_type: str | None = None
    """Opaque networks, with their id."""


class PlacedAddress(Part):
    """An address reserved for a NIC."""

    address: AddressText
    prefix: Annotated[int, Field(ge=0, le=128)]
    subnet: UUID
    subnet_name: str
    gateway: AddressText | None = None
    dns: tuple[AddressText, ...] = ()
    domain: str | None = None
    ntp: tuple[str, ...] = ()
    mtu: int | None = None
    routes: tuple[Route, ...] = ()


class PlacedNic(Part):
    """One NIC as it is to be made, in the order of the request."""

    index: Annotated[int, Field(ge=0)]
    wire: PlacedWire
    mac: MacAddress | None = None
    """None: vCenter chooses."""
    addresses: tuple[PlacedAddress, ...]
    """One, or one of each family."""
    adapter: Adapter = "vmxnet3"
    physical_function: str | None = None
    backing: Backing | None = None


class Ruling(Part):
    """One thing that a rule let through, chose, or ruled out, with the values it saw."""

    kind: Literal["host", "wire", "subnet", "address", "request"]
    id: str
    name: str
    rule: str
    """The rule's name, such as "memory"."""
    passed: bool
    because: str
    """For a person: "needs 64 GiB, 12 GiB free of 256 GiB"."""


class Alternate(Part):
    """A host that would have done as well, and how well: the next best first."""

    vcenter: UUID
    host: str
    host_name: str
    cluster_name: str | None = None
    score: float
    because: str


class AboutReservation(Event):
    """A request that was placed, and the reservation made for it."""

    request_id: str
    reservation: UUID

    def subject_of(self) -> str:
        return f"reservation/{self.reservation}"


class VmCreatePlaced(AboutReservation):
    """The answer: this host, these port groups, these addresses, held until `expires_at`."""

    TYPE: ClassVar[str] = "vm.create.placed"
    name: str
    vcenter: UUID
    host: str
    host_name: str
    datacenter: str | None = None
    cluster: str | None = None
    cluster_name: str | None = None
    resource_pool: str | None = None
    folder: str | None = None
    cpus: int
    memory_mb: int
    disks: tuple[Disk, ...] = ()
    nics: tuple[PlacedNic, ...]
    guest: Guest
    guest_configuration: GuestConfiguration | None = None
    """The guest's configuration, ready to use, by format."""
    expires_at: Timestamp
    token: int = 0
    """Fencing token: grows with each new holder. Commands that carry an older one are refused."""
    annotation: str
    """To be put into the VM's annotation, so that the VM is recognised by it."""
    name_was_free: bool = True
    """No VM of the vCenter had the name by then: only in this case may the VM be recognised by it."""
    groups: tuple[Label, ...] = ()
    """Groups that the VM belongs to, as they were asked for."""
    explanation: tuple[Ruling, ...]
    alternates: tuple[Alternate, ...] = ()
    facts_as_of: Timestamp
    """Up to when the vCenter's facts were known."""
    facts_age_seconds: float = 0.0
    """How old they were when it was decided."""
    batch: str | None = None
    """Id of the batch it was asked in."""

    def vcenter_of(self) -> UUID | None:
        return self.vcenter

    def subnet_of(self) -> UUID | None:
        return self.nics[0].addresses[0].subnet if self.nics and self.nics[0].addresses else None


class FactsSeen(Part):
    """What an answer went by of one vCenter."""

    vcenter: UUID
    name: str
    state: Literal["connected", "lost"]
    as_of: Timestamp | None = None
    """Up to when its facts were known; None: it was never read to the end."""
    age_seconds: float | None = None
    """How old they were when it was decided."""


class VmCreateRefused(Event):
    """The answer: no, and why."""

    TYPE: ClassVar[str] = "vm.create.refused"
    request_id: str
    reason: str
    """One sentence that sums up the rulings."""
    rulings: tuple[Ruling, ...]
    facts: tuple[FactsSeen, ...] = ()
    """How much of each vCenter was known; nothing where none was looked at."""
    batch: str | None = None

    def subject_of(self) -> str:
        return f"request/{self.request_id}"


class VmCreateBatchAnswered(Event):
    """The answer to a batch: every VM's own answer, with shorter explanations than its own event has."""

    TYPE: ClassVar[str] = "vm.create.batch.answered"
    batch_id: str
    mode: Literal["all_or_nothing", "as_many_as_fit"]
    reason: str
    """One sentence: how many were placed, and what ruled out the first that was not."""
    placed: tuple[VmCreatePlaced, ...] = ()
    refused: tuple[VmCreateRefused, ...] = ()

    def subject_of(self) -> str:
        return f"batch/{self.batch_id}"
