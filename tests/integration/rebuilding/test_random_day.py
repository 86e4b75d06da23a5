"""G3: a rebuild from the log gives the identical state, after a day with everything in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.cli.rebuilding.origins import FromLog
from services.cli.rebuilding.telling import Teller
from services.cli.rebuilding.verifying import verify
from tests.integration.rebuilding.day import a_day

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]

SEEDS = [int(seed) for seed in os.environ.get("PATCHBAY_TEST_DAYS", "1").split(",")]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bus", ["embedded", "rabbitmq"])
async def test_g3_a_rebuild_equals_the_live_state(
    bus: str, seed: int, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Row by row, while the services go on; nothing may differ but what has a listed reason."""
    amqp = request.getfixturevalue("rabbitmq_url") if bus == "rabbitmq" else None
    async with a_day(tmp_path, database, amqp, seed) as day:
        await day.make_subnets()
        await day.live(8)
        await day.map_wires("switch")
        await day.rebind()
        await day.live(2)
        await day.map_wires("portgroup")
        await day.live(2)
        verdict = await verify(day.source, FromLog(), Teller(quiet=True))
        assert verdict.equal, (day.done, verdict.as_json())
        assert verdict.skips == 0, verdict.skipped
        assert verdict.rows > 500
