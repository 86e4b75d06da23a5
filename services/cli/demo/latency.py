"""How long a change in the vCenter takes to become a NIC event. Pure bookkeeping; clocks are the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.events.base import Event
from shared.events.nic import NicCreated, NicUpdated


@dataclass
class LatencyBook:
    """Changes that wait for their event, and the durations of those that got it, in seconds.

    A change is known by the address it gives to a VM: the first NIC event that shows both ends it.
    """

    waiting: dict[tuple[str, str], float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def changed(self, vm_moid: str, address: str, at: float) -> None:
        """At `at` on a monotonic clock the guest of `vm_moid` got `address`."""
        self.waiting[vm_moid, address] = at

    def arrived(self, event: Event, at: float) -> bool:
        """A subscriber got `event` at `at`; says whether it ended a change."""
        if not isinstance(event, NicCreated | NicUpdated):
            return False
        ended = [(event.nic.vm_moid, a.address) for a in event.nic.addresses]
        found = [key for key in ended if key in self.waiting]
        self.seconds += [at - self.waiting.pop(key) for key in found]
        return bool(found)

    def quantile(self, share: float) -> float | None:
        """The duration that `share` of the changes do not exceed; None before the first."""
        return quantile(self.seconds, share)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest of `values` that at least `share` of them do not exceed (nearest rank)."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -int(-share * len(ordered) // 1))
    return ordered[rank - 1]
