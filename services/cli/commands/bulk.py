"""`patchbay export` and `patchbay import`: what operators decided, as a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.asking import operator, order
from services.cli.bulk import csv_text, yaml_text
from services.cli.bulk.differences import Difference, check, compare
from services.cli.bulk.forms import Entry, Problem
from services.cli.bulk.orders import commands_for, in_order
from services.cli.bulk.reading import read_known, read_names, resolved
from services.cli.instance import ended_well, with_platform
from services.cli.outcome import Ended, Json, Misused, Refused, present, print_json, say
from services.cli.rendering.bulk import render_differences, render_problems, summary
from services.cli.rendering.counting import counted_on
from shared.bus.port import Bus
from shared.runtime.environment import Platform
from shared.runtime.errors import PermanentError


class Format(StrEnum):
    """How a file is written."""

    yaml = "yaml"
    csv = "csv"


@dataclass(frozen=True)
class Failed:
    """What could not be made so, and why."""

    line: int
    kind: str
    name: str
    error: str


def export(
    path: Annotated[Path | None, typer.Argument(help="Where to; standard output without it.")] = None,
    *,
    form: Annotated[
        Format | None, typer.Option("--format", help="By default what the file's name ends with, else yaml.")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="Only this address space; without fixes.")] = None,
) -> None:
    """Write subnets, reserved addresses, MAC bindings and fixes to a file that `import` reads."""

    async def work(platform: Platform) -> list[Entry]:
        return await read_known(platform.pool, await read_names(platform.pool), scope)

    entries = with_platform(work)
    text = csv_text.write(entries) if _format(path, form) is Format.csv else yaml_text.write(entries)
    if path is None:
        sys.stdout.write(text)
        return
    with ended_well():
        try:
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise Misused(f"cannot write {path}: {error.strerror or error}") from None
    say(f"{len(entries)} entries written to {path}")


def import_(
    path: Annotated[Path, typer.Argument(help="A file as `export` writes it.")],
    *,
    form: Annotated[
        Format | None, typer.Option("--format", help="By default what the file's name ends with, else yaml.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    delete_missing: Annotated[
        bool, typer.Option("--delete-missing", help="Also take away what the file does not have.")
    ] = False,
    scope: Annotated[
        str | None, typer.Option(help="With --delete-missing: only of this address space, no fixes.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before taking away.")] = False,
    as_json: Json = False,
) -> None:
    """Make what a file says hold. Importing it again changes nothing; after a failure, import it again."""
    with ended_well(as_json=as_json):
        read = _read(path, form)
    differences = with_platform(lambda platform: _compared(platform, path, read, scope), as_json=as_json)
    doing = [d for d in in_order(differences) if d.what != "removed" or delete_missing]
    if dry_run or not doing:
        data = _plain(differences, [], dry_run=dry_run)
        present(data, lambda: render_differences(differences, removing=delete_missing), as_json=as_json)
        return
    _confirmed(doing, yes=yes)

    async def work(platform: Platform) -> list[Failed]:
        return await _carry_out(platform.bus, doing)

    failed = with_platform(work, as_json=as_json)
    if as_json:
        print_json(_plain(differences, failed, dry_run=False))
    else:
        for one in failed:
            say(f"{path}:{one.line}: {one.kind} {one.name!r}: {one.error}")
        present(None, lambda: summary(differences, removing=delete_missing), as_json=False)
    if failed:
        with ended_well():
            raise Refused(
                f"{len(failed)} of {len(doing)} changes failed, the others are done",
                hint="Correct the file and import it again: what is done already is left as it is.",
            )


def _read(path: Path, form: Format | None) -> tuple[list[Entry], list[Problem]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Misused(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise Misused(f"{path} is not text in UTF-8") from None
    entries, problems = csv_text.read(text) if _format(path, form) is Format.csv else yaml_text.read(text)
    return entries, problems + check(entries)


async def _compared(
    platform: Platform, path: Path, read: tuple[list[Entry], list[Problem]], scope: str | None
) -> list[Difference]:
    entries, problems = read
    names = await read_names(platform.pool)
    # All at once: what is wrong with the file by itself, and what it names that is not there.
    wanted, unknown = await resolved(platform.pool, names, entries)
    if problems := [*problems, *unknown]:
        raise _unsound(path, problems)
    return compare(await read_known(platform.pool, names, scope), wanted)


async def _carry_out(bus: Bus, doing: Sequence[Difference]) -> list[Failed]:
    """Do one after the other; what fails keeps nothing else from being done."""
    failed: list[Failed] = []
    by = operator()
    with counted_on("importing", len(doing)) as done:
        for difference in doing:
            entry = difference.entry
            try:
                for command in commands_for(difference, by):
                    await order(bus, command)
            except Refused as error:
                failed.append(Failed(entry.line, entry.kind, entry.name, str(error)))
            except (Ended, PermanentError) as error:
                # Nobody answers any more: the rest would fail alike.
                failed.append(Failed(entry.line, entry.kind, entry.name, str(error)))
                break
            done()
    return failed


def _confirmed(doing: Sequence[Difference], *, yes: bool) -> None:
    gone = [d for d in doing if d.what == "removed"]
    if not gone or yes:
        return
    named = ", ".join(f"{d.entry.kind} {d.entry.name}" for d in gone[:5]) + (" …" if len(gone) > 5 else "")
    with ended_well():
        if not sys.stdin.isatty():
            raise Misused(f"{len(gone)} would be taken away ({named})", hint="Say that it is meant: --yes")
        if not typer.confirm(f"Take away {len(gone)} ({named})?", err=True):
            raise Refused("nothing was changed")


def _unsound(path: Path, problems: Sequence[Problem]) -> Misused:
    ordered = sorted(problems, key=lambda problem: problem.line)
    return Misused(
        render_problems(str(path), ordered),
        data={"error": {"code": "file_unsound", "message": f"{len(ordered)} problems"}, "problems": ordered},
    )


def _format(path: Path | None, form: Format | None) -> Format:
    if form is not None:
        return form
    return Format.csv if path is not None and path.suffix.lower() == ".csv" else Format.yaml


def _plain(differences: Sequence[Difference], failed: Sequence[Failed], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "differences": [
            {
                "what": d.what,
                "kind": d.entry.kind,
                "line": d.entry.line,
                "values": dict(d.entry.values),
                "fields": {name: {"from": a, "to": b} for name, (a, b) in d.fields.items()},
            }
            for d in differences
        ],
        "failed": failed,
    }
