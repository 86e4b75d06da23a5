"""`patchbay placement`: what was answered to create-VM requests, and why."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import typer
from pydantic_core import to_jsonable_python

from services.allocator.sight import Sight
from services.cli.instance import with_platform
from services.cli.names import not_known
from services.cli.outcome import Json, people, present
from services.cli.rendering.forecasts import render_evacuation
from services.cli.rendering.guests import Format, written
from services.cli.rendering.placements import render_explained, render_list, render_shown
from services.cli.rendering.sight import with_sight
from services.cli.settings import load
from services.cli.sight import Seen, seen, sights_of
from services.placement import queries, what_if
from services.placement.queries import Explained, PlacementRow
from services.placement.what_if import Evacuation
from shared.events.placement import VmCreateRefused
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Answers to create-VM requests, and the reasons.")

Which = Annotated[str, typer.Argument(help="Request id, reservation id (or its beginning), or VM name.")]


@app.command("list")
def list_(
    outcome: Annotated[Literal["placed", "refused"] | None, typer.Argument(help="Only these.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show answered requests, newest first."""

    async def work(platform: Platform) -> Seen[PlacementRow]:
        rows = await queries.list_placements(platform.pool, outcome=outcome, limit=limit)
        return await seen(platform.pool, rows, lambda row: row.vcenter)

    found = with_platform(work, as_json=as_json)
    present(found.told(), lambda: found.below(render_list(found.rows)), as_json=as_json)


@app.command()
def show(
    which: Which,
    as_: Annotated[
        Format | None,
        typer.Option("--as", help="Print the guest's configuration in this format, ready to use."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show an answer, what became of its reservation, and whether the VM uses what it was given."""

    async def work(platform: Platform) -> tuple[Explained, list[Sight]]:
        found = await find(platform, which)
        return found, await sights_of(platform.pool, _vcenters(found))

    found, sights = with_platform(work, as_json=as_json)
    if as_ is not None:
        people().print(_guest(found, as_), markup=False, soft_wrap=True, end="")
        return
    data = {
        "answer": {"type": found.answer.TYPE, **found.answer.model_dump(mode="json", exclude_none=True)},
        "answered_at": found.answered_at,
        "reservation": found.reservation,
        "sight": sights,
    }
    present(data, lambda: with_sight(render_shown(found), sights), as_json=as_json)


@app.command()
def explain(which: Which, as_json: Json = False) -> None:
    """Show what was asked for, and every host, port group and subnet that a rule let through or ruled out."""

    async def work(platform: Platform) -> Explained:
        return await find(platform, which)

    found = with_platform(work, as_json=as_json)
    present(found, lambda: render_explained(found), as_json=as_json)


@app.command()
def evacuate(
    host: Annotated[str, typer.Argument(help="Name or managed object id of the host.")],
    as_json: Json = False,
) -> None:
    """Show where a host's VMs would go if it were in maintenance; exit 1 when some would have no place."""

    async def work(platform: Platform) -> tuple[Evacuation, list[Sight]]:
        found = await what_if.evacuate(platform.pool, host, load().placement)
        return found, await sights_of(platform.pool, [found.vcenter])

    found, sights = with_platform(work, as_json=as_json)
    present(
        {**to_jsonable_python(found), "sight": sights},
        lambda: with_sight(render_evacuation(found), sights),
        as_json=as_json,
    )
    if found.stranded:
        raise typer.Exit(1)


def _vcenters(found: Explained) -> set[UUID]:
    return {found.reservation.vcenter} if found.reservation is not None else set()


async def find(platform: Platform, which: str) -> Explained:
    """The answered request that `which` names. Raises `Refused`."""
    found = await queries.explain(platform.pool, which)
    if found is None and (reservation := await queries.find_reservation(platform.pool, which)) is not None:
        found = await queries.explain(platform.pool, reservation.request_id)
    if found is None:
        known = await queries.list_placements(platform.pool)
        raise not_known("placement", which, sorted({row.name for row in known}))
    return found


def _guest(found: Explained, format_: Format) -> str:
    if isinstance(found.answer, VmCreateRefused):
        raise typer.BadParameter(f"{found.request.name} was refused: there is no guest to configure")
    text = written(found.answer, format_)
    if text is None:
        notes = found.answer.guest_configuration.notes if found.answer.guest_configuration else ()
        raise typer.BadParameter("; ".join(notes) or f"the answer carries no {format_.value}")
    return text
