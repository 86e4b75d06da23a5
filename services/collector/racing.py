"""Work that an interruption may end early."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
AGAIN_SECONDS = 5.0
"""For cleaning up after a cancellation, before the next one."""


class Interrupted(Exception):
    """The interruption came first; the work was cancelled and has cleaned up."""


async def unless(interruption: Coroutine[Any, Any, object], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises what it raises, and `Interrupted` when `interruption` ends first."""
    tasks = (asyncio.create_task(interruption), asyncio.create_task(work))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[1].done():
            return tasks[1].result()
        raise Interrupted
    finally:
        await _end(tasks)


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, until they have ended: up to Python 3.11 `asyncio.wait_for` may swallow a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # whoever needs it has it; the others are not to be reported as forgotten
