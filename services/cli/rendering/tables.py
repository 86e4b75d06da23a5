"""Tables as all commands draw them."""

from __future__ import annotations

from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A table with a header line and nothing else drawn; cells are plain text, never markup."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return grid


def cell(value: object) -> Text:
    """A value as a cell: a dash for nothing, local time for times, the text of anything else."""
    if value is None or value in ("", (), []):
        return Text("-", style="bright_black")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, datetime):
        return Text(f"{value.astimezone():%Y-%m-%d %H:%M:%S}")
    if isinstance(value, list | tuple | set | frozenset):
        return Text(", ".join(str(item) for item in value))
    return Text(str(value))


def add(grid: Table, *values: object) -> None:
    """Add a row of plain values."""
    grid.add_row(*(value if isinstance(value, Text) else cell(value) for value in values))


def facts(**values: object) -> Table:
    """One object: names to the left, values to the right; underscores in names become spaces."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in values.items():
        grid.add_row(name.replace("_", " "), value if isinstance(value, Text | Table) else cell(value))
    return grid
