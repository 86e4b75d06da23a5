"""Ignition's configuration: files that are written at the first boot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from services.placement.domain.rendering.plan import GuestPlan
from shared.events.guest_configuration import GuestFile

SPECIFICATION = "3.3.0"
HOST_NAME = "/etc/hostname"


def ignition(plan: GuestPlan, files: Sequence[GuestFile]) -> dict[str, Any] | None:
    """The host name and `files`; None without any."""
    if not files:
        return None
    named = GuestFile(path=HOST_NAME, mode="0644", content=f"{plan.hostname}\n")
    return {
        "ignition": {"version": SPECIFICATION},
        "storage": {"files": [_file(file) for file in (named, *files)]},
    }


def _file(file: GuestFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "mode": int(file.mode, 8),
        "overwrite": True,
        "contents": {"source": f"data:,{quote(file.content)}"},
    }
