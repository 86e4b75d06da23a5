"""Work that a person may end with Ctrl-C, and a service manager with SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from services.cli.outcome import leave_pipe_quietly

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Do `work`; an interruption ends it as done, a reader that has gone ends it quietly."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await task
    except BrokenPipeError:
        leave_pipe_quietly()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@contextmanager
def pausing() -> Iterator[asyncio.Event]:
    """An event that the first interruption sets, for work that ends at its next good place.

    A second interruption ends the work where it is.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupted() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupted)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
