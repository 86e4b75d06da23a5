"""How far VMs are that are being created: bars on a terminal, lines elsewhere; beside the answer, always."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from services.cli.applying import Watch
from services.cli.outcome import aside, say
from shared.events.placement import VmCreatePlaced

if TYPE_CHECKING:
    from services.cli.provisioning import Progress as Told

MOST_BARS = 8
"""VMs that each have a bar to the end; of more only those in work have one, and all together another."""


@contextmanager
def watched(vms: int) -> Iterator[Watch]:
    """Somebody to tell how far each of so many VMs is, for as long as the context lasts."""
    console = aside()
    if not console.is_terminal:
        yield _lines
        return
    # What is done may be cut; how far it is may not, and every bar is in its place.
    words = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    columns = (words, BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
    with Progress(*columns, console=console, expand=True) as bars:
        yield _Bars(bars, vms)


class _Bars:
    """A bar for each VM; and for many of them one for all, that counts those that are done."""

    def __init__(self, bars: Progress, vms: int) -> None:
        self._bars = bars
        self._vms = vms
        self._done = 0
        self._all = bars.add_task(self._count(), total=vms) if vms > MOST_BARS else None

    def __call__(self, answer: VmCreatePlaced) -> Told:
        bar = self._bars.add_task(answer.name, total=100)

        def tell(what: str, percent: int) -> None:
            self._bars.update(bar, description=what, completed=percent)
            if percent >= 100 and self._all is not None:
                self._done += 1
                self._bars.remove_task(bar)
                self._bars.update(self._all, description=self._count(), completed=self._done)

        return tell

    def _count(self) -> str:
        return f"{self._done} of {self._vms} VMs"


def _lines(_: VmCreatePlaced) -> Told:
    last: list[str] = []

    def tell(what: str, percent: int) -> None:
        # The end is told by whoever asked for it, with more to say.
        if last[-1:] != [what] and percent < 100:
            last.append(what)
            say(what)

    return tell
