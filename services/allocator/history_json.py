"""What histories and their ends hold, as JSON: devices, reports, and what a forgotten beginning came to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from services.allocator.domain.history import Detached, Sighting, SightingKey, Track
from services.allocator.domain.reports import Report, Seen
from shared.model.ordering import Order

HEAD_COLUMNS = "h.wires::text, h.report::text, h.detached::text, h.left_at, h.void_at"
"""What `head_of` is told of `inventory.vm_head h`."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_id = lru_cache(1 << 14)(UUID)
"""Wires are named again and again, and reading an id takes longer than all else of a device."""


def wires_text(wires: Mapping[int, UUID], macs: Mapping[int, str], labels: Mapping[int, str]) -> str:
    """Devices: wire, MAC and label by key."""
    return _encode(_wires_out(wires, macs, labels))


def report_text(report: Report) -> str:
    """Addresses, each with prefix and gateway, by device key."""
    return to_json(report).decode()


def detached_text(devices: Mapping[int, Detached]) -> str:
    """Devices that a VM has no more: when they went, wire, MAC and label by key."""
    return _encode(_detached_out(devices)) if devices else "{}"


def base_text(track: Track) -> str:
    """All of a track but its order."""
    return _encode(
        {
            "wires": None if track.wires is None else _wires_out(track.wires, track.macs, track.labels),
            "detached": _detached_out(track.detached),
            "left_at": _time_out(track.left_at),
            "void_at": _time_out(track.void_at),
            "report": {str(key): [list(s) for s in seen] for key, seen in sorted(track.report.items())},
            "sightings": [
                [
                    key.device_key,
                    key.address,
                    str(key.wire),
                    s.first_seen.isoformat(),
                    s.since.isoformat(),
                    s.prefix,
                    s.gateway,
                    _time_out(s.ended_at),
                    _time_out(s.opened_at),
                    s.removed,
                    s.gone,
                ]
                for key, s in sorted(track.sightings.items())
            ],
        }
    )


def head_of(order: Order, values: Sequence[Any]) -> Track:
    """The end of a history, but for its sightings; of the values of `HEAD_COLUMNS`."""
    wires, report, detached, left_at, void_at = values
    devices, macs, labels = devices_of(None if wires is None else from_json(wires))
    return Track(
        order,
        devices,
        report_of_json(from_json(report)),
        macs=macs,
        labels=labels,
        detached={} if detached == "{}" else _detached(from_json(detached)),
        left_at=left_at,
        void_at=void_at,
    )


def base_of(order: Order, content: Mapping[str, Any]) -> Track:
    """What `base_text` was made of."""
    devices, macs, labels = devices_of(content["wires"])
    return Track(
        order,
        devices,
        report_of_json(content["report"]),
        dict(map(_sighting, content["sightings"])),
        macs,
        labels,
        _detached(content["detached"]),
        _time(content["left_at"]),
        _time(content["void_at"]),
    )


def devices_of(
    content: Mapping[str, Any] | None,
) -> tuple[dict[int, UUID] | None, dict[int, str], dict[int, str]]:
    """Wires (None for no VM), MACs and labels of devices, by key."""
    macs: dict[int, str] = {}
    labels: dict[int, str] = {}
    if content is None:
        return None, macs, labels
    wires = {}
    for text, (wire, mac, label) in content.items():
        key = int(text)
        wires[key] = _id(wire)
        if mac is not None:
            macs[key] = mac
        if label is not None:
            labels[key] = label
    return wires, macs, labels


def report_of_json(content: Mapping[str, Any]) -> dict[int, tuple[Seen, ...]]:
    """What `report_text` was made of."""
    return {int(key): tuple([Seen(*seen) for seen in addresses]) for key, addresses in content.items()}


def _wires_out(
    wires: Mapping[int, UUID], macs: Mapping[int, str], labels: Mapping[int, str]
) -> dict[str, list[str | None]]:
    return {str(key): [str(wire), macs.get(key), labels.get(key)] for key, wire in sorted(wires.items())}


def _detached_out(devices: Mapping[int, Detached]) -> dict[str, list[str | None]]:
    return {str(key): [d.at.isoformat(), str(d.wire), d.mac, d.label] for key, d in sorted(devices.items())}


def _detached(content: Mapping[str, list[str | None]]) -> dict[int, Detached]:
    return {
        int(key): Detached(datetime.fromisoformat(str(at)), UUID(wire), mac, label)
        for key, (at, wire, mac, label) in content.items()
    }


def _sighting(content: Sequence[Any]) -> tuple[SightingKey, Sighting]:
    device, address, wire, first, since, prefix, gateway, ended, opened, *how = content
    times = datetime.fromisoformat(first), datetime.fromisoformat(since)
    return (
        SightingKey(device, address, _id(wire)),
        Sighting(*times, prefix, gateway, _time(ended), _time(opened), *how),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _time_out(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
