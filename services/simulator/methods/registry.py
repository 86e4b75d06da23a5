"""The table of methods, and what each is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from services.simulator.directory import Directory
from services.simulator.inventory.entities import Entity
from services.simulator.settings import SimulatorSettings
from services.simulator.soap.faults import not_authenticated, not_supported
from services.simulator.soap.reader import Argument
from services.simulator.soap.values import Ref, Value
from services.simulator.world.sessions import Session
from services.simulator.world.world import World


class Xml(NamedTuple):
    """A returnval that is XML already."""

    text: str


Answer = Value | Xml
E = TypeVar("E", bound=Entity)


@dataclass(slots=True)
class Call:
    """One call: by whom, on what, with what."""

    method: str
    target: Ref
    arguments: Argument
    world: World
    settings: SimulatorSettings
    session_or_none: Session | None
    client: str
    agent: str
    new_session: Session | None = None
    """Set by Login: the server then sends its cookie."""

    @property
    def session(self) -> Session:
        """The session. Raises NotAuthenticated when there is none."""
        if self.session_or_none is None:
            raise not_authenticated(self.target)
        return self.session_or_none

    @property
    def directory(self) -> Directory:
        """What the session sees."""
        return Directory(self.world, self.session_or_none)

    def entity(self, kind: type[E]) -> E:
        """The target as an inventory object. Raises ManagedObjectNotFound; NotSupported for another kind."""
        found = self.world.find(self.target)
        if not isinstance(found, kind):
            raise not_supported(f"{self.method} on a {self.target.type}")
        return found


Handler = Callable[[Call], Answer | Awaitable[Answer]]
HANDLERS: dict[str, Handler] = {}
OPEN: set[str] = set()
"""Methods that need no login."""

H = TypeVar("H", bound=Callable[[Call], object])


def method(*names: str, needs_login: bool = True) -> Callable[[H], H]:
    """Register a handler under the wire names of its methods."""

    def register(handler: H) -> H:
        for name in names:
            HANDLERS[name] = handler  # type: ignore[assignment]  # H's result is narrower than Handler's
            if not needs_login:
                OPEN.add(name)
        return handler

    return register


def handler_for(call: Call) -> Handler:
    """The handler of a call. Raises NotSupported, naming the method, when there is none."""
    found = HANDLERS.get(call.method)
    if found is None:
        raise not_supported(f"the method {call.method} (called on {call.target.type}:{call.target.moid})")
    return found
