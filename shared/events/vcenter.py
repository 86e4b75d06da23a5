"""Events about a vCenter itself: connected, lost, alive."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Fact, Timestamp


class _AboutVcenter(Fact):
    name: str
    """The operator's name of the vCenter."""

    def subject_of(self) -> str:
        return f"vcenter/{self.vcenter}"


class VcenterConnected(_AboutVcenter):
    """A login succeeded and an epoch began; a snapshot follows."""

    TYPE: ClassVar[str] = "vcenter.connected"
    product: str
    """Product and version as vCenter states them, such as "VMware vCenter Server 8.0.3"."""


class VcenterLost(_AboutVcenter):
    """Sight of the vCenter was lost. Nothing that is known about its objects changes by this."""

    TYPE: ClassVar[str] = "vcenter.lost"
    cause: Literal[
        "session_ended", "unreachable", "blind_answer", "rejected_login", "identity_changed", "stopped"
    ]
    detail: str


class VcenterHeartbeat(_AboutVcenter):
    """The stream is alive: all that the vCenter had said up to `current_to` was published."""

    TYPE: ClassVar[str] = "vcenter.heartbeat"
    current_to: Timestamp
    lag_seconds: Annotated[float, Field(ge=0)]
    """From receiving the newest change to the broker's confirmation of it."""
