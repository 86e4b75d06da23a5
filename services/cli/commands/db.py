"""`patchbay db`: the database's schema."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import typer
from rich.text import Text

from services.cli.instance import chosen, ended_well
from services.cli.outcome import Json, Refused, present
from services.cli.settings import load
from shared.store.embedded import ensure_postgres
from shared.store.schema import current, head

Schemas = tuple[str | None, str]

app = typer.Typer(no_args_is_help=True, help="The database's schema.")


@app.command()
def upgrade(as_json: Json = False) -> None:
    """Bring the schema to what this release needs; changes nothing when it is there already."""
    before, after = _on_database(_upgraded, as_json=as_json)
    present(
        {"before": before, "after": after},
        lambda: Text(f"schema {after}: " + ("up to date already" if before == after else "upgraded")),
        as_json=as_json,
    )


@app.command()
def status(as_json: Json = False) -> None:
    """Say which schema the database has and which this release needs; exit 1 when they differ."""
    found, needed = _on_database(_compared, as_json=as_json)
    present(
        {"current": found, "needed": needed, "up_to_date": found == needed},
        lambda: Text(f"the database has schema {found or 'none'}, this release needs {needed}"),
        as_json=as_json,
    )
    if found != needed:
        with ended_well():
            raise Refused("the schema is not this release's", hint="Bring it there with: patchbay db upgrade")


def _on_database(work: Callable[[str], Awaitable[Schemas]], *, as_json: bool) -> Schemas:
    async def run(url: str) -> Schemas:
        return await work(url)

    with ended_well(as_json=as_json), _database() as url:
        return asyncio.run(run(url))


@contextmanager
def _database() -> Iterator[str]:
    """The database as it is: a service that starts would bring an embedded one up to date."""
    settings = chosen(load())
    if (url := settings.database_address()) is not None:
        yield url
        return
    with ensure_postgres(settings.data_dir) as server:
        yield server.url


async def _upgraded(url: str) -> Schemas:
    from shared.store.migrate import upgrade as bring_up  # noqa: PLC0415  Alembic is slow to import

    before = await current(url)
    return before, await bring_up(url)


async def _compared(url: str) -> Schemas:
    return await current(url), head()
