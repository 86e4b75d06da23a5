"""An installation with all services that lives through a day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.rebuilding.day import Day, a_day


@pytest.fixture
async def day(database: str, tmp_path: Path) -> AsyncIterator[Day]:
    """On the embedded bus, with subnets, nothing else done yet."""
    async with a_day(tmp_path, database, None, seed=7) as found:
        await found.make_subnets()
        yield found
