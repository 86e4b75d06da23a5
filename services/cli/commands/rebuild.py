"""`patchbay rebuild`: the state made again from the log; compared with the live one, or put in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from services.cli.instance import chosen, ended_well, with_platform
from services.cli.noting import noted
from services.cli.outcome import Json, Refused, present
from services.cli.rebuilding.building import Source
from services.cli.rebuilding.fresh_reads import WAIT
from services.cli.rebuilding.origins import FromLog, FromSnapshot, Origin
from services.cli.rebuilding.replacing import Replaced, replace, restore
from services.cli.rebuilding.resyncing import FromResync
from services.cli.rebuilding.telling import Teller
from services.cli.rebuilding.verifying import verify
from services.cli.rendering.rebuilding import replaced_text, verdict_text
from services.cli.requests import seconds
from services.cli.settings import load
from shared.runtime.environment import Platform
from shared.store.scratch import drop_scratch

Answer = TypeVar("Answer")


def rebuild(
    *,
    verifying: Annotated[
        bool, typer.Option("--verify", help="Compare with the live state; exit 1 if it differs.")
    ] = False,
    replacing: Annotated[
        bool, typer.Option("--replace", help="Put the rebuilt state in place of the live one.")
    ] = False,
    restoring: Annotated[
        str | None, typer.Option("--restore", metavar="NAME", help="Take a state back that --replace kept.")
    ] = None,
    dropping: Annotated[
        str | None, typer.Option("--drop", metavar="NAME", help="Throw away a state that --replace kept.")
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Begin with a snapshot, where the log was cut."),
    ] = None,
    resync: Annotated[
        bool, typer.Option("--resync", help="Begin with a fresh read of all vCenters, where the log was cut.")
    ] = False,
    wait: Annotated[
        str | None, typer.Option(metavar="SPAN", help="With --resync: how long a read may take; 5m.")
    ] = None,
    scratch: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Make databases on this PostgreSQL instead of the live one's server."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --replace: only show what would change.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Make the state again from the log, beside the live one."""
    asked = [verifying, replacing, restoring is not None, dropping is not None]
    if sum(asked) != 1:
        raise typer.BadParameter("give one of --verify, --replace, --restore NAME and --drop NAME")
    if dry_run and not replacing:
        raise typer.BadParameter("--dry-run goes with --replace; --verify changes nothing anyway")
    if snapshot is not None and not (verifying or replacing):
        raise typer.BadParameter("--from goes with --verify or --replace")
    if resync and not (verifying or replacing):
        raise typer.BadParameter("--resync goes with --verify or --replace")
    if resync and snapshot is not None:
        raise typer.BadParameter("give one of --from and --resync: each is a beginning of its own")
    if wait is not None and not resync:
        raise typer.BadParameter("--wait goes with --resync")
    origin = _origin(snapshot, wait, resync=resync)
    teller = Teller(quiet=as_json)
    if dropping is not None:
        _drop(dropping, scratch, as_json=as_json)
    elif verifying or dry_run:
        _verify(origin, scratch, teller, as_json=as_json, trial=dry_run)
    else:
        _replace(origin, restoring, scratch, teller, yes=yes, as_json=as_json)


def _origin(snapshot: Path | None, wait: str | None, *, resync: bool) -> Origin:
    if snapshot is not None:
        return FromSnapshot(snapshot)
    if not resync:
        return FromLog()
    try:
        return FromResync(WAIT if wait is None else timedelta(seconds=seconds(wait)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wait") from None


def _verify(origin: Origin, scratch: str | None, teller: Teller, *, as_json: bool, trial: bool) -> None:
    verdict = _on_source(lambda source, _: verify(source, origin, teller), scratch, as_json=as_json)
    present(verdict.as_json(), lambda: verdict_text(verdict), as_json=as_json)
    if not verdict.equal and not trial:
        with ended_well():
            raise Refused(f"the live state is not what {_maker(origin)} makes", hint=_next_step(origin))


def _maker(origin: Origin) -> str:
    return "a fresh read" if isinstance(origin, FromResync) else "the log"


def _next_step(origin: Origin) -> str:
    if isinstance(origin, FromResync):
        return "Put it right with: patchbay rebuild --replace --resync"
    return "See what would change with: patchbay rebuild --replace --dry-run"


def _replace(
    origin: Origin, kept: str | None, scratch: str | None, teller: Teller, *, yes: bool, as_json: bool
) -> None:
    if not yes:
        what = "the rebuilt one" if kept is None else kept
        typer.confirm(f"Exchange the live state for {what}? Services wait meanwhile.", abort=True, err=True)

    async def work(source: Source, platform: Platform) -> Replaced:
        done = await (replace(source, origin, teller) if kept is None else restore(source, kept, teller))
        kind = "rebuild.replace" if kept is None else "rebuild.restore"
        await noted(platform.pool, kind, f"state/{done.before}", _asked(origin, kept), done.as_json())
        return done

    replaced = _on_source(work, scratch, as_json=as_json)
    begun = origin.sentence if kept is None else None
    present(replaced.as_json(), lambda: replaced_text(replaced, begun), as_json=as_json)


def _asked(origin: Origin, kept: str | None) -> dict[str, Any]:
    return {"restored": kept} if kept is not None else {"restored": None, "begun": origin.as_json()}


def _drop(name: str, scratch: str | None, *, as_json: bool) -> None:
    _on_source(lambda source, _: drop_scratch(source.scratch_url, name), scratch, as_json=as_json)
    present({"dropped": name}, lambda: Text(f"{name} is gone"), as_json=as_json)


def _on_source(
    work: Callable[[Source, Platform], Awaitable[Answer]], scratch: str | None, *, as_json: bool
) -> Answer:
    async def run(platform: Platform) -> Answer:
        url = platform.database_url
        source = Source(url, platform.bus, chosen(load()).allocator, scratch or url)
        return await work(source, platform)

    return with_platform(run, as_json=as_json)
