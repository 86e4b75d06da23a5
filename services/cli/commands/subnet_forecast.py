"""`patchbay subnet forecast`: when is it full?"""

from __future__ import annotations

from services.cli.commands.subnet_changes import Scope, Which
from services.cli.instance import with_platform
from services.cli.outcome import Json, present
from services.cli.rendering.forecasts import render_forecast
from services.placement import what_if
from services.placement.domain.forecasting import Forecast
from shared.runtime.environment import Platform


def forecast(which: Which, *, scope: Scope = "default", as_json: Json = False) -> None:
    """Tell when a subnet is full, if it goes on as it did."""

    async def work(platform: Platform) -> Forecast:
        return await what_if.days_until_full(platform.pool, which, scope=scope)

    found = with_platform(work, as_json=as_json)
    present(found, lambda: render_forecast(which, found), as_json=as_json)
