"""The create-VM conversation: request, answer, and what becomes of the reservation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from shared.events.base import Event, Part, Timestamp
from shared.events.guest_configuration import GuestConfiguration
from shared.events.inventory import Vlan
from shared.events.placement_parts import (
    DomainName,
    HostName,
    Label,
    LabelValue,
    Suffix,
    TimeZone,
    check_guest,
    check_nic,
    plain_name,
    unrepeated,
)
from shared.events.subnet import Route
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress

Adapter = Literal["vmxnet3", "vmxnet2", "vmxnet", "e1000e", "e1000", "pcnet32", "sriov"]
"""Kind of a virtual network device; passed through to the answer."""


class NicRequest(Part):
    """One NIC of the VM to be made: name a subnet, or a wire, or neither (any auto-allocating subnet)."""

    subnet: str | None = None
    """Id or name of a subnet (a name is looked up in `scope`)."""
    wire: str | None = None
    """Id, managed object id or name of a wire; its subnets are then considered."""
    scope: str = "default"
    family: Literal["ipv4", "ipv6", "dual"] | None = None
    """"dual": one address of each family, from two subnets on the same wire. None: one, of either family."""
    address: AddressText | None = None
    """A wanted address; refused when it is not free."""
    suffix: Suffix | None = None
    """A wanted host part: a number to add to the subnet's first address. ".17" and "::11" are 17, too."""
    second_subnet: str | None = None
    """Dual only: id or name of the subnet of the other family; by default any on the same wire."""
    second_address: AddressText | None = None
    """Dual only: the wanted address of the other family."""
    mac: MacAddress | Literal["generated", "vcenter"] = "generated"
    """A given MAC, one of ours from VMware's static range, or left to vCenter."""
    labels: dict[Label, LabelValue] = Field(default_factory=dict)
    """Labels that the subnet must have."""
    adapter: Adapter = "vmxnet3"
    physical_function: str | None = None
    """SR-IOV only: PCI address of the physical function, passed through."""

    @model_validator(mode="after")
    def _agrees(self) -> NicRequest:
        check_nic(self)
        return self


class Peer(Part):
    """A VM, or a group of VMs, to be near to or far from. Exactly one of `vm` and `group`."""

    vm: str | None = None
    """Id, managed object id or name."""
    group: str | None = None
    """A name that requests give in `groups`. A group without VMs asks for nothing."""
    level: Literal["host", "cluster"] = "host"
    required: bool = True
    """False: weighed, and no reason to refuse."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Peer:
        if (self.vm is None) == (self.group is None):
            raise ValueError("give a vm or a group, exactly one of them")
        return self


class Where(Part):
    """Constraints on the host, each by managed object id or name."""

    vcenter: UUID | None = None
    datacenter: str | None = None
    cluster: str | None = None
    host: str | None = None
    resource_pool: str | None = None
    """Managed object id. A root pool restricts the hosts to its cluster; another one is passed through."""
    folder: str | None = None
    """Passed through: facts do not describe folders."""
    required_labels: dict[Label, LabelValue] = Field(default_factory=dict)
    """Labels that the host, its cluster or its vCenter has by the policy file."""
    preferred_labels: dict[Label, LabelValue] = Field(default_factory=dict)
    affinity: Annotated[tuple[Peer, ...], Field(max_length=20)] = ()
    anti_affinity: Annotated[tuple[Peer, ...], Field(max_length=20)] = ()


class Guest(Part):
    """What the guest is to be told about itself."""

    hostname: HostName | None = None
    os: Literal["linux", "windows"] = "linux"
    search_domains: tuple[DomainName, ...] = ()
    dns: tuple[AddressText, ...] = ()
    """Instead of the subnets' name servers."""
    domain: DomainName | None = None
    """Instead of the subnets' domain, and of one in `hostname`."""
    ntp: tuple[str, ...] = ()
    """Instead of the subnets' time servers."""
    time_zone: TimeZone | None = None
    """IANA name, such as "Europe/Berlin"."""

    @model_validator(mode="after")
    def _agrees(self) -> Guest:
        check_guest(self)
        return self


class Disk(Part):
    """A disk need. Passed through: facts do not describe datastores, so free space is not checked."""

    size_gb: Annotated[int, Field(ge=1, le=65536)]
    datastore: str | None = None
    thin: bool = True


