"""When a VM's changes are told: the first at once, what follows shortly after together, none of them late.

A guest that boots, or a script that flaps an address, changes several times a second. Whoever was quiet is
told of at once; whoever was just told of waits until its window is over, and is then told of once, with all
that changed meanwhile. The wait begins with the last telling, so nobody waits longer than one window, and
nobody waits for another.
"""

from __future__ import annotations

from collections.abc import Iterable


class Coalescing:
    """The schedule. Times are seconds of one monotonic clock. A window of 0 tells everything at once."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._told: dict[str, float] = {}
        self._held: dict[str, float] = {}
        self.merged = 0
        """Changes that went along with another one of the same VM."""

    def may_tell(self, moid: str, now: float) -> bool:
        """Whether a change of this VM is told now; otherwise it is held, and due later."""
        told = self._told.get(moid)
        if told is None or now - told >= self._window:
            self._held.pop(moid, None)
            return True
        if moid in self._held:
            self.merged += 1
        else:
            self._held[moid] = told + self._window
        return False

    def note(self, moids: Iterable[str], now: float) -> None:
        """These were told of now."""
        if self._window <= 0:
            return
        for moid in moids:
            self._told[moid] = now
            self._held.pop(moid, None)

    def due(self, now: float) -> list[str]:
        """The held VMs whose time has come, the longest due first."""
        ready = sorted((at, moid) for moid, at in self._held.items() if at <= now)
        return [moid for _, moid in ready]

    def wait(self, now: float) -> float | None:
        """Seconds until somebody is due; None while nobody is held."""
        return max(0.0, min(self._held.values()) - now) if self._held else None

    @property
    def holding(self) -> bool:
        """Whether anybody is held."""
        return bool(self._held)

    def forget_old(self, now: float) -> None:
        """Drop what no decision depends on any more, so that memory follows the churn, not the inventory."""
        if len(self._told) > 1000:
            self._told = {moid: at for moid, at in self._told.items() if now - at < self._window}
