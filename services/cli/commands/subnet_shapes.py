"""`patchbay subnet split|merge|move`: another shape or place, with every record kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from services.cli.asking import operator, order
from services.cli.commands.subnet_changes import Scope, Which
from services.cli.instance import ended_well, with_platform
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.shapes import render_shape
from services.cli.requests import faults_of
from shared.events.commands import AllocatorCommand
from shared.events.subnet_commands import SubnetMerge, SubnetMove, SubnetSplit
from shared.runtime.environment import Platform

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; show who and what would change.")]


def split(
    which: Which,
    *,
    at: Annotated[
        list[str],
        typer.Option(
            "--at", help="A prefix length for all parts (/26), or the first address of a part; repeat."
        ),
    ],
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Of the parts after the first, by address. Repeat.")
    ] = None,
    scope: Scope = "default",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make several subnets of one.

    The lowest part keeps the name; wires, policy and records are kept by all.
    """
    fields: dict[str, Any] = {"subnet": which, "names": tuple(name or ()), "scope": scope}
    length = [text.lstrip("/") for text in at if text.lstrip("/").isdecimal()]
    if length and len(at) > 1:
        raise typer.BadParameter("--at takes one prefix length, or addresses, not both")
    fields |= {"prefix_length": int(length[0])} if length else {"at": tuple(at)}
    _carry_out(SubnetSplit, fields, dry_run=dry_run, as_json=as_json)


def merge(
    which: Which,
    others: Annotated[list[str], typer.Argument(help="Names or ids of those that it takes in.")],
    *,
    prefix: Annotated[
        str | None, typer.Option(help="What it is to cover, if theirs together are not one prefix.")
    ] = None,
    scope: Scope = "default",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make one subnet of several. The first keeps name and policy; wires and records are kept of all."""
    fields = {"subnet": which, "others": tuple(others), "prefix": prefix, "scope": scope}
    _carry_out(SubnetMerge, fields, dry_run=dry_run, as_json=as_json)


def move(
    which: Which,
    wire: Annotated[str, typer.Argument(help="The new default wire: id, managed object id or name.")],
    *,
    leave: Annotated[
        bool,
        typer.Option("--leave", help="Don't pin the old wire: it stays only where evidence shows it in use."),
    ] = False,
    scope: Scope = "default",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Give a subnet another default wire. The old one stays in use, unless it is to be left."""
    fields = {"subnet": which, "wire": wire, "keep_old": not leave, "scope": scope}
    _carry_out(SubnetMove, fields, dry_run=dry_run, as_json=as_json)


def _carry_out(
    build: Callable[..., AllocatorCommand], fields: dict[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    with ended_well():
        try:
            given = {key: value for key, value in fields.items() if value is not None}
            command = build(**given, by=operator(), dry_run=dry_run)
        except ValidationError as error:
            raise Misused(faults_of(error)) from None

    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    present(result, lambda: render_shape(result), as_json=as_json)
