"""What a comparison passes over, each with its reason. All else must be equal."""

from __future__ import annotations

from types import MappingProxyType

OMITTED = MappingProxyType(
    {
        "placement.subnet_use": "samples taken by the clock; no event tells of them",
        "placement.request.findings": "rulings that were left out of an answer are in no event",
        "placement.reservation.seen": "what was looked at while nothing could be said yet is in no event",
    }
)