class VmCreateRequested(Event):
    """Where can this VM go, and with which addresses? Asked by a provisioning system."""

    TYPE: ClassVar[str] = "vm.create.requested"
    request_id: Annotated[str, Field(min_length=1, max_length=200)]
    """The caller's idempotency key: the same id gets the same answer."""
    name: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(plain_name)]
    cpus: Annotated[int, Field(ge=1, le=1024)]
    memory_mb: Annotated[int, Field(ge=4, le=33554432)]
    disks: Annotated[tuple[Disk, ...], Field(max_length=60)] = ()
    nics: Annotated[tuple[NicRequest, ...], Field(min_length=1, max_length=10)]
    """In the order of the VM's devices."""
    where: Where = Where()
    guest: Guest = Guest()
    groups: Annotated[tuple[Label, ...], Field(max_length=20)] = ()
    """Groups that the VM belongs to, for the affinity of others and its own."""
    lease_seconds: Annotated[int, Field(ge=10, le=604800)] = 900
    """How long the reservation waits for its confirmation."""
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """Of requests that wait at the same time the higher is decided first."""
    deadline: Timestamp | None = None
    """An answer later than this is of no use: the request is then refused."""

    def subject_of(self) -> str:
        return f"request/{self.request_id}"

    def vcenter_of(self) -> UUID | None:
        return self.where.vcenter


class VmCreateBatchRequested(Event):
    """Many VMs at once: all or nothing, or as many as fit. Each has a request id and an answer of its own."""

    TYPE: ClassVar[str] = "vm.create.batch.requested"
    batch_id: Annotated[str, Field(min_length=1, max_length=200)]
    """The caller's idempotency key of the whole."""
    mode: Literal["all_or_nothing", "as_many_as_fit"] = "all_or_nothing"
    requests: Annotated[
        tuple[VmCreateRequested, ...], Field(min_length=1, max_length=100), AfterValidator(unrepeated)
    ]

    def subject_of(self) -> str:
        return f"batch/{self.batch_id}"


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


class Backing(Part):
    """What the NIC's device is backed by, in the vSphere API's words."""

    type: Literal[
        "VirtualEthernetCardNetworkBackingInfo",
        "VirtualEthernetCardDistributedVirtualPortBackingInfo",
    ]
    device_name: str | None = None
    """Standard port groups: the network's name."""
    network: str | None = None
    """Standard port groups: the network's managed object id."""
    switch_uuid: str | None = None
    portgroup_key: str | None = None


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


class _AboutRequest(Event):
    request_id: str
    reservation: UUID

    def subject_of(self) -> str:
        return f"reservation/{self.reservation}"


class VmCreatePlaced(_AboutRequest):
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


class VmCreateRefused(Event):
    """The answer: no, and why."""

    TYPE: ClassVar[str] = "vm.create.refused"
    request_id: str
    reason: str
    """One sentence that sums up the rulings."""
    rulings: tuple[Ruling, ...]
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


class BoundPort(Part):
    """A reserved NIC, and the device of the VM that it became."""

    index: int
    device_key: int
    wire: UUID
    mac: MacAddress | None = None
    addresses: tuple[PlacedAddress, ...]


class VmCreateConfirmed(_AboutRequest):
    """The VM exists; its NIC records follow. Order says which fact about the VM showed it."""

    TYPE: ClassVar[str] = "vm.create.confirmed"
    vcenter: UUID
    vm: UUID
    vm_moid: str
    vm_name: str
    recognised_by: Literal["annotation", "mac", "name", "command"]
    ports: tuple[BoundPort, ...]
    confirmed_at: Timestamp

    def vcenter_of(self) -> UUID | None:
        return self.vcenter


class VmCreateExtended(_AboutRequest):
    """Somebody asked for more time. With a token the asker holds the reservation now, under a new one."""

    TYPE: ClassVar[str] = "vm.create.extended"
    expires_at: Timestamp
    token: int


class NicCheck(Part):
    """What a NIC's guest uses, beside what was reserved for it."""

    index: int
    reserved: tuple[AddressText, ...]
    seen: tuple[AddressText, ...]
    """Addresses on the port, as Tools tell them, without link-local ones."""


class _Checked(_AboutRequest):
    vcenter: UUID
    vm: UUID
    vm_moid: str
    nics: tuple[NicCheck, ...]
    checked_at: Timestamp

    def vcenter_of(self) -> UUID | None:
        return self.vcenter


class VmCreateVerified(_Checked):
    """Tools report every reserved address on its NIC: the VM is as it was answered."""

    TYPE: ClassVar[str] = "vm.create.verified"


class VmCreateDrifted(_Checked):
    """Tools report other addresses than reserved; both are named. Said again only when it changes."""

    TYPE: ClassVar[str] = "vm.create.drifted"


class VmCreateCancelled(_AboutRequest):
    """Somebody took the request back; host and addresses are free again."""

    TYPE: ClassVar[str] = "vm.create.cancelled"
    note: str | None = None


class VmCreateExpired(_AboutRequest):
    """Nobody confirmed in time; host and addresses are free again."""

    TYPE: ClassVar[str] = "vm.create.expired"
    expired_at: Timestamp
