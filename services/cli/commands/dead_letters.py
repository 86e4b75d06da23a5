"""`patchbay dead-letters`: messages that could not be handled: why, and what becomes of them (G8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, cast

import typer

from services.cli.asking import operator
from services.cli.dead_letters import Letters, by_key, chosen
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
)
from services.cli.instance import with_platform
from services.cli.moments import point_in_time
from services.cli.outcome import Json, present, say
from services.cli.rendering.dead_letters import (
    plain_letter,
    plain_settled,
    render_letter,
    render_letters,
    render_settled,
)
from services.cli.rendering.replaying import Looking
from shared.bus.port import DeadLetter, LogEntry
from shared.events.topology import DEAD_LETTER_QUEUE, TOPOLOGY
from shared.replay import letters as moving
from shared.replay.files import EventWriter
from shared.replay.letters import Settled
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")

ReasonOption = Annotated[
    str | None, typer.Option(help="Only with this reason: invalid_data, unknown_*, delivery_limit …")
]
QueueOption = Annotated[str | None, typer.Option(help="Only those that died in this queue.")]
OlderOption = Annotated[
    str | None, typer.Option(help="Only those dead since before this time, or so long: 2h.")
]
WhichArgument = Annotated[list[str] | None, typer.Argument(help="Ids, or how they begin.")]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
MatchingOption = Annotated[bool, typer.Option("--matching", help="All that the filters let through.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show which.")]


@app.command("list")
def list_(
    *,
    reason: ReasonOption = None,
    queue: QueueOption = None,
    older: OlderOption = None,
    types: TypesOption = None,
    vcenter: VcenterOption = None,
    vm: VmOption = None,
    wire: WireOption = None,
    subnet: SubnetOption = None,
    scope: ScopeOption = "default",
    address: AddressOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show dead letters with their reasons; nothing is taken out of the queue."""
    wanted = Filters(types, vcenter, vm, wire, subnet, scope, address_option(address))
    letters = _letters(reason, queue, older)

    async def work(platform: Platform) -> list[DeadLetter]:
        return await _read(platform, await letters.with_selection(platform, wanted), limit)

    found = with_platform(work, as_json=as_json)
    now = datetime.now(UTC)
    present([plain_letter(letter) for letter in found], lambda: render_letters(found, now), as_json=as_json)


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="Its id, or how it begins.")], as_json: Json = False
) -> None:
    """Show one: why it died, its history, the fields that differ from the schema, and what it says.

    With --json a list: a message can be dead in several queues.
    """

    async def work(platform: Platform) -> list[DeadLetter]:
        await platform.bus.declare(TOPOLOGY)
        return by_key(await _read(platform, Letters(), None), which)

    found = with_platform(work, as_json=as_json)
    now = datetime.now(UTC)
    data = [plain_letter(letter, whole=True) for letter in found]
    present(data, lambda: render_letter(found, now), as_json=as_json)


@app.command()
def retry(
    which: WhichArgument = None,
    *,
    every: AllOption = False,
    matching: MatchingOption = False,
    reason: ReasonOption = None,
    queue: QueueOption = None,
    older: OlderOption = None,
    types: TypesOption = None,
    vcenter: VcenterOption = None,
    vm: VmOption = None,
    wire: WireOption = None,
    subnet: SubnetOption = None,
    scope: ScopeOption = "default",
    address: AddressOption = None,
    dry_run: DryRunOption = False,
    as_json: Json = False,
) -> None:
    """Send dead letters back, each to the queue it came from and no other."""
    wanted = Filters(types, vcenter, vm, wire, subnet, scope, address_option(address))
    letters = _letters(reason, queue, older)
    _check(which, every, matching, letters, wanted)

    async def work(platform: Platform) -> Settled:
        mine = await _mine(platform, which, letters, wanted)
        if dry_run:
            return Settled(await _read(platform, mine, None))
        with Looking("dead letters", await _count(platform)) as bar:
            return await moving.retry(
                platform.bus, mine.wants, operator(), lambda seen, took: bar.at(seen, f"{took} sent back")
            )

    _show(with_platform(work, as_json=as_json), "would be sent back" if dry_run else "sent back", as_json)


