"""What a provisioning system asks for: one VM, or a batch of them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from shared.events.base import Event, Part, Timestamp
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
