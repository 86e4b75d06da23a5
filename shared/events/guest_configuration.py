"""What the guest of a placed VM is to be told, in the formats that guests are told in."""

from __future__ import annotations

from typing import Any

from shared.events.base import Part


class CloudInit(Part):
    """For cloud-init from any of its sources; user data is left to whoever owns the VM."""

    metadata: dict[str, Any]
    """`instance-id` (the reservation) and `local-hostname`."""
    network_config: dict[str, Any]
    """Version 2, beginning with `version: 2`."""
    vendor_data: str | None = None
    """A cloud-config document with the time servers, where the subnets name some."""


class GuestFile(Part):
    """A text file for the guest's disk, owned by root."""

    path: str
    mode: str
    """Octal, such as "0600"."""
    content: str


class GuestConfiguration(Part):
    """A guest's host name and network in each format. `notes` say what one of them can't."""

    hostname: str
    domain: str
    customization: dict[str, Any]
    """vSphere's CustomizationSpec in the notation of the vSphere Web Services JSON API (`_typeName`)."""
    cloud_init: CloudInit | None = None
    """Linux, where every NIC has its MAC in the answer: a guest knows its adapters by nothing else."""
    keyfiles: tuple[GuestFile, ...] = ()
    """NetworkManager connections, one for each NIC; none where `cloud_init` is None."""
    ignition: dict[str, Any] | None = None
    """The same files and the host name for Ignition (specification 3)."""
    notes: tuple[str, ...] = ()
