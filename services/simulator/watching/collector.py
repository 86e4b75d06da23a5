"""The PropertyCollector of a session: versions that mean something, pages, and calls that wait for news."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count, groupby

from services.simulator.soap.faults import Fault, not_authenticated
from services.simulator.soap.values import Ref
from services.simulator.soap.writer import element
from services.simulator.watching.filters import BEFORE_ALL, Item, PropertyFilter
from services.simulator.world.sessions import Session
from services.simulator.world.world import World

_KEPT_VERSIONS = 500
_numbers = count(1)


@dataclass(slots=True)
class _Cursor:
    """What a version stands for: the state of the world that its holder has, or a place within its pages."""

    base: int
    epoch: int
    later: dict[tuple[str, str], int] = field(default_factory=dict)
    """Objects whose holder has them newer than `base`, because a page showed them later: by filter and id."""
    pending: list[Item] | None = None
    offset: int = 0
    target: int = 0


class PropertyCollector:
    """Filters with versions. Every version that was returned stays good while the change log reaches back."""

    def __init__(
        self, world: World, session: Session, moid: str | None = None, page_limit: int = 500
    ) -> None:
        self.moid = moid or f"session[{session.key}]collector-{next(_numbers)}"
        self.world = world
        self.session = session
        self.page_limit = page_limit
        self.filters: dict[str, PropertyFilter] = {}
        self._versions: dict[str, _Cursor] = {}
        self._issued = 0
        self._cancelled = 0

    @property
    def ref(self) -> Ref:
        return Ref("PropertyCollector", self.moid)

    def close(self) -> None:
        """Destroy its filters and end its waits."""
        for held in list(self.filters.values()):
            held.close()
        self.filters.clear()
        self.session.objects.pop(self.moid, None)
        self.cancel()

    def cancel(self) -> None:
        """Let calls that wait now end with RequestCanceled."""
        self._cancelled += 1
        self.world.wake_all()

    async def wait(self, version: str, max_seconds: float | None, max_objects: int | None) -> str | None:
        """The UpdateSet after `version` as XML, waiting for one up to `max_seconds` (None: for ever).

        None when nothing changed in that time. Raises InvalidCollectorVersion, RequestCanceled, and
        NotAuthenticated when the session dies meanwhile.
        """
        cursor = self._cursor(version)
        limit = min(max_objects or self.page_limit, self.page_limit)
        cancelled = self._cancelled
        deadline = None if max_seconds is None else asyncio.get_running_loop().time() + max_seconds
        sleeper = self.world.sleeper()
        try:
            while True:
                sleeper.clear()
                self._check(cursor, cancelled)
                answer = self._answer(cursor, limit)
                if answer is not None:
                    return answer
                if not await _slept(sleeper, deadline):
                    return None
        finally:
            self.world.release(sleeper)

    def _cursor(self, version: str) -> _Cursor:
        if not version:
            return _Cursor(BEFORE_ALL, self.world.version_epoch)
        cursor = self._versions.get(version)
        if cursor is None:
            raise _invalid_version()
        return cursor

    def _check(self, cursor: _Cursor, cancelled: int) -> None:
        if cancelled != self._cancelled:
            raise Fault("RequestCanceled", "The request was canceled by a client.")
        mode, _ = self.world.sight(self.session)
        if mode == "fault" or self.world.sessions.get(self.session.key) is not self.session:
            raise not_authenticated(self.ref)
        forgotten = cursor.base >= 0 and cursor.base < self.world.floor
        if cursor.epoch != self.world.version_epoch or forgotten:
            raise _invalid_version()

    def _answer(self, cursor: _Cursor, limit: int) -> str | None:
        if cursor.pending is not None:
            return self._page(cursor, cursor.pending, limit)
        now = self.world.version
        mode, sight_since = self.world.sight(self.session)
        items: list[Item] = []
        for held in self.filters.values():
            held.follow_structure()
            items += held.unseen(cursor.base, cursor.later)
        if items:
            cursor = _Cursor(cursor.base, cursor.epoch, {}, items, 0, now)
            return self._page(cursor, items, limit)
        lost_all = mode == "empty_results" and sight_since > cursor.base
        if (cursor.base < 0 and self.filters) or lost_all:
            return self._update_set(self._issue(_Cursor(now, cursor.epoch)), self._empty_sets(), False)
        if cursor.base >= 0:
            # Nothing happened up to now that concerns this client: no need to look at it again.
            cursor.base = now
            cursor.later = {}
        return None

    def _page(self, cursor: _Cursor, pending: list[Item], limit: int) -> str:
        """The next `limit` objects, each as it is now; the new version remembers how new each one was."""
        now = self.world.version
        end = min(cursor.offset + limit, len(pending))
        chunk = pending[cursor.offset : end]
        sets = []
        for held, items in groupby(chunk, key=lambda item: item.filter):
            inner = "".join([held.rendered(item) for item in items])
            missing = held.missing_xml() if cursor.base < 0 else ""
            sets.append(f"<filterSet>{element('filter', held.ref)}{inner}{missing}</filterSet>")
        # One mapping serves all pages: copies of it would grow with the square of the inventory.
        later = cursor.later
        later.update({(item.filter.moid, item.target.moid): now for item in chunk if item.kind != "leave"})
        truncated = end < len(pending)
        if truncated:
            following = _Cursor(cursor.base, cursor.epoch, later, pending, end, cursor.target)
        else:
            following = _Cursor(cursor.target, cursor.epoch, later)
        return self._update_set(self._issue(following), "".join(sets), truncated)

    def _empty_sets(self) -> str:
        return "".join(
            f"<filterSet>{element('filter', held.ref)}{held.missing_xml()}</filterSet>"
            for held in self.filters.values()
        )

    def _update_set(self, version: str, sets: str, truncated: bool) -> str:
        mark = "<truncated>true</truncated>" if truncated else ""
        return f"<returnval><version>{version}</version>{sets}{mark}</returnval>"

    def _issue(self, cursor: _Cursor) -> str:
        self._issued += 1
        version = str(self._issued)
        self._versions[version] = cursor
        self._versions.pop(str(self._issued - _KEPT_VERSIONS), None)
        return version


async def _slept(sleeper: asyncio.Event, deadline: float | None) -> bool:
    """Wait for the event; False when the deadline came first."""
    if deadline is None:
        await sleeper.wait()
        return True
    remaining = deadline - asyncio.get_running_loop().time()
    if remaining <= 0:
        return False
    try:
        await asyncio.wait_for(sleeper.wait(), remaining)
    except TimeoutError:
        return False
    return True


def _invalid_version() -> Fault:
    return Fault("InvalidCollectorVersion", "")
