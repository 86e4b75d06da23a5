"""Alarms of a broker of our own, as it would raise them when memory or disk run short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from tests.servers.rabbitmq import PrivateRabbit

Alarm = Literal["memory", "disk"]
_RAISE = {"memory": ("set_vm_memory_high_watermark", "0.0001"), "disk": ("set_disk_free_limit", "900000GB")}
_CLEAR = {"memory": ("set_vm_memory_high_watermark", "0.6"), "disk": ("set_disk_free_limit", "100MB")}


@asynccontextmanager
async def alarm(broker: PrivateRabbit, kind: Alarm) -> AsyncIterator[None]:
    """While inside, the broker takes nothing from those who publish."""
    await asyncio.to_thread(broker.control, *_RAISE[kind])
    await _until(broker, "false")
    try:
        yield
    finally:
        await asyncio.to_thread(broker.control, *_CLEAR[kind])
        await _until(broker, "true")


async def _until(broker: PrivateRabbit, free: str) -> None:
    # A new limit is compared with the next measurement; the broker is asked until it has made it.
    for _ in range(300):
        if await asyncio.to_thread(broker.evaluate, "rabbit_alarm:get_alarms() =:= [].") == free:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the broker's alarm stays as it is")
