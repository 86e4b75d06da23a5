"""`patchbay config`: every setting, its value and where it comes from. Secrets are not shown (G9)."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from services.cli.instance import ended_well
from services.cli.outcome import Json, present
from services.cli.rendering.tables import add, table
from services.cli.settings import load
from shared.runtime.settings import Setting, describe


def config(
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not at its default.")] = False,
    as_json: Json = False,
) -> None:
    """Show all settings with their values and where each comes from; secrets stay hidden."""
    with ended_well(as_json=as_json):
        found = describe(load())
    rows = [row for row in found if not changed or row.origin != "default"]
    present(rows, lambda: _render(rows), as_json=as_json)


def _render(rows: list[Setting]) -> RenderableType:
    grid = table("setting", "value", "from")
    for row in rows:
        add(grid, row.name, row.value, row.origin)
    return grid
