"""Subnets on a real PostgreSQL: created, refused, changed, deleted, found."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from uuid import UUID, uuid4

import pytest

from shared.events.subnet import AddressRange, Route
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import Claim, Release, allocate, holders, occupy, release
from shared.ipam.reserving import reserve
from shared.ipam.scopes import list_scopes, scope_name
from shared.ipam.subnets import (
    create_subnet,
    delete_subnet,
    ensure_scope,
    find,
    get,
    list_subnets,
    set_wire,
    subnets_containing,
    subnets_on_wires,
    update_subnet,
    utilisation,
    wires_of_subnets,
)
from shared.model.identifiers import scope_id
from shared.store.pool import Pool, transaction
from tests.integration.ipam.building import (
    MINUTE,
    NOON,
    SCOPE,
    create,
    draft,
    free_in,
    nic,
    reservation,
    sighting,
    somebody_waits,
    wire,
)

pytestmark = pytest.mark.postgres


async def test_a_subnet_is_kept_with_every_field(pool: Pool) -> None:
    facts = draft(
        "10.1.0.0/24",
        "web",
        ranges=[("10.1.0.10", "10.1.0.99"), ("10.1.0.150", "10.1.0.200")],
        gateway="10.1.0.1",
        dns=("10.1.0.2", "2001:db8::53"),
        domain="example.net",
        ntp=("ntp.example.net",),
        mtu=9000,
        vlan=120,
        routes=(Route(to="10.9.0.0/16", via="10.1.0.254"),),
        auto_allocate=False,
        allocation_order="random",
        cooldown_seconds=60,
        labels={"zone": "a"},
    )
    async with transaction(pool) as conn:
        made = await create_subnet(conn, facts, NOON)
    async with transaction(pool) as conn:
        again = await get(conn, facts.id)
        by_name = await find(conn, "web")
        by_id = await find(conn, str(facts.id), "some other scope")
    assert again == by_name == by_id == made
    assert made.facts() == facts
    assert (made.created_at, made.updated_at, made.revision) == (NOON, NOON, 1)


@pytest.mark.parametrize(
    ("prefix", "gateway", "free"),
    [
        ("10.0.0.0/24", "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
        ("10.0.0.0/24", "10.0.0.100", [("10.0.0.1", "10.0.0.99"), ("10.0.0.101", "10.0.0.254")]),
        ("10.0.0.0/24", None, [("10.0.0.1", "10.0.0.254")]),
        ("10.0.0.0/31", None, [("10.0.0.0", "10.0.0.1")]),
        ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
        ("10.0.0.7/32", None, [("10.0.0.7", "10.0.0.7")]),
        ("255.255.255.254/31", None, [("255.255.255.254", "255.255.255.255")]),
        ("2001:db8::/64", "2001:db8::1", [("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff")]),
        ("2001:db8::/64", "fe80::1", [("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")]),
        ("2001:db8::/127", None, [("2001:db8::", "2001:db8::1")]),
        ("2001:db8::5/128", None, [("2001:db8::5", "2001:db8::5")]),
    ],
)
async def test_g7_network_broadcast_anycast_and_gateway_are_never_free(
    pool: Pool, prefix: str, gateway: str | None, free: list[tuple[str, str]]
) -> None:
    async with transaction(pool) as conn:
        subnet = await create(conn, prefix, gateway=gateway)
        assert await free_in(conn, subnet.id) == free


async def test_adjacent_ranges_are_one(pool: Pool) -> None:
    async with transaction(pool) as conn:
        ranges = [("10.0.0.20", "10.0.0.29"), ("10.0.0.10", "10.0.0.19")]
        subnet = await create(conn, "10.0.0.0/24", ranges=ranges)
        assert await free_in(conn, subnet.id) == [("10.0.0.10", "10.0.0.29")]


async def test_g7_a_new_subnet_takes_in_what_the_ledger_holds_already(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await occupy(
            conn,
            SCOPE,
            [
                Claim("10.0.0.2", sighting("a"), NOON),
                Claim("10.0.0.4", sighting("b"), NOON),
                Claim("10.0.1.4", sighting("elsewhere"), NOON),
            ],
        )
        subnet = await create(conn, "10.0.0.0/29", gateway="10.0.0.1")
        assert await free_in(conn, subnet.id) == [("10.0.0.3", "10.0.0.3"), ("10.0.0.5", "10.0.0.6")]
        rows = await holders(conn, SCOPE, ["10.0.0.2", "10.0.1.4"])
        assert {a: row.subnet for a, row in rows.items()} == {"10.0.0.2": subnet.id, "10.0.1.4": None}
        assert await allocate(conn, subnet.id, 2, nic("x"), NOON, now=NOON) == ["10.0.0.3", "10.0.0.5"]


async def test_mistakes_refuse_the_subnet_all_at_once(pool: Pool) -> None:
    async with transaction(pool) as conn:
        with pytest.raises(LedgerRefusal) as refusal:
            await create(conn, "10.0.0.0/24", gateway="10.0.9.1", ranges=[("10.0.0.9", "10.0.0.3")])
        assert refusal.value.code == "gateway_outside_prefix"
        assert refusal.value.field == "gateway"
        mistakes = refusal.value.details["mistakes"]
        assert isinstance(mistakes, list)
        assert [m["code"] for m in mistakes] == ["gateway_outside_prefix", "range_upside_down"]
        assert await list_subnets(conn) == []


@pytest.mark.parametrize("rival", ["10.0.0.0/24", "10.0.0.0/16", "10.0.0.128/25", "10.0.0.7/32"])
async def test_overlapping_subnets_of_a_scope_are_refused_by_the_rival_s_name(pool: Pool, rival: str) -> None:
    async with transaction(pool) as conn:
        known = await create(conn, rival, "the rival")
        with pytest.raises(LedgerRefusal, match="the rival") as refusal:
            await create(conn, "10.0.0.0/24", "mine")
        assert refusal.value.code == "subnet_overlaps"
        assert refusal.value.details["subnet"] == str(known.id)
        await create(conn, "10.1.0.0/24", "beside it")


async def test_equal_prefixes_live_side_by_side_in_different_scopes(pool: Pool) -> None:
    async with transaction(pool) as conn:
        lab = await ensure_scope(conn, "lab")
        assert lab == await ensure_scope(conn, "lab") == scope_id("lab")
        one = await create(conn, "10.0.0.0/24", "web")
        two = await create(conn, "10.0.0.0/24", "web", scope="lab")
        assert one.id != two.id
        assert await allocate(conn, one.id, 1, nic("a"), NOON, now=NOON) == ["10.0.0.1"]
        assert await allocate(conn, two.id, 1, nic("b"), NOON, now=NOON) == ["10.0.0.1"]
        assert await subnets_containing(conn, SCOPE, "10.0.0.9") == [one]
        assert await subnets_containing(conn, lab, "10.0.0.9") == [two]
        assert await subnets_containing(conn, lab, "10.0.1.9") == []
        assert [s.id for s in await list_subnets(conn, scope="lab")] == [two.id]
        assert await find(conn, "web", "lab") == two


async def test_scopes_have_names_and_the_default_one_is_always_there(pool: Pool) -> None:
    async with transaction(pool) as conn:
        assert await list_scopes(conn) == {SCOPE: "default"}
        lab = await ensure_scope(conn, "lab")
        assert await list_scopes(conn) == {SCOPE: "default", lab: "lab"}
        assert await scope_name(conn, lab) == "lab"
        with pytest.raises(LedgerRefusal) as refusal:
            await scope_name(conn, uuid4())
        assert refusal.value.code == "scope_unknown"


async def test_g3_a_repeated_creation_names_the_subnet_it_made_before(pool: Pool) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24")
        with pytest.raises(LedgerRefusal) as refusal:
            await create(conn, "10.0.0.0/24")
        assert refusal.value.details["subnet"] == str(made.id)


async def test_a_name_is_taken_once_in_a_scope(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await create(conn, "10.0.0.0/24", "web")
        other = await create(conn, "10.2.0.0/24", "db")
        with pytest.raises(LedgerRefusal) as refusal:
            await create(conn, "10.1.0.0/24", "web")
        assert refusal.value.code == "name_taken"
        with pytest.raises(LedgerRefusal) as refusal:
            await update_subnet(conn, other.id, {"name": "web"}, NOON)
        assert refusal.value.code == "name_taken"


async def test_of_overlapping_subnets_created_at_once_exactly_one_is_made(pool: Pool) -> None:
    async def attempt(length: int) -> str:
        try:
            async with transaction(pool) as conn:
                await create(conn, f"10.0.0.0/{length}", f"n{length}")
        except LedgerRefusal as refusal:
            return refusal.code
        return "created"

    outcomes = await asyncio.gather(*(attempt(length) for length in range(20, 28)))
    assert sorted(outcomes) == ["created"] + ["subnet_overlaps"] * 7


async def test_g7_an_address_seen_while_its_subnet_is_created_is_not_free_in_it(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await occupy(conn, SCOPE, [Claim("10.0.0.1", sighting("a"), NOON)])
        async with pool.acquire() as other:
            making = asyncio.create_task(_created(pool))
            await somebody_waits(other)
    subnet = await making
    async with pool.acquire() as conn:
        assert await free_in(conn, subnet) == [("10.0.0.2", "10.0.0.2")]


async def _created(pool: Pool) -> UUID:
    async with transaction(pool) as conn:
        return (await create(conn, "10.0.0.0/30")).id


async def test_an_update_changes_what_it_names_and_tells_both_states(pool: Pool) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24", "web", gateway="10.0.0.1", domain="old.example")
        changes = {"name": "www", "domain": None, "mtu": 1400, "labels": {"tier": "1"}}
        change = await update_subnet(conn, made.id, changes, NOON + MINUTE)
    assert change.before == made
    assert (change.after.name, change.after.domain, change.after.mtu) == ("www", None, 1400)
    assert change.after.labels == {"tier": "1"}
    assert (change.after.revision, change.after.updated_at) == (2, NOON + MINUTE)
    assert change.after.ranges == made.ranges


async def test_default_ranges_follow_the_gateway_and_stated_ones_do_not(pool: Pool) -> None:
    async with transaction(pool) as conn:
        by_default = await create(conn, "10.0.0.0/29", gateway="10.0.0.1")
        stated = await create(conn, "10.1.0.0/29", ranges=[("10.1.0.1", "10.1.0.4")])
        await occupy(conn, SCOPE, [Claim("10.0.0.3", nic("a"), NOON)])
        await update_subnet(conn, by_default.id, {"gateway": "10.0.0.6"}, NOON)
        assert await free_in(conn, by_default.id) == [("10.0.0.1", "10.0.0.2"), ("10.0.0.4", "10.0.0.5")]
        await update_subnet(conn, stated.id, {"gateway": "10.1.0.2"}, NOON)
        assert await free_in(conn, stated.id) == [("10.1.0.1", "10.1.0.1"), ("10.1.0.3", "10.1.0.4")]
        wider = (AddressRange(first="10.1.0.1", last="10.1.0.6"),)
        await update_subnet(conn, stated.id, {"ranges": wider, "gateway": None}, NOON)
        assert await free_in(conn, stated.id) == [("10.1.0.1", "10.1.0.6")]


async def test_an_update_refuses_what_can_not_change_and_what_is_wrong(pool: Pool) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24")
        for changes, code in (
            ({"prefix": "10.0.2.0/24"}, "prefix_elsewhere"),
            ({"prefix": "2001:db8::/64"}, "prefix_elsewhere"),
            ({"scope": "lab"}, "field_fixed"),
            ({"nonsense": 1}, "field_fixed"),
            ({"gateway": "10.0.1.1"}, "gateway_outside_prefix"),
        ):
            with pytest.raises(LedgerRefusal) as refusal:
                await update_subnet(conn, made.id, changes, NOON)
            assert refusal.value.code == code
        with pytest.raises(LedgerRefusal) as refusal:
            await update_subnet(conn, uuid4(), {"mtu": 1500}, NOON)
        assert refusal.value.code == "subnet_unknown"
        assert await get(conn, made.id) == made


async def test_a_subnet_in_use_is_not_deleted_and_names_its_holders(pool: Pool) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24")
        await allocate(conn, made.id, 25, nic("many"), NOON, now=NOON)
        with pytest.raises(LedgerRefusal, match=r"25 addresses in use, the first is 10\.0\.0\.1") as refusal:
            await delete_subnet(conn, made.id)
    assert refusal.value.code == "subnet_in_use"
    holders_named = refusal.value.details["holders"]
    assert isinstance(holders_named, list)
    assert len(holders_named) == 20
    assert holders_named[0] == {"address": "10.0.0.1", "kind": "nic", "id": str(nic("many").id)}


@pytest.mark.parametrize("kind", ["reservation", "reserved"])
async def test_g5_reservations_and_reserved_addresses_keep_their_subnet(pool: Pool, kind: str) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24")
        if kind == "reserved":
            await reserve(conn, SCOPE, ["10.0.0.9"], NOON)
        else:
            await allocate(conn, made.id, 1, reservation("r"), NOON, now=NOON)
        with pytest.raises(LedgerRefusal) as refusal:
            await delete_subnet(conn, made.id)
        assert refusal.value.code == "subnet_in_use"


async def test_deleting_a_subnet_keeps_sightings_and_forgets_what_rests(pool: Pool) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24", cooldown_seconds=600)
        claims = [Claim("10.0.0.5", nic("gone"), NOON), Claim("10.0.0.6", sighting("s"), NOON)]
        await occupy(conn, SCOPE, claims)
        await release(conn, SCOPE, [Release("10.0.0.5", nic("gone"), NOON)])
        await set_wire(conn, made.id, wire("other"), "pinned", NOON)
        assert await delete_subnet(conn, made.id) == made
        left = await holders(conn, SCOPE, ["10.0.0.5", "10.0.0.6"])
        assert [(row.address, row.subnet) for row in left.values()] == [("10.0.0.6", None)]
        assert await get(conn, made.id) is None
        assert await free_in(conn, made.id) == []
        again = await create(conn, "10.0.0.0/24")
        assert await free_in(conn, again.id) == [("10.0.0.1", "10.0.0.5"), ("10.0.0.7", "10.0.0.254")]
        with pytest.raises(LedgerRefusal, match="there is no subnet"):
            await delete_subnet(conn, uuid4())


async def test_g5_what_an_operator_pinned_or_denied_no_sighting_changes(pool: Pool) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24")
        far = wire("far")
        assert await set_wire(conn, made.id, far, "detected", NOON) == (None, "detected")
        assert await set_wire(conn, made.id, far, "denied", NOON) == ("detected", "denied")
        assert await set_wire(conn, made.id, far, "detected", NOON) == ("denied", "denied")
        assert await set_wire(conn, made.id, far, None, NOON, observed=True) == ("denied", "denied")
        assert await set_wire(conn, made.id, far, "pinned", NOON) == ("denied", "pinned")
        assert await set_wire(conn, made.id, far, None, NOON) == ("pinned", None)
        assert await set_wire(conn, made.id, far, "detected", NOON) == (None, "detected")
        assert await set_wire(conn, made.id, far, None, NOON, observed=True) == ("detected", None)


async def test_the_default_wire_can_be_neither_denied_nor_detected(pool: Pool) -> None:
    async with transaction(pool) as conn:
        made = await create(conn, "10.0.0.0/24")
        assert await set_wire(conn, made.id, wire(), "detected", NOON) == (None, None)
        with pytest.raises(LedgerRefusal) as refusal:
            await set_wire(conn, made.id, wire(), "denied", NOON)
        assert refusal.value.code == "wire_is_default"
        with pytest.raises(LedgerRefusal, match="there is no subnet"):
            await set_wire(conn, uuid4(), wire(), "denied", NOON)


async def test_wires_and_subnets_find_each_other_with_their_roles(pool: Pool) -> None:
    near, far, empty = wire("near"), wire("far"), wire("empty")
    async with transaction(pool) as conn:
        one = await create(conn, "10.0.0.0/24", default_wire=near)
        two = await create(conn, "10.1.0.0/24", default_wire=far)
        await set_wire(conn, one.id, far, "denied", NOON)
        await set_wire(conn, two.id, near, "pinned", NOON)
        found = await subnets_on_wires(conn, [near, far, empty])
        assert found == {
            near: [(one, "default"), (two, "pinned")],
            far: [(two, "default"), (one, "denied")],
            empty: [],
        }
        assert await wires_of_subnets(conn, [one.id]) == {one.id: [(near, "default"), (far, "denied")]}
        await update_subnet(conn, one.id, {"default_wire": far}, NOON)
        assert await wires_of_subnets(conn, [one.id]) == {one.id: [(far, "default")]}


async def test_use_counts_capacity_free_and_kinds(pool: Pool) -> None:
    async with transaction(pool) as conn:
        ranges = [("10.0.0.1", "10.0.0.10")]
        made = await create(conn, "10.0.0.0/24", ranges=ranges, gateway="10.0.0.1", cooldown_seconds=60)
        empty = await create(conn, "2001:db8::/64")
        await allocate(conn, made.id, 2, nic("n"), NOON, now=NOON)
        outside = [Claim("10.0.0.99", sighting("o"), NOON), Claim("10.0.0.1", nic("router"), NOON)]
        await occupy(conn, SCOPE, outside)
        await release(conn, SCOPE, [Release("10.0.0.2", nic("n"), NOON)])
        use = await utilisation(conn, [made.id, empty.id, uuid4()])
        assert set(use) == {made.id, empty.id}
        assert (use[made.id].capacity, use[made.id].free, use[made.id].used) == (9, 7, 2)
        assert use[made.id].by_kind == {"nic": 2, "sighting": 1, "cooling": 1}
        assert (use[empty.id].capacity, use[empty.id].free) == (2**64 - 1, 2**64 - 1)
        later = await utilisation(conn, [made.id], now=NOON + MINUTE)
        assert (later[made.id].free, later[made.id].by_kind) == (8, {"nic": 2, "sighting": 1})
        (router,) = (await holders(conn, SCOPE, ["10.0.0.1"])).values()
        assert (router.holder, router.subnet) == (nic("router"), made.id)


async def test_the_subnet_of_an_address_is_found_among_large_small_and_distant_ones(pool: Pool) -> None:
    prefixes = [
        *("10.0.0.0/16", "10.1.0.0/24", "10.1.1.0/25", "10.1.1.128/30", "10.1.15.255/32", "10.1.16.0/20"),
        *("10.1.32.0/19", "10.64.0.0/10", "172.16.0.0/31", "192.168.0.0/22", "2001:db8::/32"),
        *("2001:db9::/64", "2001:db9:0:1::/64", "2001:db9:0:10::/60", "2001:db9:0:20::/126"),
    ]
    async with transaction(pool) as conn:
        made = {prefix: (await create(conn, prefix)).id for prefix in prefixes}
        await create(conn, "10.1.0.0/16", "another scope's", scope="lab")
        networks = {ip_network(prefix): made[prefix] for prefix in prefixes}
        edges = {end + step for n in networks for end in (n[0], n[-1]) for step in (-1, 0, 1)}
        asked = sorted(
            map(str, edges | {ip_address(a) for a in ("1.2.3.4", "255.255.255.255", "::1", "fe80::1")})
        )
        found = await conn.fetchval("SELECT ipam.subnets_of($1, $2::text[]::inet[])", SCOPE, asked)
        for address, subnet in zip(asked, found, strict=True):
            assert subnet == next((s for n, s in networks.items() if ip_address(address) in n), None), address
