"""`patchbay address`: addresses that operators keep out of use, or for one port."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from services.allocator.address_queries import ReservedRow, list_reserved
from services.cli.asking import operator, order
from services.cli.commands import address_sharing
from services.cli.commands.subnet_changes import Scope
from services.cli.instance import ended_well, with_platform
from services.cli.moments import calendar_time
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.addresses import render_reserved
from services.cli.requests import faults_of, seconds
from services.cli.subnets import address_range
from shared.events.address_commands import AddressBind, AddressRelease, AddressReserve, AddressUnbind
from shared.events.commands import AllocatorCommand
from shared.events.subnet import AddressRange
from shared.runtime.environment import Platform

app = typer.Typer(no_args_is_help=True, help="Addresses kept out of use, or for one MAC.")

Which = Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="An address, or FIRST-LAST. Several.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; tell what would come of it.")]
Note = Annotated[str | None, typer.Option(help="What for.")]


@app.command()
def reserve(
    which: Which,
    *,
    note: Note = None,
    until: Annotated[
        str | None, typer.Option(help="Released by itself then: 30m, 14d, or a time, local without a zone.")
    ] = None,
    scope: Scope = "default",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Keep addresses out of use. All or none: one that is in use is named, and nothing is reserved."""
    with ended_well():
        command = AddressReserve(
            ranges=_ranges(which),
            note=note,
            until=end_of(until, datetime.now(UTC)),
            scope=scope,
            by=operator(),
            dry_run=dry_run,
        )
    _carry_out(command, lambda r: f"reserved {_count(r['reserved'])}", as_json=as_json)


@app.command()
def release(
    which: Which, *, scope: Scope = "default", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Give reserved addresses back; of a range, those that are reserved."""
    with ended_well():
        command = AddressRelease(ranges=_ranges(which), scope=scope, by=operator(), dry_run=dry_run)
    _carry_out(command, lambda r: f"released {_count(r['released'])}", as_json=as_json)


@app.command()
def bind(
    mac: Annotated[str, typer.Argument(help="MAC of the port, in any usual spelling.")],
    address: Annotated[str, typer.Argument(help="The address that it alone gets.")],
    *,
    note: Note = None,
    scope: Scope = "default",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Keep an address for the port with a MAC: it gets it, and nobody else."""
    with ended_well():
        try:
            command = AddressBind.model_validate(
                {
                    "mac": mac,
                    "address": address,
                    "note": note,
                    "scope": scope,
                    "by": operator(),
                    "dry_run": dry_run,
                }
            )
        except ValidationError as error:
            raise Misused(faults_of(error)) from None
    _carry_out(
        command,
        lambda r: (
            f"{r['address']} of subnet {r['subnet_name']} is kept for {r['mac']}"
            + ("" if r["changed"] else ", as it was")
        ),
        as_json=as_json,
    )


@app.command()
def unbind(
    address: Annotated[str, typer.Argument(help="The bound address.")],
    *,
    scope: Scope = "default",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Undo a binding; who has the address keeps it."""
    with ended_well():
        try:
            command = AddressUnbind(address=address, scope=scope, by=operator(), dry_run=dry_run)
        except ValidationError as error:
            raise Misused(faults_of(error)) from None
    _carry_out(command, lambda r: f"{r['address']} is no longer kept for {r['mac']}", as_json=as_json)


@app.command("list")
def list_(
    *,
    subnet: Annotated[str | None, typer.Option(help="Only in this subnet: name or id.")] = None,
    bound: Annotated[
        bool | None, typer.Option("--bound/--reserved", help="Only those bound to a MAC, or only the others.")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="Only this address space.")] = None,
    as_json: Json = False,
) -> None:
    """Show what is reserved, for whom, by whom and until when."""

    async def work(platform: Platform) -> list[ReservedRow]:
        return await list_reserved(platform.pool, scope=scope, subnet=subnet, bound=bound)

    rows = with_platform(work, as_json=as_json)
    present(rows, lambda: render_reserved(rows), as_json=as_json)


def end_of(text: str | None, now: datetime) -> datetime | None:
    """A point in time to come: a span from `now` on, or a date and time, in local time without a zone.

    Raises `Misused`.
    """
    if text is None:
        return None
    try:
        return now + timedelta(seconds=seconds(text))
    except ValueError:
        moment = calendar_time(text)
    if moment is None:
        raise Misused(
            f"--until {text!r} is neither a span like 14d nor a time like '2026-12-31 12:00' or "
            "2026-12-31T12:00:00Z"
        )
    return moment


def _ranges(texts: list[str]) -> tuple[AddressRange, ...]:
    try:
        return tuple(address_range(text) for text in texts)
    except ValueError as error:
        raise Misused(str(error)) from None


def _count(number: int) -> str:
    return f"{number} address" + ("es" if number != 1 else "")


def _carry_out(command: AllocatorCommand, done: Any, *, as_json: bool) -> None:
    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    tried = "would have " if command.dry_run else ""
    present(
        result,
        lambda: Text(f"{tried}{done(result)}", style="yellow" if tried else ""),
        as_json=as_json,
    )


app.command()(address_sharing.share)
app.command()(address_sharing.unshare)
app.command()(address_sharing.shared)
