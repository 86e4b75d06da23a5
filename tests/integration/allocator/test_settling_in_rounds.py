"""What a settlement reads once serves as often as it holds: in rounds of any size the state is the same."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from services.allocator import settling
from services.allocator.record_rows import Records
from shared.events.envelope import Envelope
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import Teller
from tests.integration.allocator.test_sharing import staged, wipe

pytestmark = pytest.mark.postgres


def moving_guests(say: Teller) -> list[Envelope[Any]]:
    """VMs with an address in each of two subnets that get others, some of them each other's, and go."""
    dice = random.Random(7)  # noqa: S311  a reproducible story, no secret
    facts: list[Envelope[Any]] = [say.portgroup("pg-1"), say.portgroup("pg-2")]
    facts += [say.vm(f"vm{number}", "pg-1", "pg-2") for number in range(12)]
    for _ in range(60):
        hosts = dice.sample(range(2, 40), 4)
        name = f"vm{dice.randrange(12)}"
        facts.append(say.guest(name, [f"10.0.0.{host}" for host in hosts[:2]], [f"10.0.1.{hosts[2]}"]))
        if dice.random() < 0.1:
            facts.append(say.gone(name))
    return facts


async def came_of(pool: Pool, facts: list[Envelope[Any]], batch: int) -> dict[str, list[str]]:
    """The state that `facts` and a further subnet lead to; it is what the last event of each record tells."""
    await wipe(pool)
    stage = await staged(pool)
    for start in range(0, len(facts), batch):
        await stage.tell(*facts[start : start + batch])
    await stage.subnet("late", "10.0.2.0/23", "pg-1")
    told: dict[UUID, set[str]] = {}
    for event in await stage.told():
        if event.type == "nic.released":
            del told[event.data.nic.id]
        elif event.type.startswith("nic."):
            told[event.data.nic.id] = {a.address for a in event.data.nic.addresses}
    stored = await pool.fetch(
        "SELECT nic_id, array_agg(host(address)) AS addresses FROM inventory.nic_address GROUP BY nic_id"
    )
    assert told == {row["nic_id"]: set(row["addresses"]) for row in stored}
    return await stage.dump()


@pytest.mark.parametrize("batch", [7, 500])
async def test_g3_addresses_settled_in_rounds_come_to_the_same(
    pool: Pool, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = moving_guests(Teller())
    whole = await came_of(pool, facts, batch)
    # A record with addresses in several rounds is what the rounds before left of it.
    monkeypatch.setattr(settling, "CHUNK", 3)
    in_rounds = await came_of(pool, facts, batch)
    for table in whole:
        assert in_rounds[table] == whole[table], table


async def test_records_that_were_read_before_are_the_ones_that_are_there(pool: Pool) -> None:
    stage = await staged(pool)
    await stage.tell(*moving_guests(Teller()))
    dice = random.Random(3)  # noqa: S311  a reproducible story, no secret
    ports = [row[0] for row in await pool.fetch("SELECT id FROM inventory.port ORDER BY id")]
    addresses = [f"10.0.{net}.{host}" for net in (0, 1) for host in range(2, 34)]
    async with transaction(pool) as conn:
        for _ in range(20):
            known = Records()
            for _ in range(5):
                some, at = dice.sample(ports, dice.randint(0, 6)), dice.sample(addresses, dice.randint(0, 6))
                found = await known.of(conn, some, at)
                assert found == await Records().of(conn, some, at)
                assert all(p in some or r.addresses.keys() & set(at) for p, r in found.items())
                assert all(r.port.id == p and r.addresses for p, r in found.items())
        whole = await Records().of(conn, ports, ())
    assert {(str(r.port.nic), a) for r in whole.values() for a in r.addresses} == {
        (str(row[0]), row[1])
        for row in await pool.fetch("SELECT nic_id, host(address) FROM inventory.nic_address")
    }
