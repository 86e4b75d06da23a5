"""A property filter: which objects it holds, since when, and what a client at some version has not seen."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from services.simulator.directory import Directory
from services.simulator.inventory.container_properties import TREES
from services.simulator.inventory.entities import Entity
from services.simulator.soap.faults import Fault
from services.simulator.soap.values import Ref
from services.simulator.watching.contents import leave_update, missing_object, object_update
from services.simulator.watching.operations import report
from services.simulator.watching.selection import Spec, Watchable, selected, view_start
from services.simulator.watching.views import View
from services.simulator.world.sessions import Session

_numbers = count(1)
_TRIM_EVERY = 1000
BEFORE_ALL = -1
"""The version of a client that has seen nothing."""


class Item(NamedTuple):
    """One object that an answer has to speak of. `since` is the version the client has of it."""

    filter: PropertyFilter
    target: Watchable
    kind: str
    since: int


@dataclass(frozen=True, slots=True)
class _Leave:
    version: int
    entered: int
    target: Watchable


class PropertyFilter:
    """A filter of a property collector."""

    def __init__(self, directory: Directory, session: Session, spec: Spec, *, partial: bool) -> None:
        self.moid = f"session[{session.key}]filter-{next(_numbers)}"
        self.directory = directory
        self.world = directory.world
        self.session = session
        self.spec = spec
        self.partial = partial
        self.members: dict[str, Watchable] = {}
        self.missing: list[tuple[Ref, Fault]] = []
        self._entered: dict[str, int] = {}
        self._enters: list[tuple[int, str]] = []
        self._leaves: list[_Leave] = []
        self._view: View | None = None
        self._evaluated = BEFORE_ALL
        self._check_paths()
        self._begin()
        session.objects[self.moid] = self

    @property
    def ref(self) -> Ref:
        return Ref("PropertyFilter", self.moid)

    def close(self) -> None:
        """Stop following."""
        if self._view is not None and self._follow in self._view.followers:
            self._view.followers.remove(self._follow)
        self.session.objects.pop(self.moid, None)

    def _check_paths(self) -> None:
        for wanted in self.spec.wanted:
            if wanted.kind in TREES:
                for path in wanted.paths:
                    TREES[wanted.kind].getter(path)

    def _begin(self) -> None:
        version = self.world.tick()
        start = view_start(self.spec)
        if start is not None:
            view = self.directory.find(start)
            assert isinstance(view, View)  # noqa: S101  `view_start` gives references to views alone
            self._view = view
            view.followers.append(self._follow)
            for entity in view.members.values():
                self._enter(entity, version)
        else:
            found, self.missing = selected(self.spec, self.directory)
            for member in found.values():
                self._enter(member, version)
        self._evaluated = version

    def _follow(self, entity: Entity, entered: bool) -> None:
        if entered:
            self._enter(entity, self.world.version)
        else:
            self._leave(entity.moid, self.world.version)

    def _enter(self, member: Watchable, version: int) -> None:
        if self.spec.paths_for(member, self.directory.names) is None:
            return
        self.members[member.moid] = member
        self._entered[member.moid] = version
        self._enters.append((version, member.moid))

    def _leave(self, moid: str, version: int) -> None:
        member = self.members.pop(moid, None)
        if member is not None:
            self._leaves.append(_Leave(version, self._entered.pop(moid), member))
            if len(self._leaves) % _TRIM_EVERY == 0:
                self._forget_unreachable()

    def _forget_unreachable(self) -> None:
        """Drop what came before the change log's floor: no valid version reaches back to it."""
        floor = self.world.floor
        self._enters = [(version, moid) for version, moid in self._enters if version > floor]
        self._leaves = [leave for leave in self._leaves if leave.version > floor]

    def follow_structure(self) -> None:
        """Select anew when links changed that the spec may walk along; views are followed as they change."""
        if self._view is not None or self.world.structure_version <= self._evaluated:
            return
        lenient = Spec(self.spec.wanted, self.spec.starts, report_missing=True)
        found, self.missing = selected(lenient, self.directory)
        version = self.world.version
        for moid in [moid for moid in self.members if moid not in found]:
            self._leave(moid, version)
        for moid, member in found.items():
            if moid not in self.members:
                self._enter(member, version)
        self._evaluated = version

    def unseen(self, since: int, overrides: dict[tuple[str, str], int]) -> list[Item]:
        """What a client at version `since` has to be told: enters, then modifies, then leaves.

        `overrides` names objects that the client has at a later version than `since`.
        """
        mode, sight_since = self.world.sight(self.session)
        if mode == "empty_results":
            return []
        items: list[Item] = []
        if since < 0:
            return [Item(self, member, "enter", BEFORE_ALL) for member in self.members.values()]
        for version, moid in self._enters[bisect_right(self._enters, (since, "\uffff")) :]:
            if self._entered.get(moid) == version:
                items.append(Item(self, self.members[moid], "enter", BEFORE_ALL))
        if sight_since > since:
            items += self._all_again(since)
        else:
            items += self._modified(since, overrides)
        items += self._left(since)
        return items

    def _all_again(self, since: int) -> list[Item]:
        kind = "enter" if self.world.blindness_before == "empty_results" else "modify"
        return [
            Item(self, member, kind, BEFORE_ALL)
            for moid, member in self.members.items()
            if self._entered[moid] <= since
        ]

    def _modified(self, since: int, overrides: dict[tuple[str, str], int]) -> list[Item]:
        items = []
        for entity in dict.fromkeys(self.world.changed_since(since)):
            if self.members.get(entity.moid) is not entity or self._entered[entity.moid] > since:
                continue
            item = Item(self, entity, "modify", max(since, overrides.get((self.moid, entity.moid), since)))
            if self._operations(item):
                items.append(item)
        return items

    def _left(self, since: int) -> list[Item]:
        first = bisect_right(self._leaves, since, key=lambda leave: leave.version)
        return [
            Item(self, leave.target, "leave", since)
            for leave in self._leaves[first:]
            if leave.entered <= since and leave.target.moid not in self.members
        ]

    def _operations(self, item: Item) -> list[tuple[str, str]]:
        paths = self.spec.paths_for(item.target, self.directory.names) or ()
        if item.since < 0 or not isinstance(item.target, Entity):
            return [(path, "assign") for path in paths]
        recent = [change for change in item.target.changes if change.version > item.since]
        return report(recent, paths, partial=self.partial)

    def rendered(self, item: Item) -> str:
        """The ObjectUpdate for an item, as things are now."""
        if item.kind == "leave":
            return leave_update(item.target.ref)
        mode, _ = self.world.sight(self.session)
        return object_update(self.directory, item.target, item.kind, self._operations(item), mode=mode)

    def missing_xml(self) -> str:
        """The MissingObjects of the spec."""
        return "".join(missing_object(ref, fault) for ref, fault in self.missing)
