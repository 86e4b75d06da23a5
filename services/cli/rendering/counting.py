"""How far a command is that works off a list: a bar on a terminal, nothing elsewhere; beside the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.outcome import aside


@contextmanager
def counted_on(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Call what is yielded once for each of `total` things that are done."""
    console = aside()
    if not console.is_terminal or total < 2:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda: bars.advance(bar)
