"""What operators ask for. Each command gets a `command.replied` on its `reply_to`, and outcomes as events."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.events.base import Event, Part, Timestamp
from shared.events.subnet import AddressRange, AllocationOrder, Route
from shared.model.addresses import AddressText, PrefixText


class Command(Event):
    """An operator's order."""

    by: str = "unknown"
    """Who gives it: a person's or a system's name, for the record."""


class AllocatorCommand(Command):
    """An order to the allocator, which can say what would come of it."""

    dry_run: bool = False
    """Change nothing: the result tells what would hold, and `events` in it what would be announced."""


class SubnetCreate(AllocatorCommand):
    """Make a subnet on a wire."""

    TYPE: ClassVar[str] = "command.subnet.create"
    name: Annotated[str, Field(min_length=1, max_length=100)]
    prefix: PrefixText
    wire: str
    """Id of the default wire, or its managed object id or name where those are unambiguous."""
    scope: str = "default"
    ranges: tuple[AddressRange, ...] = ()
    gateway: AddressText | None = None
    dns: tuple[AddressText, ...] = ()
    domain: str | None = None
    ntp: tuple[str, ...] = ()
    mtu: Annotated[int, Field(ge=68, le=65535)] | None = None
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    routes: tuple[Route, ...] = ()
    auto_allocate: bool = True
    allocation_order: AllocationOrder = "lowest"
    cooldown_seconds: Annotated[int, Field(ge=0)] = 1800
    labels: dict[str, str] = Field(default_factory=dict)

    def subject_of(self) -> str:
        return f"subnet/{self.name}"


Clearable = Literal["ranges", "gateway", "dns", "domain", "ntp", "mtu", "vlan", "routes", "labels"]


class SubnetUpdate(AllocatorCommand):
    """Change fields of a subnet; what is not set stays."""

    TYPE: ClassVar[str] = "command.subnet.update"
    subnet: str
    """Id, or name in `scope`."""
    scope: str = "default"
    name: str | None = None
    prefix: PrefixText | None = None
    """A larger one that contains the old, or a smaller one that contains all that is in use."""
    ranges: tuple[AddressRange, ...] | None = None
    gateway: AddressText | None = None
    dns: tuple[AddressText, ...] | None = None
    domain: str | None = None
    ntp: tuple[str, ...] | None = None
    mtu: Annotated[int, Field(ge=68, le=65535)] | None = None
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    routes: tuple[Route, ...] | None = None
    auto_allocate: bool | None = None
    allocation_order: AllocationOrder | None = None
    cooldown_seconds: Annotated[int, Field(ge=0)] | None = None
    labels: dict[str, str] | None = None
    clear: tuple[Clearable, ...] = ()
    """Fields that are to be empty; of `ranges`: to be all that can be allocated."""

    def subject_of(self) -> str:
        return f"subnet/{self.subnet}"


class SubnetDelete(AllocatorCommand):
    """Delete a subnet that nobody uses."""

    TYPE: ClassVar[str] = "command.subnet.delete"
    subnet: str
    scope: str = "default"

    def subject_of(self) -> str:
        return f"subnet/{self.subnet}"


class SubnetSetWire(AllocatorCommand):
    """State that a wire may (`pin`) or may not (`deny`) use a subnet, or leave it to detection (`auto`)."""

    TYPE: ClassVar[str] = "command.subnet.set_wire"
    subnet: str
    scope: str = "default"
    wire: str
    policy: Literal["pin", "deny", "auto"]

    def subject_of(self) -> str:
        return f"subnet/{self.subnet}"


class PortFix(Part):
    """The address a port is stated to have. `port` is a device key, MAC or label; None: the next in order."""

    port: str | None = None
    address: AddressText


class VmFixNics(AllocatorCommand):
    """State the addresses of a VM's ports because Tools can't; all or nothing."""

    TYPE: ClassVar[str] = "command.vm.fix_nics"
    vm: str
    """Id, managed object id or name."""
    fixes: Annotated[tuple[PortFix, ...], Field(min_length=1)]

    def subject_of(self) -> str:
        return f"vm/{self.vm}"


class ReservationConfirm(Command):
    """Say that the VM of a reservation exists."""

    TYPE: ClassVar[str] = "command.reservation.confirm"
    reservation: UUID
    vm: str
    """Id, managed object id or name of the VM."""
    token: int | None = None
    """The answer's fencing token, refused when there is a newer one. None: an operator, who needs none."""

    def subject_of(self) -> str:
        return f"reservation/{self.reservation}"


class ReservationExtend(Command):
    """Give a reservation more time."""

    TYPE: ClassVar[str] = "command.reservation.extend"
    reservation: UUID
    until: Timestamp
    token: int | None = None
    """The answer's fencing token, refused when there is a newer one. None: an operator, who needs none."""

    def subject_of(self) -> str:
        return f"reservation/{self.reservation}"


class ReservationCancel(Command):
    """Give a reservation's host and addresses back."""

    TYPE: ClassVar[str] = "command.reservation.cancel"
    reservation: UUID
    note: str | None = None
    token: int | None = None
    """The answer's fencing token, refused when there is a newer one. None: an operator, who needs none."""

    def subject_of(self) -> str:
        return f"reservation/{self.reservation}"


class _AboutVcenter(Command):
    vcenter: UUID

    def subject_of(self) -> str:
        return f"vcenter/{self.vcenter}"

    def vcenter_of(self) -> UUID | None:
        return self.vcenter


class VcenterResync(_AboutVcenter):
    """Read a vCenter anew: all of it by a new login, or tell one datacenter or one VM again."""

    TYPE: ClassVar[str] = "command.vcenter.resync"
    datacenter: str | None = None
    """Managed object id, or name where it is unambiguous."""
    vm: str | None = None
    """Managed object id, or name where it is unambiguous."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.datacenter is not None and self.vm is not None:
            raise ValueError("give a datacenter or a VM, not both")
        return self


class VcenterPause(_AboutVcenter):
    """Stop watching a vCenter until it is resumed."""

    TYPE: ClassVar[str] = "command.vcenter.pause"


class VcenterResume(_AboutVcenter):
    """Watch a paused vCenter again."""

    TYPE: ClassVar[str] = "command.vcenter.resume"


class VcenterReleaseBrake(_AboutVcenter):
    """Let the sweep that the brake holds go on."""

    TYPE: ClassVar[str] = "command.vcenter.release_brake"


class Complaint(Part):
    """Why a command was not carried out."""

    code: str
    """Stable, for programs, such as "subnet_overlaps"."""
    message: str
    """For a person: names the object and the next step."""
    field: str | None = None


class CommandReplied(Event):
    """The answer to a command. Exactly one of `result` and `complaint` is set."""

    TYPE: ClassVar[str] = "command.replied"
    command: str
    """The command's type."""
    result: dict[str, Any] | None = None
    complaint: Complaint | None = None

    def subject_of(self) -> str:
        return f"command/{self.command}"
