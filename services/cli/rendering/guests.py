"""An answer's guest configuration as the text of each format."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import yaml

from shared.events.guest_configuration import GuestConfiguration
from shared.events.placement import VmCreatePlaced


class Format(StrEnum):
    """What a guest can be told in."""

    CUSTOMIZATION = "customization"
    NETWORK_CONFIG = "network-config"
    META_DATA = "meta-data"
    VENDOR_DATA = "vendor-data"
    KEYFILES = "keyfiles"
    IGNITION = "ignition"


def written(answer: VmCreatePlaced, format_: Format) -> str | None:
    """The text, ending in a newline; None where the answer has none of this format."""
    told = answer.guest_configuration
    return None if told is None else _WRITERS[format_](told)


def _customization(told: GuestConfiguration) -> str:
    return _json(told.customization)


def _network_config(told: GuestConfiguration) -> str | None:
    return _yaml(told.cloud_init.network_config) if told.cloud_init else None


def _meta_data(told: GuestConfiguration) -> str | None:
    return _yaml(told.cloud_init.metadata) if told.cloud_init else None


def _vendor_data(told: GuestConfiguration) -> str | None:
    return told.cloud_init.vendor_data if told.cloud_init else None


def _keyfiles(told: GuestConfiguration) -> str | None:
    return "\n".join(f"# {file.path} {file.mode}\n{file.content}" for file in told.keyfiles) or None


def _ignition(told: GuestConfiguration) -> str | None:
    return _json(told.ignition) if told.ignition else None


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False)


_WRITERS = {
    Format.CUSTOMIZATION: _customization,
    Format.NETWORK_CONFIG: _network_config,
    Format.META_DATA: _meta_data,
    Format.VENDOR_DATA: _vendor_data,
    Format.KEYFILES: _keyfiles,
    Format.IGNITION: _ignition,
}
