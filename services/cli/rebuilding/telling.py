"""How far a rebuild is: bars on a terminal, a line per step elsewhere; beside the answer, always."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.outcome import aside, say
from shared.bus.port import LogEntry

Rows = Callable[[str, int], None]
Show = Callable[[int, int | None], None]
"""Is told how much is done, and of how much if that is known."""


class Teller:
    """Says how far it is. `quiet` says nothing; without `lines` there are bars alone."""

    def __init__(self, *, quiet: bool = False, lines: bool = True) -> None:
        self._quiet = quiet
        self._lines = lines and not quiet

    @contextmanager
    def playing(self, end: int | None, what: str = "the log") -> Iterator[Callable[[LogEntry, int], None]]:
        """For playing the log up to offset `end`, from wherever the first entry is."""
        first, total = None, 0
        with self._bar(f"playing {what}", None) as show:

            def played(entry: LogEntry, entries: int) -> None:
                nonlocal first, total
                total += entries
                first = entry.offset + 1 - entries if first is None else first
                show(entry.offset + 1 - first, None if end is None else max(end, entry.offset) + 1 - first)

            yield played
        self._line(f"played {what}: {total} entries")

    @contextmanager
    def copying(self, tables: int, what: str = "copying the live state") -> Iterator[Rows]:
        """For work on tables, one after the other; 0 where it is not known of how many."""
        done, total = 0, 0
        with self._bar(what, tables or None) as show:

            def copied(_: str, rows: int) -> None:
                nonlocal done, total
                done, total = done + 1, total + rows
                show(done, tables or None)

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
                show(done, total)

            yield counted
        self._line(f"{what}: {done} of {total}")

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """For work in one piece."""
        with self._bar(what, None):
            yield
        self._line(what)

    @contextmanager
    def _bar(self, what: str, total: int | None) -> Iterator[Show]:
        console = aside()
        if self._quiet or not console.is_terminal:
            yield lambda *_: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bars:
            task = bars.add_task(what, total=total)
            yield lambda done, of: bars.update(task, completed=done, total=of)

    def _line(self, text: str) -> None:
        if self._lines:
            say(text)
