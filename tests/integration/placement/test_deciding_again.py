"""Who loses what was chosen to others is decided again: so often and no more, and the answer says so (G6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from services.placement.domain.world import World
from services.placement.handlers import ROUNDS
from services.placement.loading import WorldLoader
from services.placement.placing import Placer
from shared.runtime.errors import ConflictError
from shared.store.pool import Connection, Pool
from tests.integration.placement.conftest import Placement, held, request
from tests.integration.placement.inventory import Inventory

pytestmark = pytest.mark.postgres


class Late(WorldLoader):
    """As if a fact about every host came right after each of so many loads."""

    late = 0

    async def load(self, conn: Connection, now: datetime) -> World:
        known = await super().load(conn, now)
        if self.late:
            self.late -= 1
            for number, host in enumerate(known.listed):
                known.listed[number] = replace(host, order=(0, 0))
            self._world = None
        return known


@pytest.fixture
async def late(pool: Pool, inventory: Inventory) -> tuple[Placement, Late]:
    """Placement on two hosts with one subnet of six addresses."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), prefix="10.0.1.0/29")
    placement = Placement(pool)
    policy = placement.settings.policy()
    loader = Late(policy, count_powered_off=True)
    placement.handlers._placer = Placer(loader, policy, placement.settings.max_rulings)
    return placement, loader


async def test_g6_an_answer_says_that_it_was_decided_again(late: tuple[Placement, Late]) -> None:
    placement, loader = late
    loader.late = 2
    answer = await placement.place(request())
    [again] = [ruling for ruling in answer.explanation if ruling.rule == "decided_again"]
    assert again.because == (
        "decided again 2 times, as others were faster: host esx-1, its port groups or subnets changed"
    )
    assert not any(r.rule == "decided_again" for r in (await placement.place(request())).explanation)


async def test_who_keeps_losing_is_given_up_for_now_and_holds_nothing(
    pool: Pool, late: tuple[Placement, Late]
) -> None:
    """Bounded: the transaction ends, others have their turn, and the message comes again later."""
    placement, loader = late
    loader.late = ROUNDS
    with pytest.raises(ConflictError, match="1 requests kept losing what was chosen for them to others"):
        await placement.ask(request())
    assert loader.late == 0
    assert await held(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM placement.request") == 0
    await placement.place(request())
