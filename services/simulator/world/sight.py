"""Operations on what lies between client and vCenter: sessions, blindness, delays, cuts, the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from services.simulator.world.fabric import FabricOperations
from services.simulator.world.operations import operation
from services.simulator.world.sessions import Session, checked_mode


class SightOperations(FabricOperations):
    """What goes wrong between a client and its vCenter."""

    def __init__(self, seed: int, log_limit: int = 300_000) -> None:
        super().__init__(seed, log_limit)
        self.sessions: dict[str, Session] = {}
        self.blindness: str | None = None
        """A blind mode that every session is in at present."""
        self.blindness_since = 0
        self.blindness_before: str | None = None
        self.denied: frozenset[str] = frozenset()
        """Privileges that the user lacks."""
        self.delay_seconds = 0.0
        self.cuts = 0
        """How many of the next requests end in a broken connection before they are performed."""
        self.late_cuts = 0
        """How many of the next requests are performed, and their answers then lost."""
        self.version_epoch = 0
        """Grows when all collector versions become invalid."""
        self.on_cut: Callable[[], None] | None = None
        """Set by the server: breaks every open connection."""

    def sight(self, session: Session) -> tuple[str | None, int]:
        """The blind mode of a session (None when it sees) and the version since when that is so."""
        if session.dead is not None:
            return session.dead, session.dead_since
        return self.blindness, self.blindness_since

    def end_session(self, session: Session) -> None:
        """Forget a session and all it made; its calls that still wait end with NotAuthenticated."""
        session.close()
        self.sessions.pop(session.key, None)
        self.wake_all()

    @operation
    def expire_sessions(self, mode: str = "fault") -> int:
        """End every session that exists now, in one of the ways sessions die; returns how many."""
        since = self.tick()
        live = [session for session in self.sessions.values() if session.dead is None]
        for session in live:
            session.dead = checked_mode(mode)
            session.dead_since = since
        self.wake_all()
        return len(live)

    @operation
    def blind(self, mode: str, on: bool = True) -> None:
        """Let every session, also new ones, answer in a blind mode until switched off again."""
        self.blindness_before = self.blindness
        self.blindness = checked_mode(mode) if on else None
        self.blindness_since = self.tick()

    @operation
    def deny_privileges(self, privileges: list[str]) -> None:
        """Take exactly these privileges from the user (an empty list gives all back)."""
        self.denied = frozenset(privileges)

    @operation
    def delay(self, seconds: float) -> None:
        """Answer every SOAP call that much later; 0 ends it."""
        self.delay_seconds = seconds

    @operation
    def cut_connections(self, count: int | None = None, performed: bool = False) -> None:
        """Break the connection of the next `count` requests, or all that are open now.

        With `performed` those requests are carried out, and only their answers are lost.
        """
        if count is not None and performed:
            self.late_cuts = count
        elif count is not None:
            self.cuts = count
        elif self.on_cut is not None:
            self.on_cut()

    @operation
    def restart_versions(self) -> None:
        """Make every property collector version invalid, as a restarted service does."""
        self.version_epoch += 1
        self.tick()

    @operation
    def set_time_skew(self, seconds: float) -> None:
        """Let the vCenter's clock be wrong by that much."""
        self.time_skew = timedelta(seconds=seconds)

    @operation
    def change_instance_uuid(self, uuid: str | None = None) -> str:
        """Another vCenter answers under the same address."""
        self.instance_uuid = uuid or self.new_uuid()
        return self.instance_uuid