@app.command()
def drop(
    which: WhichArgument = None,
    *,
    note: Annotated[str, typer.Option(help="Why, for the record. It goes into the log with your name.")],
    every: AllOption = False,
    matching: MatchingOption = False,
    reason: ReasonOption = None,
    queue: QueueOption = None,
    older: OlderOption = None,
    types: TypesOption = None,
    vcenter: VcenterOption = None,
    vm: VmOption = None,
    wire: WireOption = None,
    subnet: SubnetOption = None,
    scope: ScopeOption = "default",
    address: AddressOption = None,
    dry_run: DryRunOption = False,
    as_json: Json = False,
) -> None:
    """Take dead letters away for good. Export them first, if you are not sure."""
    wanted = Filters(types, vcenter, vm, wire, subnet, scope, address_option(address))
    letters = _letters(reason, queue, older)
    _check(which, every, matching, letters, wanted)
    if not note.strip():
        raise typer.BadParameter("say why: the note is all that will be left of them", param_hint="--note")

    async def work(platform: Platform) -> Settled:
        mine = await _mine(platform, which, letters, wanted)
        if dry_run:
            return Settled(await _read(platform, mine, None))
        with Looking("dead letters", await _count(platform)) as bar:
            return await moving.drop(
                platform.bus, mine.wants, operator(), note, lambda seen, took: bar.at(seen, f"{took} dropped")
            )

    _show(with_platform(work, as_json=as_json), "would be dropped" if dry_run else "dropped", as_json)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new file of JSON Lines; .gz compresses.")],
    *,
    reason: ReasonOption = None,
    queue: QueueOption = None,
    older: OlderOption = None,
    types: TypesOption = None,
    vcenter: VcenterOption = None,
    vm: VmOption = None,
    wire: WireOption = None,
    subnet: SubnetOption = None,
    scope: ScopeOption = "default",
    address: AddressOption = None,
    as_json: Json = False,
) -> None:
    """Copy dead letters into a file, with their reasons; they stay. `events play` can play it."""
    wanted = Filters(types, vcenter, vm, wire, subnet, scope, address_option(address))
    letters = _letters(reason, queue, older)

    async def work(platform: Platform) -> int:
        found = await _read(platform, await letters.with_selection(platform, wanted), None)
        now = datetime.now(UTC)
        entries = [
            LogEntry(number, letter.since or now, moving.as_it_lay(letter))
            for number, letter in enumerate(found, 1)
        ]
        about = {"dead_letters": True, "by": operator(), "at": now.isoformat()}
        await asyncio.to_thread(lambda: EventWriter.create(file, about).write(entries))
        return len(entries)

    count = with_platform(work, as_json=as_json)
    present(
        {"file": str(file), "count": count}, lambda: f"{count} dead letters copied to {file}", as_json=as_json
    )


def _letters(reason: str | None, queue: str | None, older: str | None) -> Letters:
    try:
        before = point_in_time(older, datetime.now(UTC)) if older is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older") from None
    return Letters(reason, queue, before)


def _check(
    which: Sequence[str] | None, every: bool, matching: bool, letters: Letters, wanted: Filters
) -> None:
    filtered = letters != Letters() or wanted != Filters(None, scope=wanted.scope)
    if [bool(which), every, matching].count(True) != 1:
        raise typer.BadParameter("say which, exactly one of: ids, --all, --matching with filters")
    if matching and not filtered:
        raise typer.BadParameter("--matching needs filters, such as --reason or --queue; --all takes all")
    if every and filtered:
        raise typer.BadParameter("--all takes all; with filters say --matching")


async def _mine(
    platform: Platform, which: Sequence[str] | None, letters: Letters, wanted: Filters
) -> Letters:
    """Those that were named, all of which must be there; or those that the filters let through."""
    mine = await letters.with_selection(platform, wanted)
    if not which:
        return mine
    there = await _read(platform, mine, None)
    return chosen(mine, [letter for one in which for letter in by_key(there, one)])


async def _read(platform: Platform, letters: Letters, limit: int | None) -> list[DeadLetter]:
    await platform.bus.declare(TOPOLOGY)
    found = []
    async with aclosing(cast("AsyncGenerator[DeadLetter]", platform.bus.dead_letters())) as reading:
        async for letter in reading:
            if letters.wants(letter):
                found.append(letter)
                if len(found) == limit:
                    break
    return found


async def _count(platform: Platform) -> int:
    return (await platform.bus.state(DEAD_LETTER_QUEUE)).ready


def _show(settled: Settled, done: str, as_json: bool) -> None:
    present(plain_settled(settled, done), lambda: render_settled(settled, done), as_json=as_json)
    if settled.kept:
        say("those stay where they are; export or drop what nobody will take")
        raise typer.Exit(1)
