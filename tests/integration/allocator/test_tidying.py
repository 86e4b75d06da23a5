"""What the passing of time brings about, told with the time at which it was to be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.allocator.settling import Policy
from services.allocator.tidying import expire, forget_rested
from shared.events.address_commands import AddressReserve
from shared.events.subnet import AddressRange
from shared.ipam.ledger import Holder, Release, allocate, release
from shared.ipam.subnets import find
from shared.model.identifiers import derive
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, Stage, Teller

pytestmark = pytest.mark.postgres

FAMILIES = pytest.mark.parametrize(
    ("prefix", "first", "last"),
    [("10.0.0.0/24", "10.0.0.10", "10.0.0.12"), ("2001:db8::/64", "2001:db8::10", "2001:db8::12")],
)
END = START + timedelta(days=1)


async def staged(pool: Pool, prefix: str, first: str, last: str, **more: object) -> tuple[Stage, Teller]:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.vm("a", "pg-1"))
    await stage.subnet("net", prefix, "web", **more)
    ranges = (AddressRange(first=first, last=last),)
    answer = await stage.command(AddressReserve(ranges=ranges, note="loan", until=END, by="joe"))
    assert answer.complaint is None
    await stage.told()
    return stage, say


@FAMILIES
async def test_a_reservation_ends_by_itself_and_is_told_with_its_end(
    pool: Pool, prefix: str, first: str, last: str
) -> None:
    stage, say = await staged(pool, prefix, first, last)
    await stage.tell(say.guest("a", first))
    assert await stage.unmatched() == {first: "reserved"}
    await stage.told()
    assert await expire(pool, END - timedelta(seconds=1), Policy()) == 0
    assert await expire(pool, END + timedelta(days=7), Policy()) == 3
    told = await stage.told()
    ended = [t for t in told if t.type == "address.unreserved"]
    assert [(t.data.first, t.data.last, t.data.why, t.data.by) for t in ended] == [
        (first, last, "expired", "joe")
    ]
    assert ended[0].envelope.time == END, "however late somebody looks"
    assert await stage.nics() == {"a/4000": [first]}
    assert await stage.ledger() == {first: "nic"}
    assert await expire(pool, END + timedelta(days=7), Policy()) == 0


@FAMILIES
async def test_g3_whoever_ends_it_tells_the_same_event(
    pool: Pool, prefix: str, first: str, last: str
) -> None:
    stage, _ = await staged(pool, prefix, first, last)
    ids = []
    for later in (1, 2):
        await expire(pool, END + timedelta(days=later), Policy())
        ids += [t.envelope.id for t in await stage.told() if t.type == "address.unreserved"]
        ranges = (AddressRange(first=first, last=last),)
        await stage.command(AddressReserve(ranges=ranges, note="loan", until=END, by="joe"))
        await stage.told()
    assert len(ids) == 2
    assert len(set(ids)) == 1


@FAMILIES
async def test_rested_addresses_of_a_subnet_nobody_allocates_from_are_forgotten_in_time(
    pool: Pool, prefix: str, first: str, last: str
) -> None:
    assert first < last
    stage, _ = await staged(pool, prefix, "10.9.9.9", "10.9.9.9")
    holder = Holder("reservation", derive("reservation", 1))
    async with transaction(pool) as conn:
        known = await find(conn, "net")
        assert known is not None
        some = await allocate(conn, known.id, 5, holder, START, now=START)
        await release(conn, known.scope_id, [Release(a, holder, START) for a in some])
    rested = START + timedelta(seconds=known.cooldown_seconds)
    assert await forget_rested(pool, rested - timedelta(seconds=1)) == 0
    assert await forget_rested(pool, rested) == 5
    assert await stage.ledger() == {"10.9.9.9": "reserved"}


async def test_a_subnet_that_hands_out_the_longest_unused_remembers(pool: Pool) -> None:
    await staged(pool, "10.0.0.0/24", "10.0.0.99", "10.0.0.99", allocation_order="longest_unused")
    holder = Holder("reservation", derive("reservation", 1))
    async with transaction(pool) as conn:
        known = await find(conn, "net")
        assert known is not None
        [address] = await allocate(conn, known.id, 1, holder, START, now=START)
        await release(conn, known.scope_id, [Release(address, holder, START)])
    assert await forget_rested(pool, START + timedelta(days=30)) == 0
