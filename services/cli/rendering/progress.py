"""How far VMs are that are being created: bars on a terminal, lines elsewhere; beside the answer, always."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.applying import Watch
from services.cli.outcome import aside, say
from services.cli.provisioning import Progress as Told
from shared.events.placement import VmCreatePlaced


@contextmanager
def watched() -> Iterator[Watch]:
    """Somebody to tell how far each VM is, for as long as the context lasts."""
    console = aside()
    if not console.is_terminal:
        yield _lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:

        def watch(answer: VmCreatePlaced) -> Told:
            bar = bars.add_task(answer.name, total=100)
            return lambda what, percent: bars.update(bar, description=what, completed=percent)

        yield watch


def _lines(_: VmCreatePlaced) -> Told:
    last: list[str] = []

    def tell(what: str, percent: int) -> None:
        # The end is told by whoever asked for it, with more to say.
        if last[-1:] != [what] and percent < 100:
            last.append(what)
            say(what)

    return tell
