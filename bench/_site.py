"""A vCenter's inventory in a database, and events about it: what benchmarks of the allocator begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from random import Random
from typing import Any

from shared.events.base import Event
from shared.events.envelope import Envelope
from shared.store.pool import Pool
from tests.integration.allocator.story import Stage, Teller

PER_WIRE = 100
"""VMs of one port group, with a /22 of their own: each has another address in it to move to, and as many new
VMs as there are find one."""
PREFIX = 22
STRIDE = 7919
"""A prime, so that all VMs are visited before one is again."""
LOADING = 1000
MIXTURE = {"repeat": 90, "move": 5, "first": 5}
"""Of a hundred events about guests. A day has a full read at least, in which each of 10,000 VMs tells again
what is known; that 500 get other addresses and 500 are heard for the first time makes it a busy one."""


class Site:
    """A vCenter's inventory in a database, and events about it."""

    def __init__(self, pool: Pool, vms: int) -> None:
        self.vms = vms
        self.stage = Stage(pool)
        self._teller = Teller()
        self._moves = self._new = 0
        self._dice = Random(1)  # noqa: S311  a reproducible mixture, no secret
        self._second = bytearray(vms)
        """Which VMs have their second address."""

    async def load(self) -> None:
        """All port groups with their subnets, all VMs with addresses."""
        wires = range(-(-self.vms // PER_WIRE))
        await self._tell([self._teller.portgroup(f"pg-{number}") for number in wires])
        for number in wires:
            await self.stage.subnet(f"net-{number}", f"{_in_network(number, 0)}/{PREFIX}", f"pg-{number}")
        await self._tell([self._vm(number) for number in range(self.vms)])
        await self._tell([self._guest(number) for number in range(self.vms)])
        await self.stage.pool.execute("TRUNCATE bus.outbox")
        await self.stage.pool.execute("VACUUM ANALYZE")

    def moves(self, count: int) -> list[Envelope[Event]]:
        """The next guests that get another address, spread over all VMs."""
        made = []
        for _ in range(count):
            number = self._next()
            self._second[number] ^= 1
            made.append(self._guest(number))
        return made

    def repeats(self, count: int) -> list[Envelope[Event]]:
        """The next guests, with the addresses that they have."""
        return [self._guest(self._next()) for _ in range(count)]

    def first_reports(self, count: int) -> list[Envelope[Event]]:
        """Of VMs that are not known yet: half of them the VM, half of them its guest."""
        return [event for _ in range(count // 2) for event in self._newcomer()]

    async def mixed(self, count: int) -> list[Envelope[Event]]:
        """Guests alone, as `MIXTURE` says. VMs of whom it is the first word are made known before."""
        kinds = self._dice.choices(list(MIXTURE), list(MIXTURE.values()), k=count)
        newcomers = [self._newcomer() for _ in range(kinds.count("first"))]
        await self._tell([vm for vm, _ in newcomers])
        firsts = iter([guest for _, guest in newcomers])
        made: list[Envelope[Event]] = []
        for kind in kinds:
            made += [next(firsts)] if kind == "first" else self.kinds()[kind](1)
        return made

    def _newcomer(self) -> tuple[Envelope[Any], Envelope[Any]]:
        wire, place = self._new % -(-self.vms // PER_WIRE), self._new * PER_WIRE // self.vms
        name, self._new = f"new{self._new}", self._new + 1
        address = _in_network(wire, 2 + 2 * PER_WIRE + place)
        return self._teller.vm(name, f"pg-{wire}"), self._tell_of(name, wire, address)

    def kinds(self) -> dict[str, Callable[[int], list[Envelope[Event]]]]:
        """So many events that change nothing, something, and everything."""
        return {"repeat": self.repeats, "move": self.moves, "first": self.first_reports}

    def _next(self) -> int:
        self._moves += 1
        return (self._moves - 1) * STRIDE % self.vms

    async def _tell(self, facts: Sequence[Envelope[Any]]) -> None:
        for start in range(0, len(facts), LOADING):
            await self.stage.tell(*facts[start : start + LOADING])

    def _vm(self, number: int) -> Envelope[Any]:
        return self._teller.vm(f"vm{number}", f"pg-{number // PER_WIRE}")

    def _guest(self, number: int) -> Envelope[Any]:
        wire = number // PER_WIRE
        host = 2 + number % PER_WIRE + self._second[number] * PER_WIRE
        return self._tell_of(f"vm{number}", wire, _in_network(wire, host))

    def _tell_of(self, name: str, wire: int, address: str) -> Envelope[Any]:
        return self._teller.guest(name, address, gateway=_in_network(wire, 1), prefix=PREFIX)


def _in_network(number: int, host: int) -> str:
    """An address in the network of a port group."""
    return str(IPv4Address("10.0.0.0") + (number << 32 - PREFIX) + host)
