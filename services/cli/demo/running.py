"""The demo's two ways: to be looked at, and to be checked."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.text import Text

from services.cli.demo.picture import Picture
from services.cli.demo.reading import Reading
from services.cli.demo.screen import draw
from services.cli.demo.staging import begin_anew, settings_for, staged
from services.cli.demo.steps import Report, Step
from services.cli.demo.story import go_on, tell
from services.cli.demo.summary import steps, summarise
from services.cli.demo.watch import Watch
from services.cli.instance import demo_claimed, demo_folder
from services.cli.outcome import people, print_json, say
from services.cli.settings import Settings
from shared.runtime.logging import configure_logging
from shared.runtime.settings import default_data_dir

CHECK_SECONDS = 55.0
"""A check that takes longer has failed; it says so instead of hanging."""
PAUSE_SECONDS = 1.5


def check_demo(settings: Settings, *, vms: int, seed: int) -> int:
    """Tell the story in a folder of its own, print the summary; 0 when every step truly happened."""
    folder = Path(tempfile.mkdtemp(prefix="patchbay-demo-"))
    report = Report(on_change=_say_step)
    try:
        with _logged_to(settings, folder / "demo.log"):
            found = asyncio.run(
                _until_signalled(_check(settings_for(settings, folder), report, vms=vms, seed=seed))
            )
            summary = found or {"ok": False, "steps": steps(report)}
        print_json(summary)
        if not summary["ok"]:
            _say_log(folder / "demo.log")
        return 0 if summary["ok"] else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _check(settings: Settings, report: Report, *, vms: int, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    async with staged(settings, report, vms=vms, seed=seed) as stage:
        reading = Reading(stage.platform.pool)
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS - (time.monotonic() - began)):
                await tell(stage, reading)
        return await summarise(stage, reading, time.monotonic() - began)


def show_demo(settings: Settings, *, vms: int, seed: int) -> int:
    """Tell the story on a live screen, then go on until Ctrl-C; in lines where there is no terminal."""
    with demo_claimed(settings.data_dir) as folder:
        begin_anew(folder)
        report = Report()
        with _logged_to(settings, folder / "demo.log"):
            asyncio.run(_until_signalled(_show(settings_for(settings, folder), report, vms=vms, seed=seed)))
        _say_end(report, folder)
        return 1 if report.failed else 0


async def _show(settings: Settings, report: Report, *, vms: int, seed: int) -> None:
    with _screen(settings.data_dir, report) as redraw:
        async with staged(settings, report, vms=vms, seed=seed) as stage:
            stage.pause = PAUSE_SECONDS
            reading = Reading(stage.platform.pool)
            watch = Watch(stage, reading, redraw)
            stage.witness.listeners.append(watch.on_event)
            report.on_change = watch.on_step
            following = asyncio.create_task(watch.follow())
            try:
                await tell(stage, reading)
                await go_on(stage, reading)
            finally:
                following.cancel()


@contextmanager
def _screen(folder: Path, report: Report) -> Iterator[Callable[[Picture], None]]:
    """How to show a picture: on the whole terminal, or not at all with the steps as lines instead."""
    console = people()
    if not console.is_terminal:
        report.on_change = _say_step
        yield lambda _: None
        return
    # Where the data folder is not the usual one, another terminal has to be told.
    where = "" if folder == demo_folder(default_data_dir()) else f"PATCHBAY_DATA_DIR={folder} "
    hint = f"Ctrl-C ends it · in another terminal: {where}patchbay vm list"
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def redraw(picture: Picture) -> None:
            picture.hint = hint
            live.update(draw(picture, console.width, console.height), refresh=True)

        redraw(Picture())
        yield redraw


async def _until_signalled(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`; None when SIGINT or SIGTERM ended it. A second signal does not wait."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


@contextmanager
def _logged_to(settings: Settings, path: Path) -> Iterator[None]:
    """Send the log to a file: the terminal belongs to the screen, standard output to the summary."""
    with path.open("a", buffering=1) as file:
        configure_logging(settings.log, service="demo", stream=file)
        yield


def _say_step(step: Step) -> None:
    if step.seconds:
        say(f"{'✓' if step.ok else '✗'} {step.name} ({step.seconds:.1f} s): {step.found}")
        if not step.ok:
            say(f"  expected: {step.expected}")


def _say_log(path: Path) -> None:
    with suppress(OSError):
        lines = path.read_text(errors="replace").splitlines()
        say("\n".join(["the end of the log:", *lines[-20:]]))


def _say_end(report: Report, folder: Path) -> None:
    console = people()
    for step in report.steps:
        mark = Text("✓ ", style="green") if step.ok else Text("✗ ", style="red")
        console.print(mark.append(step.name, style="bold").append(f": {step.found}", style="not bold"))
    console.print(Text(f"The demo has ended. Its log and data are in {folder} until the next one."))
