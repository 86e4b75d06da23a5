"""Free addresses: in order, never one in use, never one twice, and words when there are none."""

from __future__ import annotations

import asyncio
import random
from uuid import uuid4

import pytest

from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import (
    Claim,
    Release,
    Wish,
    allocate,
    allocate_each,
    holders,
    occupy,
    reclaim,
    release,
)
from shared.ipam.reserving import reserve, unreserve
from shared.ipam.subnets import ensure_scope
from shared.store.pool import Pool, transaction
from tests.integration.ipam.building import (
    MINUTE,
    NOON,
    SCOPE,
    create,
    free_in,
    nic,
    reservation,
    sighting,
)

pytestmark = pytest.mark.postgres


async def test_g7_the_lowest_free_address_skips_all_that_is_in_use(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/28", gateway="10.0.0.1", cooldown_seconds=60)
        await occupy(
            conn, SCOPE, [Claim("10.0.0.2", sighting("seen"), NOON), Claim("10.0.0.4", nic("n"), NOON)]
        )
        await reserve(conn, SCOPE, ["10.0.0.5"], NOON)
        await release(conn, SCOPE, [Release("10.0.0.4", nic("n"), NOON)])
        got = await allocate(conn, subnet.id, 3, reservation("r"), NOON, now=NOON, until=NOON + MINUTE)
        assert got == ["10.0.0.3", "10.0.0.6", "10.0.0.7"]
        held = await holders(conn, SCOPE, got)
        assert {(h.holder, h.subnet, h.until) for h in held.values()} == {
            (reservation("r"), subnet.id, NOON + MINUTE)
        }


async def test_highest_comes_down_from_the_top(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/29", allocation_order="highest")
        await occupy(conn, SCOPE, [Claim("10.0.0.5", nic("n"), NOON)])
        got = await allocate(conn, subnet.id, 3, nic("a"), NOON, now=NOON)
        assert got == ["10.0.0.6", "10.0.0.4", "10.0.0.3"]
        assert await free_in(conn, subnet.id) == [("10.0.0.1", "10.0.0.2")]


@pytest.mark.parametrize("prefix", ["10.0.0.0/28", "2001:db8::/124", "2001:db8::/64", "10.0.0.0/31"])
async def test_random_hands_out_free_addresses_and_repeats_with_its_draws(pool: Pool, prefix: str) -> None:
    outcomes = []
    for _ in range(2):
        async with pool.acquire() as conn:
            attempt = conn.transaction()
            await attempt.start()
            subnet = await create(conn, prefix, allocation_order="random")
            count = min(10, subnet.prefix.num_addresses)
            draw = random.Random(7).random  # noqa: S311
            outcomes.append(await allocate(conn, subnet.id, count, nic("a"), NOON, now=NOON, draw=draw))
            assert len(set(outcomes[-1])) == count
            await attempt.rollback()
    assert outcomes[0] == outcomes[1]


async def test_random_uses_the_last_address_and_leaves_nothing_behind_when_full(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/29", gateway="10.0.0.3", allocation_order="random")
        await allocate(conn, subnet.id, 3, nic("a"), NOON, now=NOON)
        before = await free_in(conn, subnet.id)
        with pytest.raises(LedgerRefusal) as refusal:
            await allocate(conn, subnet.id, 3, nic("b"), NOON, now=NOON)
        assert refusal.value.code == "subnet_full"
        assert await free_in(conn, subnet.id) == before
        await allocate(conn, subnet.id, 2, nic("b"), NOON, now=NOON)
        assert await free_in(conn, subnet.id) == []


@pytest.mark.parametrize("cooldown", [0, 60])
async def test_longest_unused_begins_with_the_never_used_then_the_first_released(
    pool: Pool, cooldown: int
) -> None:
    async with transaction(pool) as conn:
        subnet = await create(
            conn,
            "10.0.0.0/29",
            allocation_order="longest_unused",
            cooldown_seconds=cooldown,
            gateway="10.0.0.6",
        )
        assert len(await allocate(conn, subnet.id, 4, nic("a"), NOON, now=NOON)) == 4
        await occupy(conn, SCOPE, [Claim("10.0.0.6", nic("router"), NOON)])
        for delay, address in ((3, "10.0.0.1"), (1, "10.0.0.3"), (2, "10.0.0.2"), (0, "10.0.0.6")):
            holder = nic("router" if address == "10.0.0.6" else "a")
            await release(conn, SCOPE, [Release(address, holder, NOON + delay * MINUTE)])
        late = NOON + 60 * MINUTE
        got = await allocate(conn, subnet.id, 3, nic("b"), late, now=late)
        assert got == ["10.0.0.5", "10.0.0.3", "10.0.0.2"]
        assert await allocate(conn, subnet.id, 1, nic("c"), late, now=late) == ["10.0.0.1"]
        with pytest.raises(LedgerRefusal) as refusal:
            await allocate(conn, subnet.id, 1, nic("d"), late, now=late)
        assert refusal.value.code == "subnet_full"


async def test_rested_addresses_are_taken_back_before_the_subnet_counts_as_full(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/30", cooldown_seconds=60)
        for address in await allocate(conn, subnet.id, 2, nic("a"), NOON, now=NOON):
            await release(conn, SCOPE, [Release(address, nic("a"), NOON)])
        with pytest.raises(LedgerRefusal, match="0 free addresses of 2, 1 asked for") as refusal:
            await allocate(conn, subnet.id, 1, nic("b"), NOON, now=NOON)
        assert refusal.value.code == "subnet_full"
        numbers = {"capacity": 2, "used": 2, "free": 0, "asked": 1, "by_kind": {"cooling": 2}}
        assert numbers.items() <= refusal.value.details.items()
        assert await allocate(conn, subnet.id, 1, nic("b"), NOON, now=NOON + MINUTE) == ["10.0.0.1"]


async def test_more_than_is_free_is_refused_as_a_whole(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/29")
        with pytest.raises(LedgerRefusal, match="6 free addresses of 6, 7 asked for"):
            await allocate(conn, subnet.id, 7, nic("a"), NOON, now=NOON)
        assert len(await allocate(conn, subnet.id, 6, nic("a"), NOON, now=NOON)) == 6


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.0.0.0", "network address"),
        ("10.0.0.255", "broadcast address"),
        ("10.0.0.1", "gateway"),
        ("10.0.0.99", "outside the ranges"),
        ("10.0.1.7", "not in 10.0.0.0/24"),
        ("2001:db8::7", "not in 10.0.0.0/24"),
    ],
)
async def test_g7_a_wanted_address_that_is_never_handed_out_is_refused_with_its_reason(
    pool: Pool, address: str, reason: str
) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/24", gateway="10.0.0.1", ranges=[("10.0.0.1", "10.0.0.9")])
        with pytest.raises(LedgerRefusal, match=reason) as refusal:
            await allocate(conn, subnet.id, 1, nic("a"), NOON, now=NOON, wanted=address)
        assert refusal.value.code == "address_not_allocatable"


async def test_a_wanted_address_is_given_once_and_to_its_holder_again(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "2001:db8::/64")
        for _ in range(2):
            got = await allocate(conn, subnet.id, 1, nic("a"), NOON, now=NOON, wanted="2001:DB8::0:7")
            assert got == ["2001:db8::7"]
        with pytest.raises(LedgerRefusal, match="held by a nic") as refusal:
            await allocate(conn, subnet.id, 1, nic("b"), NOON, now=NOON, wanted="2001:db8::7")
        assert refusal.value.code == "address_taken"
        assert refusal.value.details["holder"] == {"kind": "nic", "id": str(nic("a").id)}


@pytest.mark.parametrize("order", ["lowest", "longest_unused"])
async def test_g7_a_wanted_address_that_rests_is_given_only_when_it_has_rested(
    pool: Pool, order: str
) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/24", cooldown_seconds=60, allocation_order=order)
        await occupy(conn, SCOPE, [Claim("10.0.0.7", nic("a"), NOON)])
        await release(conn, SCOPE, [Release("10.0.0.7", nic("a"), NOON)])
        with pytest.raises(LedgerRefusal, match="rests until 2026-03-01 12:01:00 UTC") as refusal:
            await allocate(conn, subnet.id, 1, nic("b"), NOON, now=NOON, wanted="10.0.0.7")
        assert refusal.value.code == "address_taken"
        got = await allocate(conn, subnet.id, 1, nic("b"), NOON, now=NOON + MINUTE, wanted="10.0.0.7")
        assert got == ["10.0.0.7"]
        assert await reclaim(conn, [subnet.id], NOON + 9 * MINUTE) == 0


async def test_an_unknown_subnet_is_named(pool: Pool) -> None:
    async with transaction(pool) as conn:
        with pytest.raises(LedgerRefusal) as refusal:
            await allocate(conn, uuid4(), 1, nic("a"), NOON, now=NOON)
        assert refusal.value.code == "subnet_unknown"


@pytest.mark.parametrize("order", ["lowest", "highest", "random", "longest_unused"])
async def test_g1_g7_16_writers_share_out_exactly_what_there_is(pool: Pool, order: str) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/26", gateway="10.0.0.1", allocation_order=order)
        await occupy(conn, SCOPE, [Claim("10.0.0.9", sighting("seen"), NOON)])

    async def writer(number: int) -> list[str]:
        got: list[str] = []
        for turn in range(5):
            try:
                async with transaction(pool) as conn:
                    got += await allocate(conn, subnet.id, 1, nic((number, turn)), NOON, now=NOON)
            except LedgerRefusal as refusal:
                got.append(refusal.code)
        return got

    outcomes = [o for got in await asyncio.gather(*map(writer, range(16))) for o in got]
    given = [o for o in outcomes if o != "subnet_full"]
    assert len(outcomes) == 80
    assert len(given) == len(set(given)) == 60
    assert not {"10.0.0.0", "10.0.0.1", "10.0.0.9", "10.0.0.63"} & set(given)


async def test_g7_writers_of_sightings_and_of_reservations_never_meet(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/25")

    async def see(number: int) -> None:
        async with transaction(pool) as conn:
            await occupy(conn, SCOPE, [Claim(f"10.0.0.{1 + 3 * number % 126}", sighting(number), NOON)])

    async def place(number: int) -> str:
        async with transaction(pool) as conn:
            (address,) = await allocate(conn, subnet.id, 1, reservation(number), NOON, now=NOON)
            assert (await holders(conn, SCOPE, [address]))[address].holder == reservation(number)
            return address

    outcomes = await asyncio.gather(*(work(n) for n in range(40) for work in (see, place)))
    placed = [address for address in outcomes if address]
    assert len(placed) == len(set(placed)) == 40
    async with pool.acquire() as conn:
        rows = await conn.fetchval("SELECT count(*) FROM ipam.address")
        free = await free_in(conn, subnet.id)
        held = {str(a) for a in await conn.fetchval("SELECT array_agg(address) FROM ipam.address")}
    assert 126 - rows == sum(int(last.split(".")[3]) - int(first.split(".")[3]) + 1 for first, last in free)
    assert not any(end in held for interval in free for end in interval)


async def test_subnets_and_scopes_do_not_wait_for_each_other(pool: Pool) -> None:
    async with transaction(pool) as conn:
        one = await create(conn, "10.0.0.0/24")
        two = await create(conn, "10.1.0.0/24")
        await ensure_scope(conn, "lab")
        other = await create(conn, "10.0.0.0/24", scope="lab")
    async with transaction(pool) as holding:
        await allocate(holding, one.id, 1, nic("a"), NOON, now=NOON)
        async with transaction(pool) as conn:
            await conn.execute("SET LOCAL lock_timeout = '5s'")
            assert await allocate(conn, two.id, 1, nic("b"), NOON, now=NOON) == ["10.1.0.1"]
            assert await allocate(conn, other.id, 1, nic("c"), NOON, now=NOON) == ["10.0.0.1"]


async def test_many_holders_get_what_they_would_have_got_one_by_one(pool: Pool) -> None:
    """G1, G7: of several subnets at once; who comes too late, or asks for another order, gets None."""
    async with transaction(pool) as conn:
        one = await create(conn, "10.0.0.0/29", cooldown_seconds=60)
        two = await create(conn, "10.0.1.0/24", allocation_order="highest")
        await occupy(conn, SCOPE, [Claim(f"10.0.0.{n}", nic(n), NOON) for n in (1, 2, 4)])
        await release(conn, SCOPE, [Release("10.0.0.2", nic(2), NOON)])
        wishes = [Wish(one.id, reservation(n), NOON + MINUTE) for n in range(5)]
        wishes.insert(1, Wish(two.id, reservation("two")))
        wishes.append(Wish(uuid4(), reservation("unknown")))
        got = await allocate_each(conn, wishes, NOON, now=NOON)
        assert got == ["10.0.0.3", None, "10.0.0.5", "10.0.0.6", None, None, None]
        held = await holders(conn, SCOPE, ["10.0.0.3", "10.0.0.5"])
        assert [h.holder for h in held.values()] == [reservation(0), reservation(1)]
        [rested] = await allocate_each(conn, [Wish(one.id, reservation("late"))], NOON, now=NOON + 2 * MINUTE)
        assert rested == "10.0.0.2"
        assert await free_in(conn, one.id) == []


@pytest.mark.parametrize(
    ("prefix", "bound"), [("10.0.0.0/24", "10.0.0.77"), ("2001:db8::/64", "2001:db8::77")]
)
async def test_g5_g7_an_address_bound_to_a_mac_is_that_ports_and_nobody_elses(
    pool: Pool, prefix: str, bound: str
) -> None:
    mac, other = "00:50:56:00:00:01", "00:50:56:00:00:02"
    async with transaction(pool) as conn:
        first = bound.replace("77", "70")
        net = await create(conn, prefix, ranges=[(first, bound)], cooldown_seconds=600)
        await reserve(conn, SCOPE, [bound], NOON, "printer", mac=mac)
        assert (await allocate(conn, net.id, 7, nic("a"), NOON, now=NOON))[-1] == bound.replace("77", "76")
        for asked in ({"mac": other}, {"mac": None}):
            with pytest.raises(LedgerRefusal) as refused:
                await allocate(conn, net.id, 1, nic("b"), NOON, now=NOON, **asked)
            assert refused.value.code == "subnet_full"
        with pytest.raises(LedgerRefusal) as refused:
            await allocate(conn, net.id, 1, nic("b"), NOON, now=NOON, wanted=bound, mac=other)
        assert refused.value.code == "address_taken"
        holder = reservation("the printer's")
        assert await allocate(conn, net.id, 1, holder, NOON, now=NOON, mac=mac) == [bound]
        # Given back it neither is free nor cools down: it is reserved again, as it was.
        await release(conn, SCOPE, [Release(bound, holder, NOON + MINUTE)])
        row = (await holders(conn, SCOPE, [bound]))[bound]
        assert (row.holder.kind, row.since, row.note) == ("reserved", NOON, "printer")
        assert await allocate(conn, net.id, 1, holder, NOON, now=NOON, mac=mac, wanted=bound) == [bound]
        await unreserve(conn, SCOPE, [bound], NOON)
        await release(conn, SCOPE, [Release(bound, holder, NOON + MINUTE)])
        assert (await holders(conn, SCOPE, [bound]))[bound].holder.kind == "cooling"
