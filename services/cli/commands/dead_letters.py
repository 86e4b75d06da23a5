"""`patchbay dead-letters`: messages that could not be handled, with their reasons (G8)."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from services.cli.instance import with_platform
from services.cli.outcome import Json, present
from services.cli.rendering.tables import add, table
from shared.bus.port import DeadLetter
from shared.events.topology import TOPOLOGY
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show dead letters with their reasons; nothing is taken out of the queue."""

    async def work(platform: Platform) -> list[DeadLetter]:
        await platform.bus.declare(TOPOLOGY)
        found = []
        async for letter in platform.bus.dead_letters():
            found.append(letter)
            if len(found) == limit:
                break
        return found

    letters = with_platform(work, as_json=as_json)
    present([_plain(letter) for letter in letters], lambda: _render(letters), as_json=as_json)


def _plain(letter: DeadLetter) -> dict[str, Any]:
    message = letter.message
    return {
        "queue": letter.queue,
        "reason": letter.reason,
        "detail": letter.detail,
        "since": letter.since,
        "id": message.message_id,
        "type": message.type,
        "subject": message.subject,
        "routing_key": message.routing_key,
        "bytes": len(message.body),
    }


def _render(letters: list[DeadLetter]) -> RenderableType:
    if not letters:
        return Text("no dead letters")
    grid = table("since", "queue", "type", "subject", "reason", "detail")
    for letter in letters:
        message = letter.message
        add(grid, letter.since, letter.queue, message.type, message.subject, letter.reason, letter.detail)
    return grid
