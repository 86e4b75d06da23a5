"""`patchbay subnet`: the IP networks that Patchbay keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from services.allocator import queries
from services.allocator.queries import SubnetRow
from services.cli.commands import (
    subnet_addresses,
    subnet_changes,
    subnet_forecast,
    subnet_shapes,
    subnet_suggest,
    subnet_wires,
)
from services.cli.instance import with_platform
from services.cli.outcome import Json, present
from services.cli.rendering.inventory import render_subnet, render_subnets
from services.cli.sight import Seen, seen_on
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Subnets, their use and their wires.")
app.command()(subnet_changes.create)
app.command()(subnet_changes.update)
app.command()(subnet_changes.delete)
app.command()(subnet_shapes.split)
app.command()(subnet_shapes.merge)
app.command()(subnet_shapes.move)
app.command()(subnet_addresses.addresses)
app.command("set-wires")(subnet_wires.set_wires)
app.command()(subnet_wires.wires)
app.command()(subnet_wires.why)
app.command()(subnet_forecast.forecast)
app.command("suggest")(subnet_suggest.suggest_)


@app.command("list")
def list_(
    *,
    scope: Annotated[str | None, typer.Option(help="Only this address space.")] = None,
    as_json: Json = False,
) -> None:
    """Show subnets with how full they are and where they are used."""

    async def work(platform: Platform) -> Seen[SubnetRow]:
        rows = await queries.list_subnets(platform.pool, scope=scope, now=datetime.now(UTC))
        return await seen_on(platform.pool, rows, _wires)

    found = with_platform(work, as_json=as_json)
    present(found.told(_plain), lambda: found.below(render_subnets(found.rows)), as_json=as_json)


@app.command()
def show(
    which: subnet_changes.Which, *, scope: subnet_changes.Scope = "default", as_json: Json = False
) -> None:
    """Show all of one subnet."""

    async def work(platform: Platform) -> Seen[SubnetRow]:
        row = await queries.show_subnet(platform.pool, which, scope=scope, now=datetime.now(UTC))
        return await seen_on(platform.pool, [row], _wires)

    found = with_platform(work, as_json=as_json)
    present(found.told(_plain)[0], lambda: found.below(render_subnet(found.rows[0])), as_json=as_json)


def _wires(row: SubnetRow) -> set[UUID]:
    return {role.wire for role in row.wires}


def _plain(row: SubnetRow) -> dict[str, Any]:
    use = {"capacity": row.use.capacity, "free": row.use.free, "by_kind": row.use.by_kind}
    return {**row.facts.model_dump(mode="json"), "use": use, "wires": row.wires}
