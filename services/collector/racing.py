"""Work that an interruption may end early."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


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
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
