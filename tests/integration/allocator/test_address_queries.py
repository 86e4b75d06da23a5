"""Addresses one by one: every one of a small subnet is told once, a large one is told without walking it."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest

from services.allocator.address_queries import AddressRow, list_addresses, list_reserved
from shared.events.address_commands import AddressBind, AddressReserve
from shared.events.subnet import AddressRange
from shared.ipam.ledger import Holder, Release, allocate, release
from shared.ipam.subnets import find
from shared.model.identifiers import derive
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, Stage, Teller

pytestmark = pytest.mark.postgres

MAC = "00:50:56:00:00:77"
FAMILIES = pytest.mark.parametrize(
    ("prefix", "base"), [("10.0.0.0/26", "10.0.0."), ("2001:db8::/64", "2001:db8::")]
)
NOW = START + timedelta(hours=1)


async def staged(pool: Pool, prefix: str, base: str) -> Stage:
    """One of each: recorded, seen only, held, reserved, bound, cooling, rested; the rest is free."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"))
    await stage.subnet("net", prefix, "web", gateway=f"{base}1", cooldown_seconds=3600)
    await stage.tell(say.vm("a", "pg-1"), say.vm("b", "pg-2"))
    await stage.tell(say.guest("a", f"{base}5"), say.guest("b", f"{base}6"))
    ranges = (AddressRange(first=f"{base}10", last=f"{base}12"),)
    await stage.command(AddressReserve(ranges=ranges, note="printers"))
    await stage.command(AddressBind(address=f"{base}20", mac=MAC, note="db"))
    holder, other = (Holder("reservation", derive("reservation", n)) for n in (1, 2))
    async with transaction(pool) as conn:
        known = await find(conn, "net")
        assert known is not None
        at = NOW
        for wanted, since in ((f"{base}30", at), (f"{base}31", at), (f"{base}32", at - timedelta(hours=2))):
            await allocate(conn, known.id, 1, other, since, now=since, wanted=wanted)
            await release(conn, known.scope_id, [Release(wanted, other, since)])
            if wanted.endswith("30"):
                await allocate(conn, known.id, 1, holder, at, now=at + timedelta(hours=2), wanted=wanted)
    return stage


async def pages(pool: Pool, limit: int, which: str = "all") -> list[AddressRow]:
    found: list[AddressRow] = []
    after = None
    while True:
        page = await list_addresses(pool, "net", which=which, after=after, limit=limit, now=NOW)  # type: ignore[arg-type]
        found += page.rows
        assert len(page.rows) <= limit
        if page.next is None:
            return found
        after = page.next


@FAMILIES
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_every_address_is_told_once_with_what_is_with_it(
    pool: Pool, prefix: str, base: str, limit: int
) -> None:
    await staged(pool, prefix, base)
    rows = await pages(pool, limit)
    states = {row.first: row.state for row in rows if row.state != "free"}
    expected = {
        f"{base}5": "nic", f"{base}6": "sighting", f"{base}30": "reservation", f"{base}31": "cooling",
        f"{base}10": "reserved", f"{base}11": "reserved", f"{base}12": "reserved", f"{base}20": "bound",
        f"{base}1": "gateway", str(ip_network(prefix)[0]): "network",
    }  # fmt: skip
    if "." in base:
        expected["10.0.0.63"] = "broadcast"
    assert states == expected
    numbers = [(int(ip_address(row.first)), int(ip_address(row.last)), row.count) for row in rows]
    assert all(last - first + 1 == count for first, last, count in numbers)
    assert all(one[1] < other[0] for one, other in pairwise(numbers))
    assert sum(count for *_, count in numbers) == ip_network(prefix).num_addresses
    by_first = {row.first: row for row in rows}
    assert (by_first[f"{base}5"].vm, by_first[f"{base}6"].vm) == ("a", "b")
    assert (by_first[f"{base}20"].mac, by_first[f"{base}20"].note) == (MAC, "db")


@FAMILIES
async def test_free_and_used_are_the_two_halves_and_agree_with_utilisation(
    pool: Pool, prefix: str, base: str
) -> None:
    await staged(pool, prefix, base)
    free, used = await pages(pool, 100, "free"), await pages(pool, 100, "used")
    assert {row.state for row in free} == {"free"}
    assert "free" not in {row.state for row in used}
    assert sum(row.count for row in (*free, *used)) == ip_network(prefix).num_addresses
    page = await list_addresses(pool, "net", now=NOW)
    assert sum(row.count for row in free) == page.use.free


@FAMILIES
async def test_what_is_reserved_is_listed_in_ranges(pool: Pool, prefix: str, base: str) -> None:
    assert ip_network(prefix)
    await staged(pool, prefix, base)
    rows = await list_reserved(pool)
    assert [(r.first, r.last, r.count, r.mac, r.note, r.subnet) for r in rows] == [
        (f"{base}10", f"{base}12", 3, None, "printers", "net"),
        (f"{base}20", f"{base}20", 1, MAC, "db", "net"),
    ]
    assert [r.mac for r in await list_reserved(pool, bound=True)] == [MAC]
    assert [r.mac for r in await list_reserved(pool, bound=False, subnet="net")] == [None]
