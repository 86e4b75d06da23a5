"""Container views, which follow the inventory by themselves, and list views, which are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from services.simulator.inventory.entities import Entity
from services.simulator.soap.values import Ref, Value, refs, strings
from services.simulator.world.sessions import Session
from services.simulator.world.world import World

Follower = Callable[[Entity, bool], None]
"""Called with an object and whether it entered (else left)."""

_numbers = count(1)


class View:
    """What both kinds have: members in order, and filters that follow them."""

    kind = "View"

    def __init__(self, world: World, session: Session) -> None:
        self.moid = f"session[{session.key}]{self.kind.lower()}-{next(_numbers)}"
        self.world = world
        self.session = session
        self.members: dict[str, Entity] = {}
        self.followers: list[Follower] = []
        session.objects[self.moid] = self

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.moid)

    def counts_as(self, kind: str) -> bool:
        """Whether the view is of the type with that wire name."""
        return kind in {self.kind, "View", "ManagedObjectView", "ManagedObject"}

    def property(self, path: str) -> Value:
        """The value of one of the view's own properties."""
        return refs([member.ref for member in self.members.values()]) if path == "view" else None

    def enter(self, entity: Entity) -> None:
        """Take an object in, and tell the followers."""
        if entity.moid not in self.members:
            self.members[entity.moid] = entity
            for follower in list(self.followers):
                follower(entity, True)

    def leave(self, entity: Entity) -> None:
        """Let an object go, and tell the followers."""
        if self.members.pop(entity.moid, None) is not None:
            for follower in list(self.followers):
                follower(entity, False)

    def close(self) -> None:
        """Stop following."""
        self.world.populations.pop(id(self), None)
        self.session.objects.pop(self.moid, None)


class ContainerView(View):
    """All objects of some types below a container."""

    kind = "ContainerView"

    def __init__(
        self, world: World, session: Session, container: Entity, types: Iterable[str], recursive: bool
    ) -> None:
        super().__init__(world, session)
        self.container = container
        self.types = tuple(types)
        self.recursive = recursive
        self._fill()
        world.populations[id(self)] = self

    def _fill(self) -> None:
        stack = list(reversed(self.container.children()))
        while stack:
            entity = stack.pop()
            if self._wanted(entity):
                self.members[entity.moid] = entity
            if self.recursive:
                stack.extend(reversed(entity.children()))

    def _wanted(self, entity: Entity) -> bool:
        return not self.types or any(entity.counts_as(kind) for kind in self.types)

    def _below(self, entity: Entity) -> bool:
        if not self.recursive:
            return entity.parent is self.container
        current = entity.parent
        while current is not None:
            if current is self.container:
                return True
            current = current.parent
        return False

    def appeared(self, entity: Entity) -> None:
        """The ledger made an object known."""
        if self._wanted(entity) and self._below(entity):
            self.enter(entity)

    def vanished(self, entity: Entity) -> None:
        """The ledger dropped an object."""
        self.leave(entity)

    def property(self, path: str) -> Value:
        if path == "container":
            return self.container.ref
        if path == "type":
            return strings(self.types)
        if path == "recursive":
            return self.recursive
        return super().property(path)


class ListView(View):
    """Exactly the objects it was given, minus those removed since."""

    kind = "ListView"

    def __init__(self, world: World, session: Session, entities: Iterable[Entity]) -> None:
        super().__init__(world, session)
        self.members = {entity.moid: entity for entity in entities}
        world.populations[id(self)] = self

    def appeared(self, entity: Entity) -> None:
        """A list view is told its objects; new ones are not its concern."""

    def vanished(self, entity: Entity) -> None:
        """The ledger dropped an object."""
        self.leave(entity)

    def modify(self, add: Iterable[Entity], remove: Iterable[Entity]) -> None:
        """Take objects in and let others go."""
        self.world.tick()
        for entity in remove:
            self.leave(entity)
        for entity in add:
            self.enter(entity)
