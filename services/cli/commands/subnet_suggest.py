"""`patchbay subnet suggest`: from what is seen to subnets, proposed and made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from services.allocator.finding import find_wire
from services.allocator.suggesting import Suggestion, suggest
from services.cli.asking import operator, order
from services.cli.instance import with_platform
from services.cli.lookup import find_vcenter
from services.cli.names import not_known
from services.cli.outcome import Json, Misused, Refused, present, say
from services.cli.rendering.counting import counted_on
from services.cli.rendering.suggestions import Made, render_made, render_suggestions
from shared.events.commands import SubnetCreate
from shared.runtime.environment import Platform
from shared.runtime.errors import PatchbayError


def suggest_(
    names: Annotated[
        list[str] | None, typer.Argument(help="With --apply: which to make, by their suggested names.")
    ] = None,
    *,
    scope: Annotated[str | None, typer.Option(help="Only this address space.")] = None,
    vcenter: Annotated[str | None, typer.Option(help="Only this vCenter: name or id.")] = None,
    wire: Annotated[str | None, typer.Option(help="Only this wire: id, managed object id or name.")] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out what is less certain than this, from 0 to 1.")
    ] = 0.0,
    apply: Annotated[bool, typer.Option("--apply", help="Make the subnets.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --apply: make all of them.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --apply: only show what would be made.")
    ] = False,
    evidence: Annotated[bool, typer.Option("--evidence", help="Show the addresses behind each.")] = False,
    as_json: Json = False,
) -> None:
    """Propose subnets for addresses that fit into none; with --apply, make them."""
    _sensible(names, apply=apply, everything=everything, dry_run=dry_run)

    async def work(platform: Platform) -> tuple[list[Suggestion], list[Made]]:
        found = await _found(platform, scope, vcenter, wire)
        likely = [s for s in found if s.confidence >= min_confidence]
        chosen = _chosen(likely, names or (), len(found) - len(likely)) if names or everything else likely
        made = [] if dry_run or not apply else await _make(platform, chosen)
        return chosen, made

    chosen, made = with_platform(work, as_json=as_json)
    if not apply or dry_run:
        present(chosen, lambda: render_suggestions(chosen, evidence=evidence), as_json=as_json)
        if dry_run:
            say(f"nothing was made; without --dry-run {_count(len(chosen))} would be")
        elif chosen:
            say("make them with: patchbay subnet suggest --apply --all   (or NAME…)")
        return
    present(made, lambda: render_made(made), as_json=as_json)
    if any(item.error for item in made):
        raise typer.Exit(1)


def _sensible(names: list[str] | None, *, apply: bool, everything: bool, dry_run: bool) -> None:
    if apply and not (names or everything):
        raise typer.BadParameter("say which to make by their names, or --all")
    if names and everything:
        raise typer.BadParameter("give names or --all, not both")
    if (names or everything or dry_run) and not apply:
        raise typer.BadParameter("names, --all and --dry-run go with --apply")


async def _found(
    platform: Platform, scope: str | None, vcenter: str | None, wire: str | None
) -> list[Suggestion]:
    at = (await find_vcenter(platform.pool, vcenter)).instance_uuid if vcenter else None
    if vcenter and at is None:
        raise Misused(f"nothing was heard of vCenter {vcenter!r} yet", hint="patchbay vcenter list")
    on = None
    if wire is not None:
        async with platform.pool.acquire() as conn:
            on = (await find_wire(conn, wire))["id"]
    return await suggest(platform.pool, scope=scope, vcenter=at, wire=on)


def _chosen(likely: Sequence[Suggestion], names: Sequence[str], left_out: int) -> list[Suggestion]:
    """Those called `names`, or all when none is named."""
    if not names:
        return list(likely)
    for name in names:
        alike = [s for s in likely if s.name == name]
        if not alike:
            refusal = not_known("suggestion", name, [s.name for s in likely])
            if left_out:
                refusal.hint = f"{refusal.hint} {left_out} more have less than --min-confidence."
            raise refusal
        if len(alike) > 1:
            scopes = " or ".join(s.scope for s in alike)
            raise Refused(f"{name!r} is suggested in several scopes", hint=f"Add --scope {scopes}.")
    return [s for s in likely if s.name in names]


async def _make(platform: Platform, chosen: Sequence[Suggestion]) -> list[Made]:
    """Create one after the other; what the allocator refuses stops none of the others."""
    made = []
    with counted_on("making subnets", len(chosen)) as step:
        for item in chosen:
            command = SubnetCreate(
                name=item.name,
                prefix=item.prefix,
                wire=str(item.wires[0].id),
                scope=item.scope,
                gateway=item.gateway,
                dns=item.dns,
                by=operator(),
            )
            try:
                result: dict[str, Any] = await order(platform.bus, command)
            except (Refused, PatchbayError) as error:
                made.append(Made(item, None, str(error)))
            else:
                made.append(Made(item, result["id"], None))
            step()
    return made


def _count(number: int) -> str:
    return "1 subnet" if number == 1 else f"{number} subnets"
