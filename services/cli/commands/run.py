"""`patchbay run`: services in one process, over one database and one bus."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.instance import ended_well
from services.cli.names import nearest
from services.cli.settings import load
from shared.runtime.logging import configure_logging
from shared.runtime.running import run_until_stopped

NEEDED = ("collector", "allocator", "placement")
SIMULATOR = "simulator"
ALL = "all"


def run(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[collector|allocator|placement|simulator|all]...", show_default=False),
    ] = None,
) -> None:
    """Run services until Ctrl-C; all of them when none is named. The simulator only runs when it is named."""
    wanted = _checked(services or [ALL])
    from services.cli.serving import serve  # noqa: PLC0415  every service's imports; other commands need none

    with ended_well():
        settings = load()
    configure_logging(settings.log, service=wanted[0] if len(wanted) == 1 else "patchbay")
    run_until_stopped(lambda stop: serve(settings, wanted, stop))


def _checked(named: list[str]) -> list[str]:
    known = (*NEEDED, SIMULATOR, ALL)
    for name in named:
        if name not in known:
            close = nearest(name, known, limit=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise typer.BadParameter(f"no service {name!r}{meant} There are {', '.join(known)}.")
    wanted = [*NEEDED] if ALL in named else []
    return list(dict.fromkeys([*wanted, *(name for name in named if name != ALL)]))
