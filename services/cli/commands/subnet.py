"""`patchbay subnet`: the IP networks that Patchbay keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from services.allocator import queries
from services.allocator.queries import SubnetRow
from services.cli.commands import subnet_changes, subnet_forecast, subnet_suggest
from services.cli.instance import with_platform
from services.cli.outcome import Json, present
from services.cli.rendering.inventory import render_subnet, render_subnets
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Subnets, their use and their wires.")
app.command()(subnet_changes.create)
app.command()(subnet_changes.update)
app.command()(subnet_changes.delete)
app.command("set-wire")(subnet_changes.set_wire)
app.command()(subnet_forecast.forecast)
app.command("suggest")(subnet_suggest.suggest_)


@app.command("list")
def list_(
    *,
    scope: Annotated[str | None, typer.Option(help="Only this address space.")] = None,
    as_json: Json = False,
) -> None:
    """Show subnets with how full they are and where they are used."""

    async def work(platform: Platform) -> list[SubnetRow]:
        return await queries.list_subnets(platform.pool, scope=scope, now=datetime.now(UTC))

    rows = with_platform(work, as_json=as_json)
    present([_plain(row) for row in rows], lambda: render_subnets(rows), as_json=as_json)


@app.command()
def show(
    which: subnet_changes.Which, *, scope: subnet_changes.Scope = "default", as_json: Json = False
) -> None:
    """Show all of one subnet."""

    async def work(platform: Platform) -> SubnetRow:
        return await queries.show_subnet(platform.pool, which, scope=scope, now=datetime.now(UTC))

    row = with_platform(work, as_json=as_json)
    present(_plain(row), lambda: render_subnet(row), as_json=as_json)


def _plain(row: SubnetRow) -> dict[str, Any]:
    use = {"capacity": row.use.capacity, "free": row.use.free, "by_kind": row.use.by_kind}
    return {**row.facts.model_dump(mode="json"), "use": use, "wires": row.wires}
