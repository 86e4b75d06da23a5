"""Filter specs: which objects they select, and which properties of each they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from services.simulator.soap.faults import Fault, invalid_argument
from services.simulator.soap.reader import Argument
from services.simulator.soap.values import Array, Ref, Value


class Watchable(Protocol):
    """Anything a spec can select: inventory objects, views, tasks, the service's own objects."""

    @property
    def moid(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def ref(self) -> Ref: ...
    def counts_as(self, kind: str) -> bool: ...


class Sight(Protocol):
    """How a spec's evaluation reads the world."""

    def find(self, ref: Ref) -> Watchable: ...
    def read(self, target: Watchable, path: str) -> Value: ...


@dataclass(frozen=True, slots=True)
class Traversal:
    """One step from objects of a type along a link property. `then` names or holds the next steps."""

    name: str | None
    kind: str
    path: str
    skip: bool
    then: tuple[Traversal | str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """An object the selection begins at."""

    ref: Ref
    skip: bool
    steps: tuple[Traversal | str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Properties asked for on objects of a type; `all_of_them` asks for everything at the top level."""

    kind: str
    paths: tuple[str, ...]
    all_of_them: bool


@dataclass(slots=True)
class Spec:
    """A parsed PropertyFilterSpec."""

    wanted: list[Wanted]
    starts: list[Start]
    report_missing: bool
    _paths: dict[str, tuple[str, ...] | None] = field(default_factory=dict)

    def paths_for(
        self, target: Watchable, everything: Callable[[str], Iterable[str]]
    ) -> tuple[str, ...] | None:
        """The paths asked for on `target`, each once; None when no part of the spec is about its type."""
        if target.kind not in self._paths:
            matching = [wanted for wanted in self.wanted if target.counts_as(wanted.kind)]
            found: dict[str, None] = {}
            for wanted in matching:
                found.update(dict.fromkeys(everything(target.kind) if wanted.all_of_them else wanted.paths))
            self._paths[target.kind] = tuple(found) if matching else None
        return self._paths[target.kind]


def parse_spec(argument: Argument) -> Spec:
    """A spec from its XML. Raises an InvalidArgument fault for one that names no type or object."""
    wanted = []
    for part in argument.children("propSet"):
        kind = part.text("type")
        if not kind:
            raise invalid_argument("specSet.propSet.type")
        wanted.append(Wanted(kind, tuple(part.texts("pathSet")), part.flag("all") is True))
    starts = []
    for part in argument.children("objectSet"):
        ref = part.ref("obj")
        if ref is None:
            raise invalid_argument("specSet.objectSet.obj")
        starts.append(Start(ref, part.flag("skip") is True, _steps(part)))
    return Spec(wanted, starts, argument.flag("reportMissingObjectsInResults") is True)


def _steps(argument: Argument) -> tuple[Traversal | str, ...]:
    steps: list[Traversal | str] = []
    for part in argument.children("selectSet"):
        path = part.text("path")
        if path is None:
            steps.append(part.text("name") or "")
            continue
        kind = part.text("type") or "ManagedObject"
        steps.append(Traversal(part.text("name"), kind, path, part.flag("skip") is True, _steps(part)))
    return tuple(steps)


def view_start(spec: Spec) -> Ref | None:
    """The view when the spec is the usual "all members of this view"; None for any other spec."""
    if len(spec.starts) != 1:
        return None
    start = spec.starts[0]
    if not start.skip or len(start.steps) != 1 or start.ref.type not in {"ContainerView", "ListView"}:
        return None
    step = start.steps[0]
    plain = isinstance(step, Traversal) and step.path == "view" and not step.skip and not step.then
    return start.ref if plain else None


def selected(spec: Spec, sight: Sight) -> tuple[dict[str, Watchable], list[tuple[Ref, Fault]]]:
    """The objects a spec selects, by id, and those it names that don't exist.

    Raises ManagedObjectNotFound for the latter unless the spec asks to have them reported.
    """
    found: dict[str, Watchable] = {}
    missing: list[tuple[Ref, Fault]] = []
    walk = _Walk(sight, {step.name: step for step in _all_steps(spec) if step.name}, found)
    for start in spec.starts:
        try:
            target = sight.find(start.ref)
        except Fault as fault:
            if not spec.report_missing:
                raise
            missing.append((start.ref, fault))
            continue
        if not start.skip:
            found[target.moid] = target
        walk.along(target, start.steps)
    return found, missing


class _Walk:
    """Follows traversals from object to object, each traversal once per object."""

    def __init__(self, sight: Sight, named: dict[str, Traversal], found: dict[str, Watchable]) -> None:
        self._sight = sight
        self._named = named
        self._found = found
        self._done: set[tuple[int, str]] = set()

    def along(self, origin: Watchable, steps: tuple[Traversal | str, ...]) -> None:
        """Depth first, without recursion: inventory paths can be as long as they like."""
        stack = [(origin, steps)]
        while stack:
            target, onward = stack.pop()
            for step in onward:
                traversal = self._resolve(step)
                if not target.counts_as(traversal.kind) or (id(traversal), target.moid) in self._done:
                    continue
                self._done.add((id(traversal), target.moid))
                for reached in self._linked(target, traversal.path):
                    if not traversal.skip:
                        self._found[reached.moid] = reached
                    if traversal.then:
                        stack.append((reached, traversal.then))

    def _linked(self, target: Watchable, path: str) -> Iterator[Watchable]:
        for ref in _links(self._sight.read(target, path)):
            try:
                yield self._sight.find(ref)
            except Fault:
                continue

    def _resolve(self, step: Traversal | str) -> Traversal:
        if isinstance(step, Traversal):
            return step
        if step not in self._named:
            raise invalid_argument("selectSet.name", f"no traversal is called {step!r}")
        return self._named[step]


def _links(value: Value) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Array):
        for item in value.items:
            if isinstance(item, Ref):
                yield item


def _all_steps(spec: Spec) -> Iterator[Traversal]:
    stack: list[Traversal | str] = [step for start in spec.starts for step in start.steps]
    while stack:
        step = stack.pop()
        if isinstance(step, Traversal):
            yield step
            stack.extend(step.then)
