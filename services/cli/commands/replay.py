"""`patchbay events replay`, `play`, `replays`: events once more, into one queue or a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

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
from services.cli.moments import point_in_time
from services.cli.outcome import Json, present, print_json, say
from services.cli.rendering.replaying import (
    Looking,
    plain_replay,
    plain_summary,
    render_replays,
    render_summary,
)
from services.cli.replaying import Played, begin, check_target
from services.cli.replaying import play as play_it
from services.cli.selecting import events_a_second
from shared.events.topology import TOPOLOGY
from shared.replay import jobs
from shared.replay.files import count_events
from shared.replay.finding import first_entry, stretch
from shared.replay.places import Place, place_of
from shared.replay.plan import Plan, Replay, Summary, Target
from shared.replay.running import summarise
from shared.runtime.environment import Platform
from shared.runtime.errors import PatchbayError, PermanentError

_NOT_BEGUN = frozenset({"replay_unknown", "replay_active"})

QueueOption = Annotated[str | None, typer.Option(help="Into this queue, and no other.")]
NewQueueOption = Annotated[
    str | None, typer.Option(help="Into a queue of this name, made for it; nothing else reaches it.")
]
RateOption = Annotated[str | None, typer.Option(help="Send at most so many a second: 50, or 50/s.")]
CommandsOption = Annotated[
    bool,
    typer.Option(
        "--with-commands",
        help="Into queues, commands and create-VM requests too. A service that gets one does it again.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only show how many, their span and types, and a sample.")
]
AcceptLossOption = Annotated[
    bool, typer.Option("--accept-loss", help="With --resume: go on although the log has lost what was next.")
]


def replay(
    *,
    begin_at: Annotated[
        str,
        typer.Option(
            "--from", help="Offset, time (local without a zone), duration (2h), event id, first or last."
        ),
    ] = "first",
    end_at: Annotated[
        str, typer.Option("--to", help="The same, included. Default: last, as of now.")
    ] = "last",
    types: TypesOption = None,
    vcenter: VcenterOption = None,
    vm: VmOption = None,
    wire: WireOption = None,
    subnet: SubnetOption = None,
    scope: ScopeOption = "default",
    address: AddressOption = None,
    queue: QueueOption = None,
    new_queue: NewQueueOption = None,
    file: Annotated[Path | None, typer.Option(help="Into a new file of JSON Lines; .gz compresses.")] = None,
    rate: RateOption = None,
    with_commands: CommandsOption = False,
    dry_run: DryRunOption = False,
    resume: Annotated[str | None, typer.Option(help="Go on with the replay (or play) of this id.")] = None,
    accept_loss: AcceptLossOption = False,
    as_json: Json = False,
) -> None:
    """Play events of the log again, into one queue or a file. They keep their ids and carry a mark.

    Ctrl-C pauses; --resume goes on.
    """
    if resume is not None:
        given = (queue, new_queue, file, rate, types, vcenter, vm, wire, subnet, address)
        if any(value is not None for value in given) or with_commands or dry_run:
            raise typer.BadParameter("--resume goes on as the replay was begun; give no other options")
        _resume(resume, accept_loss=accept_loss, as_json=as_json)
        return
    target = _target(queue, new_queue, file, needed=not dry_run)
    wanted = Filters(types, vcenter, vm, wire, subnet, scope, address_option(address))
    start, end, pace = _place(begin_at, "--from"), _place(end_at, "--to"), _rate(rate)

    async def work(platform: Platform) -> Played | Summary:
        selection = await resolve(platform.pool, wanted)
        await platform.bus.declare(TOPOLOGY)
        if target is not None:
            await check_target(platform.bus, target)
        newest = await first_entry(platform.bus, "last")
        with Looking("looking for the event", newest.offset if newest else 0) as bar:
            found = await stretch(platform.bus, start, end, bar.at)
        plan = Plan(
            first=found.first, last=found.last, since=found.since, until=found.until, selection=selection,
            target=target or Target(file="a file"), with_commands=with_commands, rate=pace,
        )  # fmt: skip
        return await _preview(platform, plan) if dry_run else await _begin(platform, plan)

    _show(with_platform(work, as_json=as_json), str(target or "a file"), as_json=as_json)


def play(
    file: Annotated[Path, typer.Argument(help="A file that `events replay --file` made.")],
    *,
    types: TypesOption = None,
    vcenter: VcenterOption = None,
    vm: VmOption = None,
    wire: WireOption = None,
    subnet: SubnetOption = None,
    scope: ScopeOption = "default",
    address: AddressOption = None,
    queue: QueueOption = None,
    new_queue: NewQueueOption = None,
    rate: RateOption = None,
    with_commands: CommandsOption = False,
    dry_run: DryRunOption = False,
    as_json: Json = False,
) -> None:
    """Play a file of events into one queue, here or on another machine, by the rules of `events replay`.

    Ctrl-C pauses; `events replay --resume` goes on.
    """
    target = _target(queue, new_queue, None, needed=not dry_run)
    wanted = Filters(types, vcenter, vm, wire, subnet, scope, address_option(address))
    pace = _rate(rate)

    async def work(platform: Platform) -> Played | Summary:
        selection = await resolve(platform.pool, wanted)
        await platform.bus.declare(TOPOLOGY)
        if target is not None:
            await check_target(platform.bus, target)
        plan = Plan(
            file=str(file.resolve()), first=1, last=count_events(file), selection=selection,
            target=target or Target(file="a queue"), with_commands=with_commands, rate=pace,
        )  # fmt: skip
        return await _preview(platform, plan) if dry_run else await _begin(platform, plan)

    _show(with_platform(work, as_json=as_json), str(target or "a queue"), as_json=as_json)


def replays(as_json: Json = False) -> None:
    """Show replays, how they stand, and what each was to do."""

    async def work(platform: Platform) -> list[Replay]:
        return await jobs.all_replays(platform.pool)

    found = with_platform(work, as_json=as_json)
    present([plain_replay(one) for one in found], lambda: render_replays(found), as_json=as_json)


def _resume(identity: str, *, accept_loss: bool, as_json: bool) -> None:
    async def work(platform: Platform) -> Played:
        await platform.bus.declare(TOPOLOGY)
        return await _play(platform, identity, accept_loss=accept_loss)

    played = with_platform(work, as_json=as_json)
    _show(played, str(played.replay.plan.target), as_json=as_json)


async def _preview(platform: Platform, plan: Plan) -> Summary:
    with Looking("reading", plan.last - plan.first + 1) as bar:
        return await summarise(
            platform.bus, plan, lambda at: bar.at(at.next - plan.first, f"{at.sent} chosen")
        )


async def _begin(platform: Platform, plan: Plan) -> Played:
    replay = await begin(platform, plan)
    say(f"replay {replay.id}: {plan.source} {plan.first} to {plan.last}, into {plan.target}")
    return await _play(platform, replay.id)


async def _play(platform: Platform, identity: str, *, accept_loss: bool = False) -> Played:
    try:
        return await play_it(platform, identity, accept_loss=accept_loss)
    except PatchbayError as error:
        if not (isinstance(error, PermanentError) and error.code in _NOT_BEGUN):
            say(f"it stands where it was; go on with: patchbay events replay --resume {identity}")
        raise


def _show(answer: Played | Summary, target: str, *, as_json: bool) -> None:
    if isinstance(answer, Summary):
        present(plain_summary(answer), lambda: render_summary(answer, target), as_json=as_json)
        return
    replay, at = answer.replay, answer.progress
    state = "done" if answer.done else "paused"
    if as_json:
        print_json({**plain_replay(replay, at), "state": state})
    else:
        say(f"{state}: {at.sent} events of {at.read} read went into {replay.plan.target}")
    if not answer.done:
        say(f"go on with: patchbay events replay --resume {replay.id}")
        raise typer.Exit(1)


def _target(queue: str | None, new_queue: str | None, file: Path | None, *, needed: bool) -> Target | None:
    given = [value for value in (queue, new_queue, file) if value is not None]
    if len(given) > 1 or (needed and not given):
        raise typer.BadParameter(
            "say where to, exactly one of: --queue, --new-queue, --file. Nothing is played to everybody"
        )
    if file is not None:
        return Target(file=str(file.resolve()))
    if not given:
        return None
    return Target(queue=queue or new_queue, fresh=new_queue is not None)


def _place(text: str, option: str) -> Place:
    now = datetime.now(UTC)
    try:
        return place_of(text, lambda moment: point_in_time(moment, now))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _rate(text: str | None) -> float | None:
    try:
        return events_a_second(text) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from None
