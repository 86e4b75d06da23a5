"""The life of a process: it runs until told to stop, and its exit code says how it ended."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from shared.runtime.errors import PermanentError, TransientError

OK, FAILED, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 130
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)

Main = Callable[[asyncio.Event], Awaitable[None]]


def run_until_stopped(main: Main) -> None:
    """Run `main` until SIGTERM or SIGINT sets its stop event; a second signal cancels it.

    Leaves with 0 when it ends by itself or when told, 2 on a `PermanentError` (settings, schema, login),
    1 on anything else, 130 when it had to be cancelled. An outside supervisor starts it again on 1.
    """
    code = asyncio.run(until_stopped(main))
    if code != OK:
        sys.exit(code)


async def until_stopped(main: Main) -> int:
    """The same inside a running loop; returns the exit code."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(main(stop))
    with _signals(stop, task):
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise  # not it, we are being cancelled
            log.warning("stopped_at_once")
            return INTERRUPTED
        except Exception as error:  # noqa: BLE001  the edge of the process: whatever it was, it is told once
            return explain(error)
    return OK


def explain(error: BaseException) -> int:
    """Tell the people at the process's log why it ends; returns the exit code."""
    causes = list(_leaves(error))
    for cause in causes:
        if isinstance(cause, PermanentError):
            log.error("stopped", reason=str(cause), code=cause.code, hint=cause.hint)
        elif isinstance(cause, TransientError):
            log.error("stopped", reason=str(cause), hint="it may work when started again")
        else:
            log.error("stopped_by_defect", exc_info=cause)
    return MISCONFIGURED if all(isinstance(cause, PermanentError) for cause in causes) else FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


@contextmanager
def _signals(stop: asyncio.Event, task: asyncio.Future[None]) -> Iterator[None]:
    """The first signal asks, the second one insists."""

    def on_signal(which: signal.Signals) -> None:
        if stop.is_set():
            task.cancel()
        else:
            log.info("stopping", signal=which.name)
            stop.set()

    loop = asyncio.get_running_loop()
    for which in STOP_SIGNALS:
        loop.add_signal_handler(which, on_signal, which)
    try:
        yield
    finally:
        for which in STOP_SIGNALS:
            loop.remove_signal_handler(which)
