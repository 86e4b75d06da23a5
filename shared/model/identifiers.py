"""Deterministic ids: UUIDv5 of what a record stands for, so that a replay derives the same ones.

Ids taken from vSphere stay as they are: a vCenter is its instance UUID, an object inside it a managed object
id ("vm-42"), which is unique only together with the vCenter.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from uuid import UUID

NAMESPACE = UUID("5a1f7c1e-3d0b-5c57-9a44-7061746368ff")
_NAMESPACE_BYTES = NAMESPACE.bytes
DEFAULT_SCOPE_NAME = "default"
_REMEMBERED = 1 << 14
"""Ids of ports and wires are asked for several times per event, and making one takes some microseconds."""


def derive(kind: str, *parts: object) -> UUID:
    """Id of the `kind` record that `parts` identify. Parts are joined with "/" in their text form."""
    name = "/".join([kind, *map(str, parts)])
    # What uuid5 does, which looks up its tools at each call.
    digest = sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)


def scope_id(name: str) -> UUID:
    """Id of the address space called `name`."""
    return derive("scope", name)


@lru_cache(_REMEMBERED)
def wire_id(vcenter: UUID, network: str) -> UUID:
    """Id of the wire of a port group; `network` is its managed object id, such as "dvportgroup-7"."""
    return derive("wire", vcenter, network)


def vm_id(vcenter: UUID, moid: str, instance_uuid: UUID | None) -> UUID:
    """Identity of a VM: its instance UUID, which it keeps across vCenters; failing that, its place."""
    return instance_uuid if instance_uuid is not None else derive("vm", vcenter, moid)


@lru_cache(_REMEMBERED)
def port_id(vm: UUID, device_key: int) -> UUID:
    """Id of a VM's network device; `device_key` is the vSphere device key, such as 4000."""
    return derive("port", vm, device_key)


@lru_cache(_REMEMBERED)
def nic_id(vm: UUID, device_key: int) -> UUID:
    """Id of the NIC record of a port; stable over port group, host and vCenter changes."""
    return derive("nic", vm, device_key)


def subnet_id(scope: UUID, name: str, prefix: str) -> UUID:
    """Id of a subnet made from a command; a replayed command finds the subnet it made before."""
    return derive("subnet", scope, name, prefix)


RESERVATION_OPTION = "guestinfo.patchbay.reservation"
"""Key in a VM's extraConfig whose value is the id of the reservation that the VM answers."""


def reservation_id(request_id: str) -> UUID:
    """Id of the reservation that answers the create-VM request `request_id`."""
    return derive("reservation", request_id)
