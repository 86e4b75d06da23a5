"""`patchbay placement`: what was answered to create-VM requests, and why."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from services.cli.instance import with_platform
from services.cli.names import not_known
from services.cli.outcome import Json, people, present
from services.cli.rendering.forecasts import render_evacuation
from services.cli.rendering.guests import Format, written
from services.cli.rendering.placements import render_explained, render_list, render_shown
from services.cli.settings import load
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

    async def work(platform: Platform) -> list[PlacementRow]:
        return await queries.list_placements(platform.pool, outcome=outcome, limit=limit)

    rows = with_platform(work, as_json=as_json)
    present(rows, lambda: render_list(rows), as_json=as_json)


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

    async def work(platform: Platform) -> Explained:
        return await find(platform, which)

    found = with_platform(work, as_json=as_json)
    if as_ is not None:
        people().print(_guest(found, as_), markup=False, soft_wrap=True, end="")
        return
    data = {
        "answer": {"type": found.answer.TYPE, **found.answer.model_dump(mode="json", exclude_none=True)},
        "answered_at": found.answered_at,
        "reservation": found.reservation,
    }
    present(data, lambda: render_shown(found), as_json=as_json)


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

    async def work(platform: Platform) -> Evacuation:
        return await what_if.evacuate(platform.pool, host, load().placement)

    found = with_platform(work, as_json=as_json)
    present(found, lambda: render_evacuation(found), as_json=as_json)
    if found.stranded:
        raise typer.Exit(1)


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
