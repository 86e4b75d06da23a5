"""json and jsonb as the server keeps them: whole, in arrays, and by COPY."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from shared.store.pool import Pool

VALUES: list[Any] = [
    *({}, [], "", "é\u2028\U0001f600", 0, -1, 10**40, 1.5, 1e-7, 0.1, True),
    {"a": {"b": [1, None, {"c": "d"}]}},
]


@pytest.mark.parametrize("kind", ["json", "jsonb"])
async def test_values_come_back(pool: Pool, kind: str) -> None:
    async with pool.acquire() as conn:
        objects = [{"it": value} for value in VALUES]  # the driver takes a list in a list for more dimensions
        assert await conn.fetchval(f"SELECT $1::{kind}[]", objects) == objects
        await conn.execute(f"CREATE TEMP TABLE kept (at int, value {kind})")
        await conn.copy_records_to_table("kept", records=list(enumerate(VALUES)))
        for at, value in enumerate(VALUES):
            assert await conn.fetchval(f"SELECT $1::{kind}", value) == value
            assert await conn.fetchval("SELECT value FROM kept WHERE at = $1", at) == value
        assert await conn.fetchval(f"SELECT NULL::{kind}") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\x00", {"a": float("-inf")}])
async def test_what_json_does_not_know_is_refused(pool: Pool, value: Any) -> None:
    with pytest.raises(asyncpg.DataError):
        await pool.fetchval("SELECT $1::jsonb", value)
