"""The collector's mirror of one vCenter within one epoch: pages in, facts that say something new out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias, cast

from pydantic import ValidationError

from services.collector.domain.changes import Change
from services.collector.domain.geography import Geography
from services.collector.domain.guests import guest_addresses_changed
from services.collector.domain.hosts import host_changed
from services.collector.domain.machines import vm_changed
from services.collector.domain.networks import portgroup_changed, switch_changed
from services.collector.domain.noise import noise_of
from services.collector.domain.patches import STALE, resolved
from services.collector.domain.raw import GuestNic
from services.collector.domain.removals import removed
from services.collector.domain.stamp import Stamp
from services.collector.domain.state import (
    LASTING,
    Host,
    NetworkKind,
    Place,
    PlaceKind,
    Portgroup,
    Switch,
    Vm,
)
from services.collector.domain.wording import wording
from shared.events.base import Fact
from shared.events.inventory import KINDS, Kind

Apart: TypeAlias = dict[str, dict[str, set[str]]]
State: TypeAlias = Host | Switch | Portgroup | Vm

_NO_CHANGE_OF_HOST: Apart = {"switches": {"__all__": {"ports_available"}}}
"""What may differ between two facts about a host that say the same. Its free ports change with every VM that
starts; they are told along with the next real change."""


class News(NamedTuple):
    """A fact to publish, without its sequence, and its words where they are at hand.

    `gone`: the object is known no more once it is published.
    """

    kind: Kind
    moid: str
    name: str | None
    fact: Fact
    gone: bool = False
    words: bytes | None = None


class Mirror:
    """State of every watched object, and a digest of the last fact about each.

    Use: `apply` the changes of a page, then take `news`. Counters in `suppressed` tell, by reason, how many
    changes led to no fact.
    """

    def __init__(self, stamp: Stamp) -> None:
        self.suppressed: Counter[str] = Counter()
        self.invalid: dict[tuple[Kind, str], str] = {}
        """What keeps an object from being told, for the log; whoever logs it empties it."""
        self._stamp = stamp
        self._geography = Geography()
        self._hosts: dict[str, Host] = {}
        self._switches: dict[str, Switch] = {}
        self._portgroups: dict[str, Portgroup] = {}
        self._vms: dict[str, Vm] = {}
        self._moid_of_key: dict[str, str] = {}
        self._datacenter_of_host: dict[str, str | None] = {}
        self._unreadable: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
        self._digests: dict[tuple[str, str], bytes] = {}
        self._dirty: dict[Kind, dict[str, None]] = {kind: {} for kind in KINDS}
        self._left: dict[tuple[Kind, str], str | None] = {}
        self._moved = False
        self._relabelled: set[str] = set()
        self._rekeyed: set[str] = set()
        self._renamed_pools: set[str] = set()
        self._nics_before: dict[str, tuple[GuestNic, ...]] = {}
        self._touched_hosts: set[str] = set()
        self._stale: dict[tuple[Kind, str], None] = {}

    def counts(self) -> dict[Kind, int]:
        """Objects present, by kind."""
        return {kind: len(self._states(kind)) + len(self._unreadable[kind]) for kind in KINDS}

    def present(self, kind: Kind) -> set[str]:
        """Managed object ids of the objects of a kind, those that nothing was readable of included."""
        return {*self._states(kind), *self._unreadable[kind]}

    def apply(self, changes: Iterable[Change]) -> None:
        """Take a page in, in its order."""
        for change in changes:
            if change.kind == "place":
                self._apply_place(change)
            elif change.action == "leave":
                self._apply_leave(change.kind, change.moid)
            elif change.action == "enter":
                self._apply_enter(change.kind, change)
            else:
                self._apply_modify(change.kind, change)

    def apply_again(self, changes: Iterable[Change]) -> None:
        """Take in what was read once more, of objects that are there; they are told even if unchanged."""
        for change in changes:
            if change.kind != "place" and change.moid in self._states(change.kind):
                self._apply_modify(change.kind, change)
                for topic in (change.kind, "guest"):
                    self._digests.pop((topic, change.moid), None)
                self._dirty[change.kind][change.moid] = None

    def take_stale(self) -> list[tuple[Kind, str, str]]:
        """Objects to be read whole, since a change of them was not understood: kind, finer type, id. Once."""
        stale, self._stale = self._stale, {}
        return [
            (kind, getattr(state, "type", ""), moid)
            for kind, moid in stale
            if (state := self._states(kind).get(moid)) is not None
        ]

    def datacenters(self) -> dict[str, str]:
        """Name by managed object id."""
        return {
            place.moid: place.name or place.moid
            for place in self._geography.places.values()
            if place.type == "datacenter"
        }

    def news(self, may_tell: Callable[[str], bool] = lambda _: True) -> Iterator[News]:
        """Facts about all that really changed since the last call: what contains before what is contained.

        `may_tell` is asked of each changed VM, by managed object id; what it says no to is kept for a later
        call. Removals are always told.
        """
        self._spread()
        tellers: dict[Kind, Callable[[str], Iterator[News]]] = {
            "host": self._tell_host,
            "switch": self._tell_switch,
            "portgroup": self._tell_portgroup,
            "vm": self._tell_vm,
        }
        for kind, tell in tellers.items():
            dirty, self._dirty[kind] = self._dirty[kind], {}
            for moid in dirty:
                if kind == "vm" and not may_tell(moid):
                    self._dirty[kind][moid] = None
                    continue
                try:
                    yield from tell(moid)
                except ValidationError as error:
                    # One object that fits no fact keeps none of the others from being told (G8).
                    self.suppressed["invalid"] += 1
                    self.invalid[kind, moid] = str(error)
        left, self._left = self._left, {}
        for (kind, moid), name in left.items():
            yield News(kind, moid, name, removed(self._stamp, kind, moid, name, how="observed"), gone=True)

    def _apply_place(self, change: Change) -> None:
        places = self._geography.places
        if change.action == "leave":
            places.pop(change.moid, None)
            return
        place = places.get(change.moid)
        if place is None or change.action == "enter":
            place = places[change.moid] = Place(change.moid, cast(PlaceKind, change.type))
        changed = _assign(place, change.fields)
        if changed and place.type == "pool":
            self._renamed_pools.add(place.moid)
        else:
            self._moved |= changed

    def _apply_leave(self, kind: Kind, moid: str) -> None:
        # What referred to it is not told anew: vSphere lets nothing go that is in use, so this is sooner a
        # view going blind, and then the rest had better keep its last word (G4).
        self._dirty[kind].pop(moid, None)
        self._nics_before.pop(moid, None)
        there = moid in self._states(kind) or moid in self._unreadable[kind]
        self._unreadable[kind].discard(moid)
        state = self._states(kind).pop(moid, None)
        if not there:
            return
        for topic in (kind, "guest"):
            self._digests.pop((topic, moid), None)
        if isinstance(state, Portgroup) and (key := state.named_by_cards) is not None:
            self._moid_of_key.pop(key, None)
        self._datacenter_of_host.pop(moid, None)
        self._left[kind, moid] = state.name if state is not None else None

    def _apply_enter(self, kind: Kind, change: Change) -> None:
        if "name" not in change.fields:
            # Every object has a name: this one is there, and out of sight. What was known of it stays.
            if change.moid not in self._states(kind):
                self._unreadable[kind].add(change.moid)
            return
        self._unreadable[kind].discard(change.moid)
        self._left.pop((kind, change.moid), None)
        state = _new_state(kind, change.moid, change.type)
        self._states(kind)[change.moid] = state
        self._touch(kind, state, change)

    def _apply_modify(self, kind: Kind, change: Change) -> None:
        state = self._states(kind).get(change.moid)
        if state is not None:
            self._touch(kind, state, change)

    def _touch(self, kind: Kind, state: State, change: Change) -> None:
        nics = state.guest_nics if isinstance(state, Vm) else None
        fields = {name: resolved(value, getattr(state, name)) for name, value in change.fields.items()}
        understood = {name: value for name, value in fields.items() if value is not STALE}
        if len(understood) < len(fields):
            self._stale[kind, state.moid] = None
        if not _assign(state, understood):
            self.suppressed["unchanged"] += len(understood) == len(fields)
            return
        if nics is not None and "guest_nics" in change.fields:
            self._nics_before.setdefault(state.moid, nics)
        self._dirty[kind][state.moid] = None
        if isinstance(state, Host):
            self._touched_hosts.add(state.moid)
            if "portgroups" in change.fields:
                self._relabelled.add(state.moid)
        if isinstance(state, Switch):
            self._dirty["portgroup"].update(
                (moid, None) for moid, portgroup in self._portgroups.items() if portgroup.switch == state.moid
            )
        key = state.named_by_cards if isinstance(state, Portgroup) else None
        if key is not None and self._moid_of_key.get(key) != state.moid:
            self._moid_of_key[key] = state.moid
            self._rekeyed.add(key)

    def _spread(self) -> None:
        """Mark what a change elsewhere may have changed. Each scan runs once a page, and only for a cause."""
        if self._moved:
            self._moved = False
            for kind in ("host", "switch", "portgroup"):
                self._dirty[kind].update(dict.fromkeys(self._states(kind)))
        if self._relabelled:
            hosts, self._relabelled = self._relabelled, set()
            self._dirty["portgroup"].update(
                (moid, None)
                for moid, portgroup in self._portgroups.items()
                if portgroup.type == "standard" and not hosts.isdisjoint(portgroup.hosts or ())
            )
        pools, self._renamed_pools = self._renamed_pools, set()
        if pools:
            self._dirty["host"].update(
                (moid, None)
                for moid, host in self._hosts.items()
                if self._geography.resource_pool(host.parent) in pools
            )
        moved = {moid for moid in self._dirty["host"] if self._relocated(moid)}
        keys, self._rekeyed = self._rekeyed, set()
        if moved or keys or pools:
            self._dirty["vm"].update(
                (moid, None)
                for moid, vm in self._vms.items()
                if vm.host in moved
                or vm.pool in pools
                or (keys and any({card.portgroup_key, card.opaque_id} & keys for card in vm.cards or ()))
            )

    def _relocated(self, moid: str) -> bool:
        spot = self._geography.datacenter(self._hosts[moid].parent)
        found = spot.moid if spot else None
        changed = self._datacenter_of_host.get(moid) != found
        self._datacenter_of_host[moid] = found
        return changed

    def _tell_host(self, moid: str) -> Iterator[News]:
        host = self._hosts[moid]
        told = list(self._new("host", moid, host.name, host_changed(self._stamp, host, self._geography)))
        yield from told
        if not told and moid in self._touched_hosts:
            self.suppressed["ports_available"] += 1
        self._touched_hosts.discard(moid)

    def _tell_switch(self, moid: str) -> Iterator[News]:
        switch = self._switches[moid]
        yield from self._new(
            "switch", moid, switch.name, switch_changed(self._stamp, switch, self._geography)
        )

    def _tell_portgroup(self, moid: str) -> Iterator[News]:
        portgroup = self._portgroups[moid]
        fact = portgroup_changed(
            self._stamp, portgroup, hosts=self._hosts, switches=self._switches, geography=self._geography
        )
        yield from self._new("portgroup", moid, portgroup.name, fact)

    def _tell_vm(self, moid: str) -> Iterator[News]:
        vm = self._vms[moid]
        if vm.cards is None:
            # No configuration: an inaccessible VM. A fact without ports would say that it has none.
            self.suppressed["unreadable"] += 1
            return
        datacenter = self._datacenter_of_host.get(vm.host) if vm.host else None
        fact = vm_changed(
            self._stamp,
            vm,
            datacenter=datacenter,
            moid_of_key=self._moid_of_key,
            pool_name=self._geography.name_of(vm.pool),
        )
        told = list(self._new("vm", moid, vm.name, fact))
        yield from told
        if vm.template:
            return
        guest = guest_addresses_changed(self._stamp, vm)
        heard = list(self._new("vm", moid, vm.name, guest.fact, topic="guest"))
        yield from heard
        before = self._nics_before.pop(moid, None)
        if not told and not heard:
            self.suppressed[self._noise(vm, before)] += 1

    def _noise(self, vm: Vm, before: tuple[GuestNic, ...] | None) -> str:
        if before is None or before == vm.guest_nics:
            return "unchanged"
        return noise_of(before, vm.guest_nics or (), {card.key: card for card in vm.cards or ()})

    def _new(self, kind: Kind, moid: str, name: str | None, fact: Fact, topic: str = "") -> Iterator[News]:
        words = wording(fact, self._stamp)
        compared = words
        if kind == "host":
            compared = fact.model_dump_json(exclude=_NO_CHANGE_OF_HOST, exclude_none=True).encode()
        digest = blake2b(compared, digest_size=16).digest()
        key = (topic or kind, moid)
        if self._digests.get(key) != digest:
            self._digests[key] = digest
            yield News(kind, moid, name, fact, words=words)

    def _states(self, kind: Kind) -> dict[str, Any]:
        states: dict[Kind, dict[str, Any]] = {
            "host": self._hosts,
            "switch": self._switches,
            "portgroup": self._portgroups,
            "vm": self._vms,
        }
        return states[kind]


def _assign(state: State | Place, fields: Mapping[str, object]) -> bool:
    """Set fields; whether that changed anything. What would only be unset, and is lasting, stays (G4)."""
    changed = False
    for name, value in fields.items():
        if getattr(state, name) != value and not (value is None and name in LASTING):
            setattr(state, name, value)
            changed = True
    return changed


def _new_state(kind: Kind, moid: str, finer: str) -> State:
    match kind:
        case "host":
            return Host(moid)
        case "switch":
            return Switch(moid)
        case "portgroup":
            return Portgroup(moid, cast(NetworkKind, finer))
        case "vm":
            return Vm(moid)
