"""A rebuild that begins with a fresh read of all vCenters, where neither log nor snapshot reach back.

Facts come from the read; what operators decided and what no read tells again from the live state, which is
copied, and taken back to that. The log is played from where the read was asked for, so both meet at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from services.allocator.beginning_anew import TAKEN_OVER, Known, begin_anew
from services.cli.rebuilding.building import Built, Source, copy_all
from services.cli.rebuilding.fresh_reads import WAIT, Read, ask_all, await_all
from services.cli.rebuilding.omitted import OMITTED
from services.cli.rebuilding.playing import end_of_log
from services.cli.rebuilding.telling import Teller
from shared.bus.port import LogStart
from shared.store.connection import connect


class FromResync:
    """A fresh read of every watched vCenter, and the decisions of the live state."""

    omitted: Mapping[str, str] = {**OMITTED, **TAKEN_OVER}

    def __init__(self, wait: timedelta = WAIT) -> None:
        self._wait = wait
        self._reads: Sequence[Read] = ()
        self._kept: Sequence[str] = ()

    async def begin(self, source: Source, state: Built, teller: Teller) -> LogStart:
        """Raises what `ask_all` and `await_all` raise; then nothing was done."""
        end = await end_of_log(source.bus)
        after: LogStart = "first" if end is None else end.offset + 1
        asked = await ask_all(source)
        with teller.counting("reading vCenters", len(asked)) as told:
            self._reads = await await_all(source, asked, after, self._wait, told)
        await self._take_over(source, state, teller)
        return after

    async def _take_over(self, source: Source, state: Built, teller: Teller) -> None:
        live = await connect(source.database_url, name="patchbay-rebuild", command_timeout=None)
        try:
            async with live.transaction(isolation="repeatable_read", readonly=True):
                known = await live.fetch("SELECT vcenter_id, kind, moid FROM collector.known_object")
                names = await live.fetch("SELECT id, name FROM inventory.vcenter ORDER BY name")
                await copy_all(live, state.pool, teller)
        finally:
            await live.close()
        read = {one.identity: one.epoch for one in self._reads}
        self._kept = [row["name"] for row in names if row["id"] not in read]
        last = max((one.completed for one in self._reads), key=lambda envelope: envelope.time)
        objects = [Known(row["vcenter_id"], row["kind"], row["moid"]) for row in known]
        with teller.working("forgetting what follows from the read"):
            await begin_anew(state.pool, read, objects, last, state.fold.policy)

    def as_json(self) -> dict[str, Any]:
        """What was read, and which vCenters were not: those that nobody watches any more."""
        return {
            "from": "resync",
            "read": [{"vcenter": one.vcenter.name, "epoch": one.epoch} for one in self._reads],
            "not_read": list(self._kept),
        }

    @property
    def sentence(self) -> str | None:
        """For people."""
        names = ", ".join(f"{one.vcenter.name} (epoch {one.epoch})" for one in self._reads)
        kept = f"; as known, since nobody watches them: {', '.join(self._kept)}" if self._kept else ""
        return f"from a fresh read of {names}{kept}"
