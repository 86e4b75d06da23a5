"""Work that is interrupted ends, even if it did not hear the first time."""

from __future__ import annotations

import asyncio

import pytest

from services.collector import racing
from services.collector.racing import Interrupted, unless
from services.collector.vsphere.worker import Worker


async def test_the_result_of_work_that_is_not_interrupted() -> None:
    async def work() -> int:
        return 7

    assert await unless(asyncio.Event().wait(), work()) == 7


async def test_work_that_swallows_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(racing, "AGAIN_SECONDS", 0.01)
    heard = 0

    async def work() -> None:
        nonlocal heard
        while heard < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1

    async def interruption() -> None:
        await asyncio.sleep(0)

    with pytest.raises(Interrupted):
        await asyncio.wait_for(unless(interruption(), work()), 20)
    assert heard == 3


async def test_a_call_that_is_cancelled_as_its_answer_comes_is_cancelled() -> None:
    worker = Worker("test")
    task = asyncio.create_task(worker.run(lambda: "answer", seconds=20))
    await asyncio.sleep(0)  # it waits; the answer is set and the cancellation comes in one turn of the loop
    [waited_for] = [task._fut_waiter]  # type: ignore[attr-defined]
    while not waited_for.done():
        await asyncio.sleep(0)
        if waited_for.done():
            task.cancel()
            break
    with pytest.raises(asyncio.CancelledError):
        await task
    worker.stop()
