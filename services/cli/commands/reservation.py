"""`patchbay reservation`: what is held for VMs to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from services.cli.asking import operator, order
from services.cli.instance import with_platform
from services.cli.names import not_known
from services.cli.outcome import Json, present
from services.cli.rendering.placements import state_text
from services.cli.rendering.tables import add, table
from services.cli.requests import seconds
from services.cli.sight import Seen, seen
from services.placement import queries
from services.placement.reservations import Reservation
from shared.events.base import Event
from shared.events.commands import ReservationCancel, ReservationConfirm, ReservationExtend
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Hosts and addresses held for VMs to come.")

Which = Annotated[str, typer.Argument(help="Id (or its beginning), request id or VM name.")]
Command = Callable[[Reservation], Event]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also those that ended.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Show what is held, newest first."""

    async def work(platform: Platform) -> Seen[Reservation]:
        rows = await queries.list_reservations(
            platform.pool, states=None if everything else ("held",), limit=limit
        )
        return await seen(platform.pool, rows, lambda row: row.vcenter)

    found = with_platform(work, as_json=as_json)
    present(found.told(), lambda: found.below(_render(found.rows, everything=everything)), as_json=as_json)


@app.command()
def confirm(
    which: Which,
    vm: Annotated[str, typer.Argument(help="Id, managed object id or name of the VM.")],
    as_json: Json = False,
) -> None:
    """State that the VM of a reservation exists."""
    _carry_out(
        which,
        lambda found: ReservationConfirm(reservation=found.id, vm=vm, by=operator()),
        done=f"confirmed by VM {vm}",
        as_json=as_json,
    )


@app.command()
def extend(
    which: Which,
    by: Annotated[str, typer.Option("--by", help="By how much from now: 30m, 2h.")],
    as_json: Json = False,
) -> None:
    """Give a reservation more time."""
    try:
        until = datetime.now(UTC) + timedelta(seconds=seconds(by))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _carry_out(
        which,
        lambda found: ReservationExtend(reservation=found.id, until=until, by=operator()),
        done=f"held until {until.astimezone():%Y-%m-%d %H:%M:%S}",
        as_json=as_json,
    )


@app.command()
def cancel(
    which: Which,
    note: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    as_json: Json = False,
) -> None:
    """Give a reservation's host and addresses back."""
    _carry_out(
        which,
        lambda found: ReservationCancel(reservation=found.id, note=note, by=operator()),
        done="cancelled; host and addresses are free again",
        as_json=as_json,
    )


def _carry_out(which: str, command: Command, *, done: str, as_json: bool) -> None:
    async def work(platform: Platform) -> tuple[Reservation, dict[str, object]]:
        found = await _find(platform, which)
        return found, await order(platform.bus, command(found))

    found, result = with_platform(work, as_json=as_json)
    present(
        {"reservation": found.id, "name": found.name, **result},
        lambda: Text(f"reservation of {found.name} ({found.id}): {done}"),
        as_json=as_json,
    )


async def _find(platform: Platform, which: str) -> Reservation:
    found = await queries.find_reservation(platform.pool, which)
    if found is None:
        held = await queries.list_reservations(platform.pool, states=("held",))
        raise not_known("reservation", which, [row.name for row in held])
    return found


def _render(rows: Sequence[Reservation], *, everything: bool) -> RenderableType:
    if not rows:
        return Text("no reservations" if everything else "nothing is held; --all shows what was")
    grid = table("id", "vm", "state", "tools say", "host", "addresses", "expires")
    for row in rows:
        addresses = [place.address for nic in row.nics for place in nic.addresses]
        expires = row.expires_at if row.state == "held" else None
        states = (state_text(row.state), state_text(row.verdict))
        add(grid, str(row.id)[:8], row.name, *states, row.host, addresses, expires)
    return grid
