"""How far a rebuild is: bars on a terminal, a line per step elsewhere; beside the answer, always."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.outcome import aside, say
from shared.bus.port import LogEntry

Rows = Callable[[str, int], None]


class Teller:
    """Says how far it is. `quiet` says nothing; without `lines` there are bars alone."""

    def __init__(self, *, quiet: bool = False, lines: bool = True) -> None:
        self._quiet = quiet
        self._lines = lines and not quiet

    @contextmanager
    def playing(self, end: int | None, what: str = "the log") -> Iterator[Callable[[LogEntry, int], None]]:
        """For playing the log up to offset `end`."""
        total = 0
        with self._bar(f"playing {what}", None if end is None else end + 1) as show:

            def played(entry: LogEntry, entries: int) -> None:
                nonlocal total
                total += entries
                show(entry.offset + 1)

            yield played
        self._line(f"played {what}: {total} entries")

    @contextmanager
    def copying(self, tables: int, what: str = "copying the live state") -> Iterator[Rows]:
        """For work on tables, one after the other."""
        done, total = 0, 0
        with self._bar(what, tables) as show:

            def copied(_: str, rows: int) -> None:
                nonlocal done, total
                done, total = done + 1, total + rows
                show(done)

            yield copied
        self._line(f"{what}: {total} rows in {done} tables")

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """For waiting until so many are done."""
        done = 0
        with self._bar(what, total) as show:

            def counted(number: int) -> None:
                nonlocal done
                done = number
                show(done)

            yield counted
        self._line(f"{what}: {done} of {total}")

    @contextmanager
    def _bar(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        console = aside()
        if self._quiet or not console.is_terminal:
            yield lambda _: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)

    def _line(self, text: str) -> None:
        if self._lines:
            say(text)
