"""Occupying, releasing, reserving: one holder each, and free intervals that follow, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from shared.ipam.domain import release_note
from shared.ipam.ledger import (
    Claim,
    Holder,
    Release,
    Steps,
    allocate,
    extend,
    follow,
    held_by,
    holders,
    lock_subnets,
    occupy,
    reclaim,
    release,
)
from shared.ipam.reserving import reserve, reserved_by, unreserve
from shared.ipam.subnets import ensure_scope
from shared.store.pool import Pool, transaction
from tests.integration.ipam.building import (
    MINUTE,
    NOON,
    SCOPE,
    addresses_from,
    create,
    free_in,
    nic,
    reservation,
    sighting,
    somebody_waits,
)

pytestmark = pytest.mark.postgres


async def test_g1_the_database_refuses_a_second_holder_of_an_address(pool: Pool) -> None:
    insert = """
        INSERT INTO ipam.address (scope_id, address, holder_kind, holder_id, since)
        VALUES ($1, '10.0.0.1', 'nic', gen_random_uuid(), now())
    """
    async with pool.acquire() as conn:
        await conn.execute(insert, SCOPE)
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(insert, SCOPE)
        await conn.execute(insert, await ensure_scope(conn, "lab"))


async def test_g1_the_database_refuses_addresses_with_a_mask_and_unknown_scopes(pool: Pool) -> None:
    insert = """
        INSERT INTO ipam.address (scope_id, address, holder_kind, holder_id, since)
        VALUES ($1, $2, 'nic', gen_random_uuid(), now())
    """
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(insert, SCOPE, "10.0.0.1/24")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await conn.execute(insert, nic("no scope").id, "10.0.0.1")


async def test_the_database_refuses_addresses_of_subnets_that_are_not_there_or_of_another_scope(
    pool: Pool,
) -> None:
    insert = """
        INSERT INTO ipam.address (scope_id, address, subnet_id, holder_kind, holder_id, since)
        SELECT $1, '10.0.0.0'::inet + n, s, 'nic', gen_random_uuid(), now()
        FROM unnest($2::uuid[]) WITH ORDINALITY AS t (s, n)
    """
    move = "UPDATE ipam.address SET subnet_id = $1 WHERE address = '10.0.0.1'"
    async with pool.acquire() as conn:
        async with conn.transaction():
            here = (await create(conn, "10.0.0.0/29")).id
            elsewhere = (await create(conn, "10.0.0.0/29", scope="lab")).id
        for wrong in (elsewhere, nic("no subnet").id):
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await conn.execute(insert, SCOPE, [here, wrong])
        await conn.execute(insert, SCOPE, [here, here])
        for wrong in (elsewhere, nic("no subnet").id):
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await conn.execute(move, wrong)
        await conn.execute(move, None)
        await conn.execute(move, here)


async def test_the_database_keeps_a_subnet_that_addresses_are_of_and_clears_up_after_one_that_goes(
    pool: Pool,
) -> None:
    async with pool.acquire() as conn, conn.transaction():
        subnet = await create(conn, "10.0.0.0/29")
        await occupy(conn, SCOPE, [Claim("10.0.0.3", nic("a"), NOON)])
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with conn.transaction():
                await conn.execute("DELETE FROM ipam.subnet WHERE id = $1", subnet.id)
        await release(conn, SCOPE, [Release("10.0.0.3", nic("a"), NOON)], cooldown=False)
        assert await free_in(conn, subnet.id) == [("10.0.0.1", "10.0.0.6")]
        await conn.execute("DELETE FROM ipam.subnet WHERE id = $1", subnet.id)
        assert await free_in(conn, subnet.id) == []


async def test_a_subnet_deleted_past_the_ledger_waits_for_who_takes_its_addresses(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/29")

    async def delete() -> None:
        async with pool.acquire() as conn:
            await conn.execute("DELETE FROM ipam.subnet WHERE id = $1", subnet.id)

    async with transaction(pool) as conn:
        await occupy(conn, SCOPE, [Claim("10.0.0.3", nic("a"), NOON)])
        deletion = asyncio.create_task(delete())
        async with pool.acquire() as other:
            await somebody_waits(other)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await deletion


async def test_g7_free_intervals_follow_rows_written_past_the_ledger(pool: Pool) -> None:
    async with pool.acquire() as conn:
        async with conn.transaction():
            subnet = await create(conn, "10.0.0.0/29")
        await conn.execute(
            """
            INSERT INTO ipam.address (scope_id, address, subnet_id, holder_kind, holder_id, since)
            SELECT $1, '10.0.0.0'::inet + n, $2, 'nic', gen_random_uuid(), now()
            FROM unnest('{2,3,6}'::int[]) n
            """,
            SCOPE,
            subnet.id,
        )
        assert await free_in(conn, subnet.id) == [("10.0.0.1", "10.0.0.1"), ("10.0.0.4", "10.0.0.5")]
        await conn.execute("DELETE FROM ipam.address WHERE address <> '10.0.0.3'")
        assert await free_in(conn, subnet.id) == [("10.0.0.1", "10.0.0.2"), ("10.0.0.4", "10.0.0.6")]


async def test_g1_of_two_claims_the_first_is_granted_and_the_second_sees_the_holder(pool: Pool) -> None:
    first, second = Claim("10.0.0.5", nic("a"), NOON, "why"), Claim("10.0.0.5", sighting("b"), NOON)
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/24")
        in_one_batch = await occupy(conn, SCOPE, [first, second, first])
        assert in_one_batch.granted == [first, first]
        assert in_one_batch.refused == [(second, nic("a"))]
        later = await occupy(conn, SCOPE, [second])
        assert (later.granted, later.refused) == ([], [(second, nic("a"))])
        (held,) = (await holders(conn, SCOPE, ["10.0.0.5", "10.0.0.6"])).values()
        assert (held.holder, held.subnet, held.since, held.note) == (nic("a"), subnet.id, NOON, "why")


async def test_g3_a_repeated_claim_changes_nothing(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await occupy(conn, SCOPE, [Claim("10.0.0.5", nic("a"), NOON)])
        again = await occupy(conn, SCOPE, [Claim("10.0.0.5", nic("a"), NOON + MINUTE)])
        assert len(again.granted) == 1
        assert (await holders(conn, SCOPE, ["10.0.0.5"]))["10.0.0.5"].since == NOON


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (sighting("p"), nic("p")),
        (nic("p"), sighting("p")),
        (reservation("r"), nic("p")),
    ],
)
async def test_an_address_is_handed_over_from_exactly_the_holder_named(
    pool: Pool, old: Holder, new: Holder
) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/29")
        await occupy(conn, SCOPE, [Claim("10.0.0.5", old, NOON, until=NOON + MINUTE)])
        free = await free_in(conn, subnet.id)
        wrong = Claim("10.0.0.5", new, NOON, instead_of=Holder(old.kind, nic("other").id))
        assert (await occupy(conn, SCOPE, [wrong])).refused == [(wrong, old)]
        right = Claim("10.0.0.5", new, NOON + MINUTE, instead_of=old)
        assert (await occupy(conn, SCOPE, [right])).granted == [right]
        held = (await holders(conn, SCOPE, ["10.0.0.5"]))["10.0.0.5"]
        assert (held.holder, held.since, held.until) == (new, NOON + MINUTE, None)
        assert await free_in(conn, subnet.id) == free


async def test_a_hand_over_within_one_batch_ends_with_the_last(pool: Pool) -> None:
    async with transaction(pool) as conn:
        claims = [
            Claim("10.0.0.5", sighting("p"), NOON),
            Claim("10.0.0.5", nic("p"), NOON, instead_of=sighting("p")),
        ]
        assert (await occupy(conn, SCOPE, claims)).granted == claims
        assert (await holders(conn, SCOPE, ["10.0.0.5"]))["10.0.0.5"].holder == nic("p")


async def test_g5_a_reserved_address_stays_reserved_whatever_is_seen(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await reserve(conn, SCOPE, ["10.0.0.5"], NOON, "router to come")
        for holder in (nic("a"), sighting("b"), reservation("r")):
            refused = (await occupy(conn, SCOPE, [Claim("10.0.0.5", holder, NOON)])).refused
            assert [by for _, by in refused] == [reserved_by(SCOPE, "10.0.0.5")]
            assert not (await release(conn, SCOPE, [Release("10.0.0.5", holder, NOON)])).done
        assert (await holders(conn, SCOPE, ["10.0.0.5"]))["10.0.0.5"].note == "router to come"


async def test_reserving_is_refused_for_an_address_in_use_and_can_be_taken_back(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/29", cooldown_seconds=600)
        await occupy(conn, SCOPE, [Claim("10.0.0.2", nic("a"), NOON)])
        outcome = await reserve(conn, SCOPE, ["10.0.0.1", "10.0.0.2"], NOON)
        assert [claim.address for claim in outcome.granted] == ["10.0.0.1"]
        assert [by for _, by in outcome.refused] == [nic("a")]
        back = await unreserve(conn, SCOPE, ["10.0.0.1", "10.0.0.2"], NOON)
        assert [done.address for done in back.done] == ["10.0.0.1"]
        assert await free_in(conn, subnet.id) == [("10.0.0.1", "10.0.0.1"), ("10.0.0.3", "10.0.0.6")]


async def test_g7_a_released_address_rests_in_event_time(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/30", cooldown_seconds=60)
        await occupy(conn, SCOPE, [Claim("10.0.0.1", nic("a"), NOON)])
        await release(conn, SCOPE, [Release("10.0.0.1", nic("a"), NOON + MINUTE)])
        held = (await holders(conn, SCOPE, ["10.0.0.1"]))["10.0.0.1"]
        assert held.holder == Holder("cooling", nic("a").id)
        assert (held.since, held.until) == (NOON + MINUTE, NOON + 2 * MINUTE)
        assert await free_in(conn, subnet.id) == [("10.0.0.2", "10.0.0.2")]
        almost = NOON + 2 * MINUTE - timedelta(microseconds=1)
        assert await reclaim(conn, [subnet.id], almost) == 0
        assert await reclaim(conn, [subnet.id], NOON + 2 * MINUTE) == 1
        assert await free_in(conn, subnet.id) == [("10.0.0.1", "10.0.0.2")]


async def test_without_cool_down_or_without_a_subnet_a_released_address_is_free_at_once(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await create(conn, "10.0.0.0/29", cooldown_seconds=0)
        await create(conn, "10.1.0.0/29", cooldown_seconds=60)
        for address, cooldown in (("10.0.0.1", True), ("10.1.0.1", False), ("10.2.0.1", True)):
            await occupy(conn, SCOPE, [Claim(address, nic(address), NOON)])
            done = await release(conn, SCOPE, [Release(address, nic(address), NOON)], cooldown=cooldown)
            assert len(done.done) == 1
            assert await holders(conn, SCOPE, [address]) == {}


async def test_only_the_holder_releases_however_late_it_says_so(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await create(conn, "10.0.0.0/29", cooldown_seconds=60)
        await occupy(conn, SCOPE, [Claim("10.0.0.1", nic("old"), NOON)])
        await release(conn, SCOPE, [Release("10.0.0.1", nic("old"), NOON)])
        await occupy(conn, SCOPE, [Claim("10.0.0.1", nic("new"), NOON)])
        late = [Release("10.0.0.1", nic("old"), NOON), Release("10.0.0.2", nic("old"), NOON)]
        outcome = await release(conn, SCOPE, late)
        assert outcome.done == []
        assert outcome.not_held == [(late[0], nic("new")), (late[1], None)]
        assert (await holders(conn, SCOPE, ["10.0.0.1"]))["10.0.0.1"].holder == nic("new")


async def test_a_resting_address_goes_to_who_is_seen_with_it_but_not_to_a_new_reservation(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await create(conn, "10.0.0.0/29", cooldown_seconds=60)
        await occupy(conn, SCOPE, [Claim("10.0.0.1", reservation("r"), NOON)])
        await release(conn, SCOPE, [Release("10.0.0.1", reservation("r"), NOON)])
        resting = Holder("cooling", reservation("r").id)
        other = Claim("10.0.0.1", reservation("other"), NOON)
        assert (await occupy(conn, SCOPE, [other])).refused == [(other, resting)]
        back = Claim("10.0.0.1", reservation("r"), NOON, instead_of=resting)
        assert (await occupy(conn, SCOPE, [back])).granted == [back]
        await release(conn, SCOPE, [Release("10.0.0.1", reservation("r"), NOON)])
        seen = Claim("10.0.0.1", sighting("s"), NOON)
        assert (await occupy(conn, SCOPE, [seen])).granted == [seen]
        await release(conn, SCOPE, [Release("10.0.0.1", sighting("s"), NOON)])
        rested = Claim("10.0.0.1", reservation("other"), NOON + MINUTE)
        assert (await occupy(conn, SCOPE, [rested])).granted == [rested]


async def test_hundreds_of_claims_over_many_subnets_families_and_none(pool: Pool) -> None:
    async with transaction(pool) as conn:
        fours = [await create(conn, f"10.0.{n}.0/26") for n in range(4)]
        six = await create(conn, "2001:db8::/64")
        taken = [a for n in range(4) for a in addresses_from(f"10.0.{n}.0", 64)]
        taken += [*addresses_from("2001:db8::10", 100), *addresses_from("192.0.2.1", 50)]
        claims = [Claim(address, nic(address), NOON) for address in taken]
        assert (await occupy(conn, SCOPE, claims)).refused == []
        assert [await free_in(conn, s.id) for s in fours] == [[], [], [], []]
        assert await free_in(conn, six.id) == [
            ("2001:db8::1", "2001:db8::f"),
            ("2001:db8::74", "2001:db8::ffff:ffff:ffff:ffff"),
        ]
        odd = [Release(c.address, c.holder, NOON) for c in claims[1::2]]
        assert len((await release(conn, SCOPE, odd)).done) == len(odd)
        assert len(await free_in(conn, fours[0].id)) == 31
        even = [Release(c.address, c.holder, NOON) for c in claims[::2]]
        assert len((await release(conn, SCOPE, even)).done) == len(even)
        assert await free_in(conn, fours[3].id) == [("10.0.3.1", "10.0.3.62")]
        assert await conn.fetchval("SELECT count(*) FROM ipam.address") == 0


async def test_equal_addresses_of_two_scopes_have_their_own_holders(pool: Pool) -> None:
    async with transaction(pool) as conn:
        lab = await ensure_scope(conn, "lab")
        a, b = reservation("a"), reservation("b")
        assert (await occupy(conn, SCOPE, [Claim("10.0.0.1", a, NOON)])).granted
        assert (await occupy(conn, lab, [Claim("10.0.0.1", b, NOON)])).granted
        found = await held_by(conn, [a.id, b.id])
        assert [(h.scope, h.address) for h in found[a.id]] == [(SCOPE, "10.0.0.1")]
        assert [(h.scope, h.address) for h in found[b.id]] == [(lab, "10.0.0.1")]


async def test_one_spelling_for_every_address(pool: Pool) -> None:
    async with transaction(pool) as conn:
        long = Claim("2001:DB8:0:0::1", nic("a"), NOON)
        await occupy(conn, SCOPE, [long, Claim("2001:db8::1", nic("b"), NOON)])
        assert list(await holders(conn, SCOPE, ["2001:db8::1"])) == [long.address] == ["2001:db8::1"]
    with pytest.raises(ValueError, match="IPv4-mapped"):
        Claim("::ffff:10.0.0.1", nic("a"), NOON)


async def test_a_reservation_is_extended_in_all_its_addresses(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/24")
        await allocate(conn, subnet.id, 3, reservation("r"), NOON, now=NOON, until=NOON + MINUTE)
        assert await extend(conn, reservation("r").id, NOON + 2 * MINUTE) == 3
        (held,) = (await held_by(conn, [reservation("r").id])).values()
        assert {row.until for row in held} == {NOON + 2 * MINUTE}
        assert await extend(conn, reservation("unknown").id, NOON) == 0


async def test_what_a_reservation_holds_is_what_it_was_given_and_has_not_let_go(pool: Pool) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/24", cooldown_seconds=60)
        kept, other = reservation("r"), reservation("other")
        await allocate(conn, subnet.id, 3, kept, NOON, now=NOON, until=NOON + MINUTE)
        await allocate(conn, subnet.id, 1, other, NOON, now=NOON, until=NOON + MINUTE)
        await occupy(conn, SCOPE, [Claim("10.0.0.1", nic("n"), NOON, instead_of=kept)])
        await release(conn, SCOPE, [Release("10.0.0.2", kept, NOON), Release("10.0.0.4", other, NOON)])
        found = await held_by(conn, [kept.id, other.id, nic("n").id])
        assert [(i, h.address) for i, held in found.items() for h in held] == [(kept.id, "10.0.0.3")]


async def test_who_asks_for_a_reservation_does_not_read_the_whole_ledger(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await create(conn, "10.0.0.0/16")
        await occupy(conn, SCOPE, [Claim(a, nic(a), NOON) for a in addresses_from("10.0.0.2", 4000)])
    await pool.execute("ANALYZE ipam.address")
    async with transaction(pool) as conn:
        scans = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'ipam.address'::regclass"
        before = await conn.fetchval(scans)
        assert await held_by(conn, [reservation("r").id]) == {}
        assert await extend(conn, reservation("r").id, NOON) == 0
        assert await conn.fetchval(scans) == before


async def test_the_index_of_what_reservations_held_knows_the_words_of_the_ledger(pool: Pool) -> None:
    index = await pool.fetchval("SELECT pg_get_indexdef('ipam.address_by_reservation'::regclass)")
    assert f"'{release_note('reservation')}'" in index


async def test_g1_a_rival_for_an_address_in_no_subnet_is_waited_for_and_seen(pool: Pool) -> None:
    claims = [Claim("192.0.2.1", sighting("s"), NOON), Claim("192.0.2.2", sighting("s"), NOON)]

    async def later() -> list[tuple[Claim, Holder]]:
        async with transaction(pool) as conn:
            outcome = await occupy(conn, SCOPE, claims)
            assert outcome.granted == claims[:1]
            return outcome.refused

    async with transaction(pool) as conn:
        await occupy(conn, SCOPE, [Claim("192.0.2.2", nic("first"), NOON)])
        rival = asyncio.create_task(later())
        async with pool.acquire() as other:
            await somebody_waits(other)
    assert await rival == [(claims[1], nic("first"))]


async def test_g1_steps_that_were_judged_too_early_are_judged_anew_and_leave_nothing_twice(
    pool: Pool,
) -> None:
    """An address in no subnet goes to a rival while we write: what was written with it is taken back."""
    async with transaction(pool) as conn:
        subnet = await create(conn, "10.0.0.0/29", cooldown_seconds=60)
        await occupy(conn, SCOPE, [Claim("10.0.0.1", nic("a"), NOON), Claim("10.0.0.2", nic("b"), NOON)])
    steps = Steps(
        undo=[Release("10.0.0.2", nic("b"), NOON)],
        occupy=[Claim(a, nic("a"), NOON + MINUTE) for a in ("10.0.0.4", "192.0.2.1", "192.0.2.2")],
        release=[Release("10.0.0.1", nic("a"), NOON + MINUTE)],
    )

    async def later() -> None:
        async with transaction(pool) as conn:
            outcome = await follow(conn, SCOPE, steps)
        assert outcome.granted == steps.occupy[:2]
        assert outcome.refused == [(steps.occupy[2], nic("first"))]
        assert outcome.released == [*steps.undo, *steps.release]

    async with transaction(pool) as conn:
        await occupy(conn, SCOPE, [Claim("192.0.2.2", nic("first"), NOON)])
        ours = asyncio.create_task(later())
        async with pool.acquire() as other:
            await somebody_waits(other)
    await ours
    async with pool.acquire() as conn:
        found = await holders(conn, SCOPE, [*addresses_from("10.0.0.1", 6), "192.0.2.1", "192.0.2.2"])
        assert {address: held.holder for address, held in found.items()} == {
            "10.0.0.1": Holder("cooling", nic("a").id),
            "10.0.0.4": nic("a"),
            "192.0.2.1": nic("a"),
            "192.0.2.2": nic("first"),
        }
        assert await free_in(conn, subnet.id) == [("10.0.0.2", "10.0.0.3"), ("10.0.0.5", "10.0.0.6")]


async def test_subnets_locked_up_front_keep_crossing_transactions_from_deadlock(pool: Pool) -> None:
    async with transaction(pool) as conn:
        one = await create(conn, "10.0.0.0/16")
        two = await create(conn, "10.1.0.0/16")

    async def cross(number: int) -> None:
        order = [one, two] if number % 2 else [two, one]
        async with transaction(pool) as conn:
            if number % 3:
                await lock_subnets(conn, [s.id for s in order])
            else:
                await lock_subnets(conn, [order[0].id], addresses=[(SCOPE, "10.0.0.9"), (SCOPE, "10.1.0.9")])
            for subnet in order:
                await allocate(conn, subnet.id, 1, nic(number), NOON, now=NOON)

    await asyncio.gather(*(cross(number) for number in range(40)))
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM ipam.address") == 80


async def test_g1_batches_of_the_same_addresses_in_any_order_wait_and_never_deadlock(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await create(conn, "10.0.0.0/24")
    everywhere = [*addresses_from("10.0.0.1", 30), *addresses_from("192.0.2.1", 30)]

    async def claim(number: int) -> int:
        order = everywhere[:: -1 if number % 2 else 1]
        async with transaction(pool) as conn:
            claims = [Claim(address, nic(number), NOON) for address in order]
            return len((await occupy(conn, SCOPE, claims)).granted)

    assert sorted(await asyncio.gather(*map(claim, range(12)))) == [0] * 11 + [60]


async def test_the_ledger_is_written_in_a_transaction_only(pool: Pool) -> None:
    async with pool.acquire() as conn:
        for call in (
            occupy(conn, SCOPE, []),
            release(conn, SCOPE, []),
            allocate(conn, SCOPE, 1, nic("a"), NOON, now=NOON),
            lock_subnets(conn, []),
        ):
            with pytest.raises(RuntimeError, match="inside a transaction"):
                await call
