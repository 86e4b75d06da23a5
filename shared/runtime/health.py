"""Whether a process may be given work, and if not, why."""

from __future__ import annotations


class Health:
    """Whether a process is ready, as those of its parts say that have a say. New ones are not."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {"process": "starting"}

    def ready(self, part: str = "process") -> None:
        """This part is ready."""
        self._reasons.pop(part, None)

    def unready(self, reason: str, part: str = "process") -> None:
        """This part is not, for a reason that people understand."""
        self._reasons[part] = reason

    @property
    def reasons(self) -> dict[str, str]:
        """Why it is not ready, by part; empty when it is."""
        return dict(self._reasons)
