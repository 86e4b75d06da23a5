"""`patchbay events trace`: what led to an event, and what it led to."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from services.cli.instance import with_platform
from services.cli.moments import point_in_time
from services.cli.outcome import Json, Refused, present, print_json
from services.cli.rebuilding.playing import end_of_log
from services.cli.rebuilding.telling import Teller
from services.cli.rendering.bars import milliseconds
from services.cli.tracing.chains import Chain, Link, as_trees
from services.cli.tracing.searching import find_chain
from services.cli.tracing.spans import as_otlp
from shared.bus.port import LogStart
from shared.runtime.environment import Platform


def trace(
    which: Annotated[str, typer.Argument(metavar="ID", help="Id of an event or command, or its beginning.")],
    since: Annotated[
        str | None, typer.Option(help="Look no further back than a time, or this long ago: 10m, 2h.")
    ] = None,
    otlp: Annotated[
        bool, typer.Option("--otlp", help="Print OpenTelemetry spans, for a collector's /v1/traces.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the chain around an event, from what a vCenter or a person said to what followed."""
    start: LogStart = "first"
    if since is not None:
        try:
            start = point_in_time(since, datetime.now(UTC))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    teller = Teller(quiet=as_json or otlp, lines=False)

    async def work(platform: Platform) -> Chain:
        end = await end_of_log(platform.bus)
        with teller.playing(None if end is None else end.offset) as looked:
            found = await find_chain(platform.bus, which, start, looked)
        if found is None:
            raise Refused(
                f"the log has no event {which!r}" + (f" since {since}" if since else ""),
                hint="Ids are shown by: patchbay events tail --json, and patchbay audit list",
            )
        return found

    chain = with_platform(work, as_json=as_json)
    if otlp:
        print_json(as_otlp(chain.hops.values()), indent=None)
    else:
        present(_plain(chain), lambda: _drawn(chain, which), as_json=as_json)


def _plain(chain: Chain) -> dict[str, Any]:
    hops = sorted(chain.hops.values(), key=lambda hop: hop.offset)
    seconds = {link.hop.id: link.seconds for top in as_trees(hops) for link in _all(top)}
    return {
        "events": [asdict(hop) | {"seconds_after_cause": seconds[hop.id]} for hop in hops],
        "not_in_log": sorted(chain.missing),
        "truncated": chain.truncated,
    }


def _all(link: Link) -> list[Link]:
    found, waiting = [], [link]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].effects
    return found


def _drawn(chain: Chain, which: str) -> RenderableType:
    parts: list[RenderableType] = []
    for top in as_trees(chain.hops.values()):
        tree = Tree(_label(chain, top, which), guide_style="bright_black")
        _grow(tree, chain, top, which)
        parts.append(tree)
    if chain.truncated:
        parts.append(Text("… and more than can be shown; see --json", style="yellow"))
    return Group(*parts)


def _grow(tree: Tree, chain: Chain, link: Link, which: str) -> None:
    for effect in link.effects:
        _grow(tree.add(_label(chain, effect, which)), chain, effect, which)


def _label(chain: Chain, link: Link, which: str) -> Text:
    hop = link.hop
    asked = hop.id.startswith(which)
    text = Text.assemble((hop.type, "bold cyan" if asked else "cyan"), " ", hop.said or hop.subject)
    if link.seconds is None:
        text.append(f"  {hop.logged.astimezone():%Y-%m-%d %H:%M:%S}", "bright_black")
    else:
        text.append(f"  +{milliseconds(link.seconds)}", "green")
    answered = chain.hops.get(hop.conversation or "")
    if answered is not None and answered.type == "vm.create.placed" and hop.type.startswith("vm.create."):
        text.append(f"  of {answered.subject}", "bright_black")
    text.append(f"  {hop.id[:8]}", "bright_black")
    return text
