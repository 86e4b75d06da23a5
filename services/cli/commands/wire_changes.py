"""`patchbay wire rebind`: a wire stands in for one that is gone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.cli.asking import operator, order
from services.cli.instance import with_platform
from services.cli.outcome import Json, present
from services.cli.rendering.wires import render_rebound
from shared.events.wire_commands import WireRebind
from shared.runtime.environment import Platform

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


def rebind(
    old: Annotated[str, typer.Argument(help="The wire that is gone: id, managed object id or name.")],
    new: Annotated[str, typer.Argument(help="The wire to use instead: id, managed object id or name.")],
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let a wire stand in for one whose port group is gone: its subnets are used from there, records stay."""
    command = WireRebind(old=old, new=new, by=operator(), dry_run=dry_run)

    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    present(result, lambda: render_rebound(result, old, new), as_json=as_json)
