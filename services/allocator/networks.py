"""What is known of wires and of the subnets on them: read once, and kept from batch to batch while it holds.

In: the version of the networks that a transaction sees, which the database renews with every change of a
subnet, a role, a mapping or a port group. Out: what `read_on_wires` and `read_wires` tell. An allocator owns
one `NetworkMemory`; each settlement looks at it through `Networks` of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from services.allocator.domain.matching import Role, SubnetView
from services.allocator.views import WireName, read_on_wires, read_wires
from services.allocator.witnesses import explaining
from shared.store.pool import Connection

MOST = 10_000
"""Wires that are remembered."""

OnWire = tuple[tuple[SubnetView, Role], ...]


@dataclass(frozen=True, slots=True)
class KnownWire:
    """A wire with its subnets. `name` is None where nothing was heard of the wire yet."""

    name: WireName | None
    subnets: OnWire
    explaining: OnWire
    """Those of its subnets that people put on it."""


class Networks:
    """Wires as they are for one settlement, each read once for as long as nobody changes subnets or roles."""

    def __init__(self, known: dict[UUID, KnownWire] | None = None, most: int = MOST) -> None:
        self._known = {} if known is None else known
        self._most = most

    async def of(self, conn: Connection, wires: set[UUID]) -> dict[UUID, KnownWire]:
        """Each of `wires`."""
        unknown = wires - self._known.keys()
        if unknown:
            names, subnets = await read_wires(conn, unknown), await read_on_wires(conn, unknown)
            for wire in unknown:
                on_wire = tuple(subnets.get(wire, ()))
                self._known[wire] = KnownWire(names.get(wire), on_wire, tuple(explaining(on_wire)))
        asked = {wire: self._known[wire] for wire in wires}
        for oldest in list(islice(self._known, max(0, len(self._known) - self._most))):
            del self._known[oldest]
        return asked

    def forget(self) -> None:
        """This transaction changes subnets or roles: what it reads from here on, no other may be told."""
        self._known = {}


class NetworkMemory:
    """What an allocator knows of the networks at one version of them.

    Another version, and all is forgotten: the database never has the same one twice with other networks. What
    a transaction reads of its own changes is kept under the version that it made, which nobody meets if it is
    rolled back.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._version: UUID | None = None
        self._known: dict[UUID, KnownWire] = {}

    @property
    def size(self) -> int:
        """Wires that are kept."""
        return len(self._known)

    def at(self, version: UUID | None) -> Networks:
        """The networks, for a transaction that sees this version and has made its changes to them.

        `version` is None where the database tells none; nothing is kept then.
        """
        if version is None:
            return Networks(most=self._most)
        if version != self._version:
            self._version, self._known = version, {}
        return Networks(self._known, self._most)
