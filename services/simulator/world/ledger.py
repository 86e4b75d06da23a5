"""The register of all objects and of every change, in order: what true version counters rest on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol

from services.simulator.inventory.entities import Change, Entity
from services.simulator.soap.faults import not_found
from services.simulator.soap.values import Ref

_STRUCTURAL = frozenset(
    {
        "parent",
        "childEntity",
        "vm",
        "network",
        "host",
        "resourcePool",
        "datastore",
        "portgroup",
        "runtime.host",
    }
)
_KEPT_PER_OBJECT = 48


class Population(Protocol):
    """Someone who follows which objects exist (a container view)."""

    def appeared(self, entity: Entity) -> None: ...
    def vanished(self, entity: Entity) -> None: ...


class Ledger:
    """Objects by id, and a log of changes. `version` counts changes since the world was made.

    The log keeps the newest `log_limit` changes; who asks for what came before `floor` has to read anew.
    """

    def __init__(self, log_limit: int = 300_000) -> None:
        self.objects: dict[str, Entity] = {}
        self.version = 0
        self.structure_version = 0
        """The version of the last change that can alter which objects a traversal reaches."""
        self.floor = 0
        self.recording = True
        """Off while a world is generated: nobody can have seen what came before."""
        self.log_limit = log_limit
        self.populations: dict[int, Population] = {}
        self._log: list[Entity] = []
        self._sleepers: set[asyncio.Event] = set()
        self._next_id = 0

    @property
    def newest_id(self) -> int:
        """The number of the newest managed object id."""
        return self._next_id

    def new_id(self, prefix: str) -> str:
        """A managed object id that was not used before, such as "vm-42"."""
        self._next_id += 1
        return f"{prefix}-{self._next_id}"

    def find(self, ref: Ref) -> Entity:
        """The object behind a reference. Raises ManagedObjectNotFound."""
        entity = self.objects.get(ref.moid)
        if entity is None or (ref.type and not entity.counts_as(ref.type)):
            raise not_found(ref)
        return entity

    def add(self, entity: Entity) -> None:
        """Make `entity` known; every population hears of it."""
        self.objects[entity.moid] = entity
        self._record(entity)
        self.structure_version = self.version
        for population in list(self.populations.values()):
            population.appeared(entity)

    def drop(self, entity: Entity) -> None:
        """Forget `entity`; its state stays readable for whoever holds it."""
        if self.objects.pop(entity.moid, None) is None:
            return
        entity.alive = False
        self._record(entity)
        self.structure_version = self.version
        for population in list(self.populations.values()):
            population.vanished(entity)

    def touch(self, entity: Entity, *paths: str, op: str = "assign") -> None:
        """Record that `paths` of `entity` changed (and with them what mirrors them), as one version."""
        self._record(entity)
        if not self.recording:
            return
        changes = entity.changes
        mirrors = entity.mirrors
        for path in paths:
            changes.append(Change(self.version, path, op))
            if path in mirrors:
                changes.extend([Change(self.version, mirror, "assign") for mirror in mirrors[path]])
            if path in _STRUCTURAL:
                self.structure_version = self.version
        if len(changes) > _KEPT_PER_OBJECT and changes[0].version <= self.floor:
            entity.changes = [change for change in changes if change.version > self.floor]

    def tick(self) -> int:
        """A version of its own, for what is no change of an object (a filter made, sight lost)."""
        self._record(_NOTHING)
        return self.version

    def forget_history(self) -> None:
        """Start recording from here on: whoever comes reads everything anew."""
        self.recording = True
        self._log.clear()
        self.floor = self.version
        for entity in self.objects.values():
            entity.changes.clear()

    def changed_since(self, version: int) -> Sequence[Entity]:
        """The objects changed after `version`, with repeats, oldest first. `version` must be >= floor."""
        return self._log[version - self.floor :]

    def _record(self, entity: Entity) -> None:
        self.version += 1
        if not self.recording:
            self.floor = self.version
            return
        self._log.append(entity)
        if len(self._log) > 2 * self.log_limit:
            del self._log[: self.log_limit]
            self.floor += self.log_limit
        self._wake()

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            sleeper.set()

    def wake_all(self) -> None:
        """Let every waiting call look again."""
        self._wake()

    def sleeper(self) -> asyncio.Event:
        """An event that the next change sets; hand it back with `release`."""
        event = asyncio.Event()
        self._sleepers.add(event)
        return event

    def release(self, sleeper: asyncio.Event) -> None:
        """Stop setting `sleeper`."""
        self._sleepers.discard(sleeper)

    def of_kind(self, kind: str) -> Iterator[Entity]:
        """Every object that counts as `kind`."""
        return (entity for entity in list(self.objects.values()) if entity.counts_as(kind))


_NOTHING = Entity("", "", None)
