"""Tables as all commands draw them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import measure_renderables
from rich.table import Table
from rich.text import Text

from services.cli.rendering.fitting import Need, fitting

_GAP = 3
"""Characters between two columns; one less where there is no room."""
_DRAWN: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "show_edge": False, "header_style": "bold"}


class Listing(Table):
    """A table that folds between words: an address or a name stays whole as long as there is any room."""

    def __init__(self, spare: tuple[str, ...] = ()) -> None:
        super().__init__(**_DRAWN)
        self._spare = spare

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table as wide as `options` allow; below it the columns that had to be left out."""
        needs = [self._need(console, options, index) for index in range(len(self.columns))]
        if sum(need.widest_line + _GAP for need in needs) - _GAP <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        names = [str(column.header) for column in self.columns]
        spare = [names.index(name) for name in self._spare]
        widths = fitting(needs, options.max_width, spare, gap=_GAP - 1)
        yield from self._narrow(widths).__rich_console__(console, options)
        if left_out := [name for index, name in enumerate(names) if index not in widths]:
            yield Text(f"no room for {', '.join(left_out)}", style="bright_black")

    def _need(self, console: Console, options: ConsoleOptions, index: int) -> Need:
        column = self.columns[index]
        unbound = options.update_width(10_000)
        header = Text(str(column.header)).__rich_measure__(console, unbound)
        cells = measure_renderables(console, unbound, list(column.cells)) if self.row_count else header
        word = max(header.minimum, cells.minimum)
        return Need(word, max(header.minimum, cells.maximum), max(header.maximum, cells.maximum))

    def _narrow(self, widths: dict[int, int]) -> Table:
        narrow = Table(**_DRAWN, padding=(0, 1, 0, 0))
        narrow.rows = self.rows
        narrow.columns = [
            replace(self.columns[index], width=width, _index=place)
            for place, (index, width) in enumerate(sorted(widths.items()))
        ]
        return narrow


def table(*columns: str, right: tuple[str, ...] = (), spare: tuple[str, ...] = ()) -> Table:
    """A table with a header line and nothing else drawn; cells are plain text, never markup.

    Where the terminal is too narrow the `spare` columns are left out, the first of them first.
    """
    grid = Listing(spare)
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
