"""G3: what events tell of decided addresses and shapes makes the same state again, without the commands."""

from __future__ import annotations

import random

import pytest

from services.allocator.decisions import APPLIERS, decide_again
from services.allocator.settling import Policy
from shared.events import commands as cmd
from shared.events.address_commands import AddressBind, AddressRelease, AddressReserve, AddressUnbind
from shared.events.subnet import AddressRange
from shared.events.subnet_commands import SubnetMerge, SubnetMove, SubnetSplit
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import Stage, Teller

pytestmark = pytest.mark.postgres


class Plan:
    """Two networks of a family, and addresses in them."""

    def __init__(self, *, six: bool) -> None:
        self._six = six

    def at(self, network: int, host: int) -> str:
        return f"2001:db8:0:{network}::{host:x}" if self._six else f"10.0.{network}.{host}"

    def prefix(self, network: int) -> str:
        return f"2001:db8:0:{network}::/64" if self._six else f"10.0.{network}.0/24"


def span(first: str, last: str) -> tuple[AddressRange, ...]:
    return (AddressRange(first=first, last=last),)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("six", [False, True])
async def test_g3_decisions_played_from_the_log_come_to_the_same_state(
    pool: Pool, seed: int, six: bool
) -> None:
    plan = Plan(six=six)
    at = plan.at
    stage, say = Stage(pool), Teller()
    facts = [say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app")]
    facts += [say.vm("a", "pg-1"), say.vm("b", "pg-2"), say.guest("a", at(0, 9)), say.guest("b", at(1, 9))]
    await stage.tell(*facts)
    mac = str(await pool.fetchval("SELECT mac FROM inventory.port WHERE vm_moid = 'vm-a'"))
    decided = random.Random(seed)  # noqa: S311
    whole = cmd.SubnetCreate(name="web", prefix=plan.prefix(0), wire="web", mtu=9000)
    other = cmd.SubnetCreate(name="app", prefix=plan.prefix(1), wire="app")
    length = 66 if six else 26
    middle: list[cmd.Command] = [
        SubnetMove(subnet="app", wire="web", by="joe"),
        AddressReserve(ranges=span(at(0, 100), at(0, 110)), note="lab"),
        AddressBind(address=at(0, 50), mac=mac),
        AddressReserve(ranges=span(at(1, 100), at(1, 101))),
        cmd.SubnetUpdate(subnet="app", vlan=9, by="eve"),
    ]
    decided.shuffle(middle)
    last: list[cmd.Command] = [
        AddressRelease(ranges=span(at(0, 104), at(0, 105))),
        AddressUnbind(address=at(0, 50)),
        SubnetSplit(subnet="web", prefix_length=length, names=("two",), by="joe"),
    ]
    decided.shuffle(last)
    end: list[cmd.Command] = [SubnetMerge(subnet="web", others=("two",), by="joe")]
    if decided.random() < 0.5:
        end.append(cmd.SubnetUpdate(subnet="app", clear=("vlan",)))
    for command in (whole, other, *middle, *last, *end):
        answer = await stage.command(command)
        assert answer.complaint is None, (command, answer.complaint)
    state = await stage.dump()
    told = [t.envelope for t in await stage.told()]
    decisions = [envelope for envelope in told if type(envelope.data) in APPLIERS]
    async with transaction(pool) as conn:
        tables = [f"{schema}.{name}" for schema, name in (t.split(".") for t in state) if name != "scope"]
        await conn.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    again = Stage(pool)
    await again.tell(*facts)
    for envelope in decisions:
        await decide_again(pool, envelope, Policy())
        if decided.random() < 0.5:
            await decide_again(pool, envelope, Policy())
    assert await again.dump() == state
