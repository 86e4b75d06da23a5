"""`patchbay snapshot`: the whole state in a file, as a backup, for a move, to begin a rebuild with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.instance import chosen, ended_well, with_platform
from services.cli.noting import noted
from services.cli.outcome import Json, Misused, present
from services.cli.rebuilding.catching_up import Caught, catch_up
from services.cli.rebuilding.playing import end_of_log
from services.cli.rebuilding.telling import Teller
from services.cli.rendering.tables import add, table
from services.cli.settings import load
from shared.runtime.environment import Platform
from shared.state.files import check_snapshot, load_snapshot, occupied_tables, save_snapshot
from shared.state.snapshot_format import Head

app = typer.Typer(no_args_is_help=True, help="The whole state in a file: backup, move, start of a rebuild.")
File = Annotated[Path, typer.Argument(metavar="FILE", help="Such as state.jsonl.gz.")]


@app.command("export")
def export_(file: File, as_json: Json = False) -> None:
    """Write the state as one moment sees it, with its place in the log; services go on."""
    teller = Teller(quiet=as_json)

    async def work(platform: Platform) -> Head:
        end = await end_of_log(platform.bus)
        with teller.copying(0, f"writing {file.name}") as done:
            return await save_snapshot(platform.database_url, file, None if end is None else end.offset, done)

    head = with_platform(work, as_json=as_json)
    present(_plain(file, head), lambda: _written(file, head), as_json=as_json)


@app.command()
def check(file: File, as_json: Json = False) -> None:
    """Read a file from end to end, and say what it holds; no database is needed."""
    with ended_well(as_json=as_json):
        head = check_snapshot(file)
    present(_plain(file, head), lambda: _contents(file, head), as_json=as_json)


@app.command("import")
def import_(
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether it could be loaded.")] = False,
    as_json: Json = False,
) -> None:
    """Load a file into an empty database, all or nothing, then play the log from its place on."""
    teller = Teller(quiet=as_json)

    async def work(platform: Platform) -> tuple[Head, Caught | None]:
        if dry_run:
            head = check_snapshot(file)
            if occupied := await occupied_tables(platform.database_url):
                some = ", ".join(f"{name} ({rows})" for name, rows in list(occupied.items())[:3])
                raise Misused(f"{file} is whole, but the database is not empty: {some}")
            return head, None
        with teller.copying(0, f"loading {file.name}") as done:
            head = await load_snapshot(platform.database_url, file, done)
        caught = await catch_up(platform.pool, platform.bus, head.position, chosen(load()).allocator, teller)
        # Behind the record that came with the file: who brought it here, and what the log added.
        result = {"rows": head.rows, "log": caught.as_json()}
        await noted(platform.pool, "snapshot.import", f"snapshot/{file.name}", _asked(file, head), result)
        return head, caught

    head, caught = with_platform(work, as_json=as_json)
    answer = _plain(file, head) | {"loaded": not dry_run, "log": None if caught is None else caught.as_json()}
    present(answer, lambda: _loaded(file, head, caught), as_json=as_json)


def _plain(file: Path, head: Head) -> dict[str, object]:
    return {"file": str(file), "rows": head.rows, **head.model_dump(mode="json")}


def _asked(file: Path, head: Head) -> dict[str, object]:
    return {"file": str(file), "created": head.created.isoformat(), "schema": head.schema_revision}


def _written(file: Path, head: Head) -> RenderableType:
    size = file.stat().st_size / 1024
    text = f"{file}: {head.rows} rows of {len(head.tables)} tables, {size:.0f} KiB"
    return Text(f"{text}, the log completes it from {_since(head)} on")


def _contents(file: Path, head: Head) -> RenderableType:
    grid = table("table", "rows", right=("rows",))
    for name, rows in head.tables:
        if rows:
            add(grid, name, rows)
    said = f"{file} is whole: of {head.created:%Y-%m-%d %H:%M:%S}, schema {head.schema_revision}"
    return Group(grid, Text(f"{said}, the log completes it from {_since(head)} on"))


def _loaded(file: Path, head: Head, caught: Caught | None) -> RenderableType:
    if caught is None:
        return Text(f"{file} is whole and the database is empty: {head.rows} rows would be loaded")
    return Text(f"loaded {head.rows} rows of {len(head.tables)} tables; {caught.sentence}")


def _since(head: Head) -> str:
    since = head.position.since
    return "its beginning" if since is None else f"{since:%Y-%m-%d %H:%M:%S}"
