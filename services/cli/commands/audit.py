"""`patchbay audit`: who asked for what, when, from where, and what came of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.instance import with_platform
from services.cli.moments import point_in_time
from services.cli.outcome import Json, Refused, present
from services.cli.rendering.tables import add, facts, table
from shared.audit.reading import Asked, Recorded, find_commands, list_commands
from shared.runtime.environment import Platform
from shared.store.pool import transaction

app = typer.Typer(no_args_is_help=True, help="Who asked for what, and what came of it.")
_OUTCOMES = {"accepted": "green", "refused": "bold red", "tried": "yellow"}


@app.command("list")
def list_(
    *,
    by: Annotated[str | None, typer.Option(help="Only commands of this person or account.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Since a time (local without a zone), or this long ago: 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before a time, or this long ago.")] = None,
    about: Annotated[
        str | None, typer.Option("--object", help="Concerning this: a name, id, address or MAC.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", "-t", help="subnet, subnet.create, vcenter …")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show operators' commands, newest first."""
    now = datetime.now(UTC)
    try:
        asked = Asked(
            by=by,
            since=None if since is None else point_in_time(since, now),
            until=None if until is None else point_in_time(until, now),
            about=about,
            kind=kind,
            outcome="refused" if refused else None,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    async def work(platform: Platform) -> list[Recorded]:
        async with transaction(platform.pool, readonly=True) as conn:
            return await list_commands(conn, asked, limit)

    rows = with_platform(work, as_json=as_json)
    present(rows, lambda: _table(rows), as_json=as_json)


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="Id of the command, or its beginning.")],
    as_json: Json = False,
) -> None:
    """Show one command: what was asked, and every event that tells what changed."""

    async def work(platform: Platform) -> Recorded:
        async with transaction(platform.pool, readonly=True) as conn:
            found = await find_commands(conn, which)
        if not found:
            raise Refused(f"no command {which!r} is on record", hint="List them with: patchbay audit list")
        if len(found) > 1:
            raise Refused(f"more than one command begins with {which!r}; give more of its id")
        return found[0]

    found = with_platform(work, as_json=as_json)
    present(found, lambda: _one(found), as_json=as_json)


def _table(rows: list[Recorded]) -> RenderableType:
    if not rows:
        return Text("no command is on record that fits")
    grid = table("time", "by", "from", "command", "about", "outcome", "id")
    for row in rows:
        outcome = Text(row.code or row.outcome, style=_OUTCOMES[row.outcome])
        what = row.type.removeprefix("command.")
        add(grid, row.at, row.by, row.host, what, row.subject, outcome, row.id[:8])
    return grid


def _one(row: Recorded) -> RenderableType:
    account = None if row.os_user is None else f"{row.os_user}@{row.host}"
    came = Text(row.outcome, style=_OUTCOMES[row.outcome])
    if row.message is not None:
        came.append(f" ({row.code}): {row.message}")
    sheet = facts(
        id=row.id, time=row.at, command=row.type, about=row.subject, by=row.by, account=account,
        program=row.program, answered_by=row.service, outcome=came,
        asked=json.dumps(row.asked, sort_keys=True),
    )  # fmt: skip
    if not row.changes:
        return sheet
    grid = table("what changed", "about", "event")
    for change in row.changes:
        add(grid, change["type"], change["subject"], change["id"])
    return Group(sheet, Text(), grid, Text(f"the whole chain: patchbay events trace {row.id}"))
