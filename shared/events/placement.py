"""The create-VM conversation: request, answer, and what becomes of the reservation."""

from __future__ import annotations

from shared.events.placement_answer import (
    Alternate,
    Backing,
    FactsSeen,
    PlacedAddress,
    PlacedNic,
    PlacedWire,
    Ruling,
    VmCreateBatchAnswered,
    VmCreatePlaced,
    VmCreateRefused,
)
from shared.events.placement_outcome import (
    BoundPort,
    NicCheck,
    RestingAddress,
    VmCreateCancelled,
    VmCreateConfirmed,
    VmCreateDrifted,
    VmCreateExpired,
    VmCreateExtended,
    VmCreateVerified,
)
from shared.events.placement_request import (
    Adapter,
    Disk,
    Guest,
    NicRequest,
    Peer,
    VmCreateBatchRequested,
    VmCreateRequested,
    Where,
)

__all__ = [
    "Adapter",
    "Alternate",
    "Backing",
    "BoundPort",
    "Disk",
    "FactsSeen",
    "Guest",
    "NicCheck",
    "NicRequest",
    "Peer",
    "PlacedAddress",
    "PlacedNic",
    "PlacedWire",
    "RestingAddress",
    "Ruling",
    "VmCreateBatchAnswered",
    "VmCreateBatchRequested",
    "VmCreateCancelled",
    "VmCreateConfirmed",
    "VmCreateDrifted",
    "VmCreateExpired",
    "VmCreateExtended",
    "VmCreatePlaced",
    "VmCreateRefused",
    "VmCreateRequested",
    "VmCreateVerified",
    "Where",
]
