"""`patchbay events`: what was said on the bus, from the log."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from services.cli.instance import with_platform
from services.cli.lookup import find_subnet, find_vcenter
from services.cli.outcome import Json, aside, leave_pipe_quietly, people, print_json
from services.cli.rendering.sentences import sentence
from services.cli.selecting import Selection, canonical_address, start_of
from shared.bus.port import LogEntry, LogStart
from shared.events.base import Event
from shared.events.codec import Unreadable, decode
from shared.events.envelope import Envelope
from shared.events.topology import TOPOLOGY
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Read the log of all events.")

_STYLES = {
    "created": "green",
    "attached": "yellow",
    "released": "magenta",
    "removed": "magenta",
    "lost": "bold red",
    "held": "bold red",
    "opened": "bold red",
    "refused": "yellow",
    "unmatched": "yellow",
    "confirmed": "green",
    "placed": "green",
}


@app.command()
def tail(
    *,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", "-t", help="Type, family or pattern: nic, nic.created, *.lost."),
    ] = None,
    vcenter: Annotated[str | None, typer.Option(help="Only this vCenter: name or id.")] = None,
    vm: Annotated[str | None, typer.Option(help="Only this VM: name, managed object id or id.")] = None,
    subnet: Annotated[str | None, typer.Option(help="Only this subnet: name or id.")] = None,
    address: Annotated[str | None, typer.Option(help="Only this IP address.")] = None,
    since: Annotated[str | None, typer.Option(help="Begin at a time, or this long ago: 10m, 2h.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Begin at first, last, next or an offset. Default: next.")
    ] = None,
    follow: Annotated[
        bool | None, typer.Option("--follow/--no-follow", "-f/-F", help="Go on with what comes. Default.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="End after so many.")] = None,
    as_json: Json = False,
) -> None:
    """Show events as they come, or from a point in the log on. Ctrl-C ends it."""
    try:
        start = start_of(begin, since, datetime.now(UTC))
        selection = Selection(
            types=tuple(types or ()),
            vm=vm,
            address=canonical_address(address) if address else None,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    async def work(platform: Platform) -> None:
        chosen = await _resolved(platform, selection, vcenter, subnet)
        await platform.bus.declare(TOPOLOGY)
        await _until_interrupted(_show(platform, chosen, start, follow is not False, limit, as_json=as_json))

    with_platform(work, as_json=as_json)


async def _resolved(
    platform: Platform, selection: Selection, vcenter: str | None, subnet: str | None
) -> Selection:
    """Names to ids: events carry ids more often."""
    if vcenter is not None:
        selection = replace(selection, vcenter=str((await find_vcenter(platform.pool, vcenter)).id))
    if subnet is not None:
        selection = replace(selection, subnet=str((await find_subnet(platform.pool, subnet)).id))
    return selection


async def _show(
    platform: Platform,
    selection: Selection,
    start: LogStart,
    follow: bool,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    left = limit
    async with aclosing(_events(platform, start, follow)) as events:
        async for entry, envelope in events:
            if not selection.wants(envelope):
                continue
            if as_json:
                print_json({"offset": entry.offset, **_plain(envelope)}, indent=None)
            else:
                people().print(_line(entry, envelope))
            if left is not None:
                left -= 1
                if left == 0:
                    return


async def _events(
    platform: Platform, start: LogStart, follow: bool
) -> AsyncGenerator[tuple[LogEntry, Envelope[Event]], None]:
    async for entry in platform.bus.read_log(start, follow=follow):
        try:
            envelope = decode(entry.message.body)
        except Unreadable as error:
            # Somebody else's message, or a newer release's: it is in the log, and it is no reason to stop.
            aside().print(f"offset {entry.offset}: {error}", markup=False)
            continue
        yield entry, envelope


def _plain(envelope: Envelope[Event]) -> dict[str, Any]:
    return envelope.model_dump(mode="json", exclude_none=True)


def _line(entry: LogEntry, envelope: Envelope[Event]) -> Text:
    verb = envelope.type.rpartition(".")[2]
    text = Text.assemble(
        (f"{entry.offset:>7} ", "bright_black"),
        (f"{envelope.time.astimezone():%Y-%m-%d %H:%M:%S} ", "bright_black"),
        (f"{envelope.type:<28} ", _STYLES.get(verb, "cyan")),
        sentence(envelope.data),
    )
    text.no_wrap = True
    text.overflow = "ignore" if not people().is_terminal else "fold"
    return text


async def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Do `work`; Ctrl-C and SIGTERM end it as done, a reader that has gone ends it quietly."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await task
    except BrokenPipeError:
        leave_pipe_quietly()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
