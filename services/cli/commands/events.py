"""`patchbay events`: what was said on the bus, from the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from services.cli.commands import replay, trace
from services.cli.filters import (
    AddressOption,
    Filters,
    ScopeOption,
    SubnetOption,
    TypesOption,
    VcenterOption,
    VmOption,
    WireOption,
    address_option,
    resolve,
)
from services.cli.instance import with_platform
from services.cli.interrupting import until_interrupted
from services.cli.moments import point_in_time
from services.cli.outcome import Json, aside, people, print_json
from services.cli.rendering.operation_sentences import sentence
from services.cli.selecting import start_of
from shared.bus.port import LogEntry, LogStart
from shared.events.base import Event
from shared.events.codec import Unreadable, decode
from shared.events.envelope import Envelope
from shared.events.selecting import Selection
from shared.events.topology import TOPOLOGY
from shared.replay.places import SKEW
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


app.command()(replay.replay)
app.command()(replay.play)
app.command()(replay.replays)


@app.command()
def tail(
    *,
    types: TypesOption = None,
    vcenter: VcenterOption = None,
    vm: VmOption = None,
    wire: WireOption = None,
    subnet: SubnetOption = None,
    scope: ScopeOption = "default",
    address: AddressOption = None,
    since: Annotated[
        str | None,
        typer.Option(help="Begin at a time (local without a zone), this long ago (10m, 2h), or an offset."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End with this time, or with this long ago.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Begin at first, last, next or an offset. Default: next.")
    ] = None,
    follow: Annotated[
        bool | None, typer.Option("--follow/--no-follow", "-f/-F", help="Go on with what comes. Default.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--count", "--limit", "-n", min=1, help="End after so many.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show events as they come, or from a point in the log on. Ctrl-C ends it."""
    now = datetime.now(UTC)
    try:
        start = start_of(begin, since, now)
        end = point_in_time(until, now) if until is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if end is not None and isinstance(start, datetime) and end < start:
        raise typer.BadParameter(f"--until {until} is before --since {since}")
    wanted = Filters(types, vcenter, vm, wire, subnet, scope, address_option(address))
    over = end is not None and end <= now

    async def work(platform: Platform) -> None:
        selection = await resolve(platform.pool, wanted)
        view = View(
            selection,
            "first" if over and start == "next" else start,
            follow is not False and not over,
            end,
            limit,
            as_json,
        )
        await platform.bus.declare(TOPOLOGY)
        await until_interrupted(_show(platform, view))

    with_platform(work, as_json=as_json)


@dataclass(frozen=True)
class View:
    """What to show of the log: which events, from where, up to when, how many, and how."""

    selection: Selection
    start: LogStart
    follow: bool
    until: datetime | None
    limit: int | None
    as_json: bool


async def _show(platform: Platform, view: View) -> None:
    shown = 0
    left = None if view.until is None else (view.until - datetime.now(UTC)).total_seconds()
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(left if left is not None and left > 0 else None),
            aclosing(
                cast("AsyncGenerator[LogEntry]", platform.bus.read_log(view.start, follow=view.follow))
            ) as log,
        ):
            async for entry in log:
                if view.until is not None and entry.time > view.until:
                    if entry.time > view.until + SKEW:
                        return
                    continue
                shown += _told(entry, view)
                if shown == view.limit:
                    return


def _told(entry: LogEntry, view: View) -> bool:
    """Show an entry if it is wanted. Tells whether it was."""
    message = entry.message
    if not view.selection.takes(message.body, message.type):
        return False
    try:
        envelope = decode(message.body)
    except Unreadable as error:
        # Somebody else's message, or a newer release's: it is in the log, and it is no reason to stop.
        aside().print(f"offset {entry.offset}: {error}", markup=False)
        return False
    if view.as_json:
        print_json({"offset": entry.offset, **_plain(envelope)}, indent=None)
    else:
        people().print(_line(entry, envelope))
    return True


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


app.command()(trace.trace)
