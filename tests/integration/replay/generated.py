"""A log of any length as a busy installation leaves it: VMs that move and change addresses, and many repeats.

Everything follows from the seed. Subnets are the operators' part: the same commands for every database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from random import Random
from typing import Any
from uuid import UUID

from services.allocator.handlers import Allocator
from services.allocator.settings import AllocatorSettings
from shared.bus.port import Delivery, Message
from shared.events.commands import SubnetCreate
from shared.events.envelope import Envelope, wrap
from shared.model.identifiers import wire_id
from shared.runtime.consuming import Received
from shared.runtime.publishing import message_of
from shared.store.pool import Pool
from tests.integration.allocator.story import START, VC1, VC2, Teller

NETWORKS = 40
REPEATED = 0.5
EVENTS_A_VM = 20
"""Different ones, on the average."""


def facts(count: int, seed: int = 1, *, apart: bool = True) -> Iterator[Envelope[Any]]:
    """`count` facts of two vCenters, half of them said before; port groups first.

    Not `apart`, both vCenters have the same addresses: every one is contested, and every wire of the second
    is evidence.
    """
    dice = Random(seed)  # noqa: S311  the same log in every run
    tellers = [Teller(VC1), Teller(VC2)]
    told: list[Envelope[Any]] = []
    for say in tellers:
        told += [say.portgroup(f"pg-{number}") for number in range(NETWORKS)]
    yield from told
    vms = max(10, int(count * (1 - REPEATED) / EVENTS_A_VM))
    for number in range(count - len(told)):
        if number > vms and dice.random() < REPEATED:
            yield dice.choice(told)
            continue
        told.append(_next(dice, dice.choice(tellers), dice.randrange(vms), apart=apart))
        yield told[-1]
        if number and number % max(1, count // 5) == 0:
            tellers = [_later(say) for say in tellers]


def _next(dice: Random, say: Teller, number: int, *, apart: bool) -> Envelope[Any]:
    # Of each vCenter's own: a VM that two of them claim is another matter, with tests of its own.
    second = say.vcenter == VC2
    name, network = f"{'ab'[second]}{number}", number % NETWORKS
    first_net = 100 if second and apart else 0
    what = dice.random()
    if what < 0.35:
        moved = dice.randrange(NETWORKS) if what < 0.03 else network
        return say.vm(name, f"pg-{moved}", f"pg-{(moved + 1) % NETWORKS}", cpus=dice.choice((2, 4, 8)))
    if what < 0.97:
        shift = dice.choice((0, 0, 0, 1))
        return say.guest(name, _address(first_net, number, 0, shift), _address(first_net, number, 1))
    if what < 0.985:
        return say.guest(name)
    return say.gone(name)


def _address(first_net: int, number: int, port: int, shift: int = 0) -> str:
    """An address in the subnet of the VM's port; its own, but for a few that contest their neighbour's."""
    network, host = (number % NETWORKS + port) % NETWORKS, (number // NETWORKS) * 2 + port + shift
    return f"10.{first_net + network}.{(host // 250) % 250}.{host % 250 + 2}"


def _later(say: Teller) -> Teller:
    return Teller(say.vcenter, say.epoch + 1)


def messages(envelopes: Sequence[Envelope[Any]]) -> list[Message]:
    """As they cross the bus."""
    return [message_of(envelope) for envelope in envelopes]


async def with_subnets(pool: Pool, *, apart: bool = True) -> Allocator:
    """An allocator whose operators have made a subnet for each port group, or the first vCenter's alone."""
    allocator = Allocator(pool, AllocatorSettings())
    for say in (Teller(VC1), Teller(VC2)):
        await allocator.apply([say.portgroup(f"pg-{number}") for number in range(NETWORKS)])
    for number in range(2 * NETWORKS if apart else NETWORKS):
        site, network = divmod(number, NETWORKS)
        wire = wire_id((VC1, VC2)[site], f"pg-{network}")
        prefix = f"10.{100 * site + network}.0.0/16"
        command = SubnetCreate(name=f"s{number}", prefix=prefix, wire=str(wire), by="anna")
        envelope = wrap(command, source="cli", time=START, id=str(UUID(int=number + 1)))
        await allocator.command(Received(envelope, Delivery(message_of(envelope), "commands", 1, 1)))
    await pool.execute("DELETE FROM bus.outbox")
    return allocator


async def differences(one: Pool, other: Pool) -> AsyncIterator[str]:
    """Rows of the state that only one of two databases has, one by one."""
    tables = await one.fetch(
        """
        SELECT schemaname || '.' || tablename AS name FROM pg_tables
        WHERE schemaname IN ('inventory', 'ipam') ORDER BY 1
        """
    )
    for table in tables:
        statement = f"SELECT to_jsonb(t)::text AS row FROM {table['name']} t"  # noqa: S608
        here = {row["row"] for row in await one.fetch(statement)}
        there = {row["row"] for row in await other.fetch(statement)}
        for row in sorted(here - there):
            yield f"{table['name']} only in the first: {row}"
        for row in sorted(there - here):
            yield f"{table['name']} only in the second: {row}"


async def rows(pool: Pool) -> dict[str, int]:
    """How many rows each table of the state has."""
    tables = await pool.fetch(
        """
        SELECT schemaname || '.' || tablename AS name FROM pg_tables
        WHERE schemaname IN ('inventory', 'ipam') ORDER BY 1
        """
    )
    counts = {}
    for table in tables:
        statement = f"SELECT count(*) FROM {table['name']}"  # noqa: S608  a table's name
        counts[table["name"]] = await pool.fetchval(statement)
    return {name: count for name, count in counts.items() if count}
