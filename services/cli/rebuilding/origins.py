"""Where a rebuild begins: at the start of the log, or at a snapshot where retention has cut it.

A third beginning, a fresh read of the vCenters, is in `resyncing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from services.cli.rebuilding.building import Built, Source
from services.cli.rebuilding.omitted import OMITTED
from services.cli.rebuilding.playing import start_of_log
from services.cli.rebuilding.telling import Teller
from shared.bus.port import LogEntry, LogStart
from shared.events.codec import Unreadable, decode
from shared.runtime.errors import PermanentError
from shared.state.files import load_snapshot
from shared.state.positions import Position
from shared.store.connection import connect

SKEW = timedelta(minutes=1)
"""How much the clocks of publishers may differ."""

_OLDEST = """
SELECT what, at FROM (
    SELECT 'subnet ' || name AS what, created_at AS at FROM ipam.subnet
    UNION ALL SELECT 'reservation ' || id, created_at FROM placement.reservation
    UNION ALL SELECT 'the addresses stated for a port of VM ' || vm_id, at FROM inventory.statement
    UNION ALL SELECT 'VM ' || coalesce(name, moid), appeared_at FROM inventory.vm
) known WHERE at IS NOT NULL ORDER BY at LIMIT 1
"""


class Origin(Protocol):
    """A beginning."""

    @property
    def omitted(self) -> Mapping[str, str]:
        """Tables and columns that can't be compared when it begins so, each with the reason."""
        ...

    @property
    def sentence(self) -> str | None:
        """What it was, for people; None where that goes without saying."""
        ...

    def as_json(self) -> dict[str, Any]:
        """What it was, for programs."""
        ...

    async def begin(self, source: Source, state: Built, teller: Teller) -> LogStart:
        """Prepare the empty `state`; from where in the log to play."""
        ...


class FromLog:
    """The start of the log, which must reach back to all that the live state knows."""

    omitted = OMITTED
    sentence = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"from": "log"}

    async def begin(self, source: Source, state: Built, teller: Teller) -> LogStart:  # noqa: ARG002  an Origin
        """Raises `PermanentError` log_cut where retention has taken the beginning away."""
        first = await start_of_log(source.bus)
        live = await connect(source.database_url, name="patchbay-rebuild")
        try:
            oldest = await live.fetchrow(_OLDEST)
        finally:
            await live.close()
        if oldest is not None and (first is None or oldest["at"] < _said(first) - SKEW):
            begins = (
                "is empty"
                if first is None
                else f"starts at {first.time:%Y-%m-%d %H:%M:%S} (offset {first.offset})"
            )
            raise PermanentError(
                f"the log {begins}, but {oldest['what']} is known since {oldest['at']:%Y-%m-%d %H:%M:%S}",
                code="log_cut",
                hint="begin with a snapshot from before that (--from FILE), "
                "or with a fresh read of the vCenters (--resync)",
            )
        return "first"


class FromSnapshot:
    """A snapshot file, and the log from where it belongs to on."""

    omitted = OMITTED

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def sentence(self) -> str | None:
        """For people."""
        return f"from {self._path.name}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"from": "snapshot", "file": str(self._path)}

    async def begin(self, source: Source, state: Built, teller: Teller) -> LogStart:
        """Raises `PermanentError` for a file that can't be read, or log_gap where the log begins after it."""
        with teller.copying(0, f"loading {self._path.name}") as loaded:
            head = await load_snapshot(state.scratch.url, self._path, loaded, carried=False)
        await require_no_gap(source, head.position)
        return "first" if head.position.since is None else head.position.since


async def require_no_gap(source: Source, position: Position) -> None:
    """Raises `PermanentError` log_gap where the log has lost what came after `position`."""
    first = await start_of_log(source.bus)
    if first is None or position.since is None or first.time <= position.since:
        return
    if position.end is not None and first.offset <= position.end:
        return  # the log is younger than the margin, and whole
    raise PermanentError(
        f"the log starts at {first.time:%Y-%m-%d %H:%M:%S}, "
        f"after the snapshot's {position.since:%Y-%m-%d %H:%M:%S}: what happened in between is lost",
        code="log_gap",
        hint="take a newer snapshot, or begin with a fresh read of the vCenters (--resync)",
    )


def _said(entry: LogEntry) -> datetime:
    """When the event says that it happened; it may wait a while before it is in the log."""
    try:
        return min(entry.time, decode(entry.message.body).time)
    except Unreadable:
        return entry.time
