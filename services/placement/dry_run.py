"""The answer a request would get now, with nothing kept.

It is found by really answering in a transaction that is rolled back, so that it cannot differ from the real
one; the address it names may be somebody else's a moment later.
"""

from __future__ import annotations

from datetime import datetime

from services.placement.handlers import ROUNDS, system_clock
from services.placement.loading import WorldLoader
from services.placement.placing import Placer
from services.placement.reservations import Answer
from services.placement.settings import PlacementSettings
from services.placement.taking import Ask
from shared.events.placement import VmCreateRequested
from shared.runtime.errors import ConflictError
from shared.store.pool import Pool, transaction


class _RolledBack(Exception):
    """Carries the answer out of the transaction that must not be kept."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


async def dry_run(
    pool: Pool,
    request: VmCreateRequested,
    settings: PlacementSettings | None = None,
    now: datetime | None = None,
) -> Answer:
    """The answer to `request` if it came now. An earlier answer under its request id is not looked at.

    Raises ConflictError when others kept taking what was chosen.
    """
    own = settings or PlacementSettings()
    policy = own.policy()
    loader = WorldLoader(policy, count_powered_off=own.count_powered_off)
    placer = Placer(loader, policy, own.max_rulings, everything=True)
    # Under an id of its own: an earlier answer to the same id must not stand in the way.
    trial = request.model_copy(update={"request_id": f"dry-run/{request.request_id}"[:200]})
    ask = Ask(trial)
    for _ in range(ROUNDS):
        try:
            async with transaction(pool) as conn:
                answered, _ = await placer.round(conn, [ask], now or system_clock())
                if answered:
                    raise _RolledBack(answered[0].answer)
        except _RolledBack as result:
            return result.answer.model_copy(update={"request_id": request.request_id})
    raise ConflictError("others kept taking what was chosen; try again")
