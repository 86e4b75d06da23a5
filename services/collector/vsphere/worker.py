"""A thread of its own for one vCenter: pyVmomi blocks, and one that hangs must not delay the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs blocking calls in turn in one daemon thread: an interpreter that ends does not wait for it."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T], *, seconds: float) -> T:
        """The result of `call`. Raises what it raises; TimeoutError after `seconds`, while it may run on."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001  carried over to whoever awaits
                _tell(loop, _fail, answer, error)
            else:
                _tell(loop, _succeed, answer, result)

        self._calls.put(job)
        # Not wait_for: it swallows a cancellation that comes together with the answer.
        async with asyncio.timeout(seconds):
            return await answer

    def stop(self) -> None:
        """Let the thread end after the call it is in."""
        self._calls.put(None)

    def _work(self) -> None:
        while (job := self._calls.get()) is not None:
            job()


def _tell(loop: asyncio.AbstractEventLoop, settle: Callable[..., None], *values: object) -> None:
    try:
        loop.call_soon_threadsafe(settle, *values)
    except RuntimeError:
        return  # the loop has closed; nobody listens any more


def _succeed(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[T], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
