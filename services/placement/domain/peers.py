"""Near to some VMs, far from others: what affinity means for a host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.placement.domain.connecting import Failure
from services.placement.domain.world import HostFacts, Peer, World
from shared.events import placement as asked
from shared.events.placement import Where

Place = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """To be where the peer is (`near`), or not to be there; a peer that is nowhere wishes nothing."""

    near: bool
    required: bool
    level: str
    words: str
    places: frozenset[Place]

    def met(self, host: HostFacts) -> bool:
        """Whether the host is where the wish wants the VM to be."""
        if not self.places:
            return True
        return (place_of(host, self.level) in self.places) is self.near


def peers_of(where: Where) -> list[Peer]:
    """The peers that a request names."""
    return [_peer(item) for item in (*where.affinity, *where.anti_affinity)]


def _peer(item: asked.Peer) -> Peer:
    return Peer("vm", item.vm) if item.vm is not None else Peer("group", item.group or "")


def place_of(host: HostFacts, level: str) -> Place:
    """What a host counts as: itself, or its cluster; a host without cluster is one of its own."""
    if level == "cluster":
        return host.key.vcenter, host.cluster or host.key.moid
    return host.key.vcenter, host.key.moid


def wishes(where: Where, world: World) -> tuple[list[Wish], list[str]]:
    """What the request's peers ask for, and the names of VMs that nobody knows."""
    found: list[Wish] = []
    unknown: list[str] = []
    for near, items in ((True, where.affinity), (False, where.anti_affinity)):
        for item in items:
            peer = _peer(item)
            keys = world.places.get(peer, frozenset())
            if keys is None:
                unknown.append(peer.name)
                continue
            hosts = [world.hosts[key] for key in keys if key in world.hosts]
            places = frozenset(place_of(host, item.level) for host in hosts)
            words = f"{'VM' if peer.kind == 'vm' else 'group'} {peer.name}"
            found.append(Wish(near, item.required, item.level, words, places))
    return found, unknown


def unmet(host: HostFacts, wanted: Iterable[Wish]) -> Failure | None:
    """The first required wish that a host does not meet."""
    for wish in wanted:
        if wish.required and not wish.met(host):
            what = "host" if wish.level == "host" else "cluster"
            if wish.near:
                return Failure("affinity", f"{wish.words} is not on this {what}")
            return Failure("anti_affinity", f"{wish.words} is on this {what}")
    return None


def share_met(host: HostFacts, wanted: Sequence[Wish]) -> float | None:
    """The share of the wishes that are not required which a host meets; None when there are none."""
    soft = [wish for wish in wanted if not wish.required]
    return sum(wish.met(host) for wish in soft) / len(soft) if soft else None
