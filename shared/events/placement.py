"""The create-VM conversation: request, answer, and what becomes of the reservation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, model_validator

from shared.events.base import Event, Part, Timestamp
from shared.events.inventory import Vlan
from shared.events.subnet import Route
from shared.model.addresses import AddressText
from shared.model.mac import MacAddress


class NicRequest(Part):
    """One NIC of the VM to be made: name a subnet, or a wire, or neither (any auto-allocating subnet)."""

    subnet: str | None = None
    """Id or name of a subnet (a name is looked up in `scope`)."""
    wire: str | None = None
    """Id, managed object id or name of a wire; its subnets are then considered."""
    scope: str = "default"
    family: Literal["ipv4", "ipv6"] | None = None
    address: AddressText | None = None
    """A wanted address; refused when it is not free."""
    mac: MacAddress | Literal["generated", "vcenter"] = "generated"
    """A given MAC, one of ours from VMware's static range, or left to vCenter."""
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_target(self) -> NicRequest:
        if self.subnet is not None and self.wire is not None:
            raise ValueError("give a subnet or a wire, not both")
        return self


class Where(Part):
    """Constraints on the host, each by managed object id or name."""

    vcenter: UUID | None = None
    datacenter: str | None = None
    cluster: str | None = None
    host: str | None = None


class Guest(Part):
    """What the guest is to be told about itself."""

    hostname: str | None = None
    os: Literal["linux", "windows"] = "linux"
    search_domains: tuple[str, ...] = ()


class VmCreateRequested(Event):
    """Where can this VM go, and with which addresses? Asked by a provisioning system."""

    TYPE: ClassVar[str] = "vm.create.requested"
    request_id: Annotated[str, Field(min_length=1, max_length=200)]
    """The caller's idempotency key: the same id gets the same answer."""
    name: Annotated[str, Field(min_length=1, max_length=80)]
    cpus: Annotated[int, Field(ge=1, le=1024)]
    memory_mb: Annotated[int, Field(ge=4, le=33554432)]
    nics: Annotated[tuple[NicRequest, ...], Field(min_length=1, max_length=10)]
    where: Where = Where()
    guest: Guest = Guest()
    lease_seconds: Annotated[int, Field(ge=10, le=604800)] = 900
    """How long the reservation waits for its confirmation."""

    def subject_of(self) -> str:
        return f"request/{self.request_id}"

    def vcenter_of(self) -> UUID | None:
        return self.where.vcenter


class PlacedWire(Part):
    """The port group that a NIC is to be connected to."""

    id: UUID
    network: str
    name: str
    kind: Literal["standard", "distributed", "opaque"]
    vlan: Vlan
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
    cpus: int
    memory_mb: int
    nics: tuple[PlacedNic, ...]
    guest: Guest
    expires_at: Timestamp
    annotation: str
    """To be put into the VM's annotation, so that the VM is recognised by it."""
    explanation: tuple[Ruling, ...]
    facts_as_of: Timestamp
    """How old the vCenter's facts were."""

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

    def subject_of(self) -> str:
        return f"request/{self.request_id}"


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


class VmCreateCancelled(_AboutRequest):
    """Somebody took the request back; host and addresses are free again."""

    TYPE: ClassVar[str] = "vm.create.cancelled"
    note: str | None = None


class VmCreateExpired(_AboutRequest):
    """Nobody confirmed in time; host and addresses are free again."""

    TYPE: ClassVar[str] = "vm.create.expired"
    expired_at: Timestamp
