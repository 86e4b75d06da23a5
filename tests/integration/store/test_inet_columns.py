"""inet as the server keeps it: our codec takes, writes and reads what the driver's own does."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.store.inet_columns import inet_bytes, of_inet
from shared.store.pool import Pool

VALUES: list[Any] = [
    *("10.0.0.5", "0.0.0.0", "255.255.255.255", "10.0.0.5/24", "10.0.0.0/24", "10.0.0.5/32", "10.0.0.5/0"),  # noqa: S104
    *(
        "::",
        "2001:db8::5",
        "2001:DB8:0:0::5",
        "::ffff:10.0.0.5",
        "2001:db8::5/64",
        "2001:db8::5/128",
        "fe80::1",
    ),
    *(
        ip_address("10.0.0.6"),
        ip_address("2001:db8::6"),
        ip_interface("10.0.0.6/8"),
        ip_interface("2001:db8::6/48"),
    ),
]
ASKED = "SELECT $1::inet AS it, host($1), masklen($1), text($1)"


@pytest.mark.postgres
async def test_the_drivers_own_codec_says_the_same(pool: Pool, database: str) -> None:
    plain = await asyncpg.connect(database)
    for value in VALUES:
        theirs = await plain.fetchrow(ASKED, value)
        ours = await pool.fetchrow(ASKED, value)
        assert ours is not None
        assert theirs is not None
        assert tuple(ours) == tuple(theirs)
        assert type(ours["it"]) is type(theirs["it"])
    await plain.close()


@pytest.mark.postgres
async def test_in_arrays_and_by_copy(pool: Pool) -> None:
    asked = [*VALUES, None]
    read = await pool.fetchval("SELECT $1::inet[]", asked)
    assert read == [None if each is None else of_inet(inet_bytes(each)) for each in asked]
    async with pool.acquire() as conn:
        await conn.execute("CREATE TEMP TABLE kept (at int, address inet)")
        await conn.copy_records_to_table("kept", records=list(enumerate(asked)))
        assert [row["address"] for row in await conn.fetch("SELECT address FROM kept ORDER BY at")] == read


@pytest.mark.postgres
@pytest.mark.parametrize("value", ["", "10.0.0", "10.0.0.5/33", "host", "fe80::1/129", 1.5, [], b"x"])
async def test_what_is_no_address_is_refused(pool: Pool, value: Any) -> None:
    with pytest.raises(asyncpg.DataError, match="invalid input for query argument"):
        await pool.fetchval("SELECT $1::inet", value)


@given(st.ip_addresses(), st.integers(0, 128))
def test_an_address_comes_back_with_its_prefix_length(address: Any, bits: int) -> None:
    assert of_inet(inet_bytes(str(address))) == of_inet(inet_bytes(address)) == address
    interface = ip_interface((address, min(bits, address.max_prefixlen)))
    back = of_inet(inet_bytes(str(interface)))
    assert back == (address if bits >= address.max_prefixlen else interface)
