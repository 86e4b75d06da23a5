"""Facts about objects that are gone."""

from __future__ import annotations

from typing import Literal

from services.collector.domain.stamp import UNNUMBERED, Stamp
from shared.events.base import Fact
from shared.events.inventory import HostRemoved, Kind, PortgroupRemoved, SwitchRemoved, VmRemoved

_MODELS: dict[Kind, type[HostRemoved | SwitchRemoved | PortgroupRemoved | VmRemoved]] = {
    "host": HostRemoved,
    "switch": SwitchRemoved,
    "portgroup": PortgroupRemoved,
    "vm": VmRemoved,
}


def removed(
    stamp: Stamp, kind: Kind, moid: str, name: str | None, *, how: Literal["observed", "sweep"]
) -> Fact:
    """The fact that an object is gone: `observed` leaving, or missing from a full read."""
    return _MODELS[kind](
        vcenter=stamp.vcenter, epoch=stamp.epoch, sequence=UNNUMBERED, moid=moid, name=name, how=how
    )
