"""Which installation a command talks to: the configured one, one that runs here, or a demo that runs here."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import typer

from services.cli.outcome import Ended, Misused, Refused, end, say
from services.cli.settings import Settings, load
from shared.bus.port import NoReply
from shared.runtime.environment import Platform, open_platform
from shared.runtime.errors import PatchbayError, PermanentError
from shared.runtime.logging import configure_logging
from shared.runtime.settings import describe

Answer = TypeVar("Answer")
DEMO = "demo"
PATIENCE = timedelta(seconds=10)
"""For servers that do not answer: a person waits."""


def demo_folder(data_dir: Path) -> Path:
    """Where a demo keeps its data, below the installation's own folder."""
    return data_dir / DEMO


@contextmanager
def demo_claimed(data_dir: Path) -> Iterator[Path]:
    """Claim the demo's folder for this process; others see by the lock that a demo runs.

    Raises `Misused` when a demo runs already. The claim ends with the process, however it ends.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / "demo.lock").open("a+")
    except OSError as error:
        raise Misused(
            f"cannot write to the data folder {data_dir}: {error.strerror}",
            hint="Choose another: PATCHBAY_DATA_DIR=/some/folder patchbay demo",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misused(
                "a demo runs already",
                hint="Use it from here, for example: patchbay vm list. Or end it with Ctrl-C where it runs.",
            ) from None
        yield demo_folder(data_dir)


def demo_runs(data_dir: Path) -> bool:
    """Does a demo of this data folder run?"""
    try:
        file = (data_dir / "demo.lock").open()
    except OSError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def postgres_runs(data_dir: Path) -> bool:
    """Does the embedded PostgreSQL of this data folder run?"""
    with suppress(OSError, ValueError, IndexError):
        pid = int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 0)
        return True
    return False


def chosen(settings: Settings) -> Settings:
    """The settings of the installation to talk to: those given, or those of a demo that runs.

    A demo is taken only where nothing else is configured or running, and then that is said.
    """
    given = {row.name for row in describe(settings) if row.origin != "default"}
    if (
        given & {"PATCHBAY_DATABASE_URL", "PATCHBAY_DATA_DIR"}
        or postgres_runs(settings.data_dir)
        or not demo_runs(settings.data_dir)
    ):
        return settings
    folder = demo_folder(settings.data_dir)
    say(f"nothing is configured, a demo is running: talking to it (PATCHBAY_DATA_DIR={folder})")
    return settings.model_copy(update={"data_dir": folder})


def with_platform(work: Callable[[Platform], Awaitable[Answer]], *, as_json: bool = False) -> Answer:
    """Run `work` on the installation's database and bus. Ends the program with a message where that fails."""

    async def run() -> Answer:
        settings = chosen(load())
        # A command's answer is what it prints; of the machinery's log only what went wrong is of interest.
        configure_logging(settings.log.model_copy(update={"level": "error"}), service="cli")
        async with open_platform(settings, name="cli", patience=PATIENCE) as platform:
            return await work(platform)

    with ended_well(as_json=as_json):
        return asyncio.run(run())


@contextmanager
def ended_well(*, as_json: bool = False) -> Iterator[None]:
    """Turn every foreseen error into its message, next step and exit code."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise end(_ended(_first(group)), as_json=as_json) from None
    except (Ended, PatchbayError) as error:
        raise end(_ended(error), as_json=as_json) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, Ended | PatchbayError):
        raise error
    return error


def _ended(error: BaseException) -> Ended:
    if isinstance(error, Ended):
        return error
    if isinstance(error, NoReply):
        return Misused(str(error), hint="See which services run with: patchbay status")
    if isinstance(error, PermanentError):
        data = {"error": {"code": error.code, "message": str(error)}}
        kind = Refused if error.code.endswith(("_unknown", "_ambiguous", "_is_uplink")) else Misused
        return kind(str(error), hint=error.hint, data=data)
    return Misused(str(error))
