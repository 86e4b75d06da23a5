"""`patchbay subnet addresses`: what is with each address of a subnet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from services.allocator.address_queries import AddressPage, list_addresses
from services.cli.commands.subnet_changes import Scope, Which
from services.cli.instance import with_platform
from services.cli.outcome import Json, Misused, present, say
from services.cli.rendering.addresses import render_addresses
from services.cli.selecting import canonical_address
from shared.runtime.environment import Platform


def addresses(
    which: Which,
    *,
    free: Annotated[bool, typer.Option("--free", help="Only what can be handed out.")] = False,
    used: Annotated[bool, typer.Option("--used", help="Only what can't.")] = False,
    after: Annotated[str | None, typer.Option(help="Go on after this address.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Lines at most.")] = 100,
    scope: Scope = "default",
    as_json: Json = False,
) -> None:
    """Show a subnet's addresses: free, in use and by whom, reserved, cooling down, seen without a record."""
    if free and used:
        raise typer.BadParameter("--free and --used exclude each other; leave both out for all")
    kind: Literal["all", "free", "used"] = "free" if free else "used" if used else "all"
    try:
        start = canonical_address(after) if after else None
    except ValueError as error:
        raise typer.BadParameter(f"--after: {error}") from None

    async def work(platform: Platform) -> AddressPage:
        page = await list_addresses(
            platform.pool,
            which,
            scope=scope,
            which=kind,
            after=start,
            limit=limit,
            now=datetime.now(UTC),
        )
        if start is not None and ((":" in start) != (":" in page.subnet.prefix)):
            raise Misused(f"--after {start} is not of the family of {page.subnet.prefix}")
        return page

    page = with_platform(work, as_json=as_json)
    present(page, lambda: render_addresses(page), as_json=as_json)
    if page.next is not None and not as_json:
        say(f"more after {page.next}: --after {page.next}")
