"""The policy in force: read again when its file changes; a file that cannot be used changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from pathlib import Path

import structlog
from prometheus_client import Gauge

from services.placement.domain.policy import Policy
from services.placement.settings import PlacementSettings
from shared.runtime.errors import PermanentError

REFUSED = Gauge(
    "patchbay_placement_policy_refused", "1 while the policy file cannot be used and the one before holds"
)

log = structlog.get_logger(__name__)

State = tuple[int, int, int]
"""What tells one content of a file from another: inode, size, time of the last change in nanoseconds."""


class PolicyWatch:
    """Looks at the policy file of the settings, if there is one."""

    def __init__(self, settings: PlacementSettings) -> None:
        """Raises PermanentError when the file cannot be used: at the start there is none before it."""
        self._settings = settings
        self._path = settings.policy_file
        self._taken = self._last = _state(self._path)
        self.policy = settings.policy()
        REFUSED.set(0)

    async def look(self) -> Policy | None:
        """The new policy once the file has changed and is usable; None while it is as it was.

        A file that is just being written is left alone: it is read when two looks found it the same.
        """
        if self._path is None:
            return None
        now = await asyncio.to_thread(_state, self._path)
        settled, self._last = now == self._last, now
        if now == self._taken or not settled:
            return None
        try:
            policy = await asyncio.to_thread(self._settings.policy)
        except PermanentError as error:
            self._taken = now
            REFUSED.set(1)
            log.error(  # noqa: TRY400  the message says it all
                "policy.refused", detail=str(error), kept="the policy before it stays in force"
            )
            return None
        if await asyncio.to_thread(_state, self._path) != now:
            return None
        self._taken = now
        REFUSED.set(0)
        changed = _differences(self.policy, policy)
        self.policy = policy
        log.info("policy.taken", file=str(self._path), **changed)
        return policy if changed else None


def _state(path: Path | None) -> State | None:
    """None: no such file, or none that we may look at."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


def _differences(before: Policy, after: Policy) -> dict[str, str]:
    """What changed, by field: "1.0 -> 4.0"."""
    values = ((item.name, getattr(before, item.name), getattr(after, item.name)) for item in fields(Policy))
    return {name: f"{old} -> {new}" for name, old, new in values if old != new}
