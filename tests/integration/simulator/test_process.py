"""The simulator as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import aiohttp


def _environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")}
    return {**kept, "PATCHBAY_LOG__FORMAT": "json", **settings}


async def test_it_serves_until_it_is_told_to_stop() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.simulator",
        env=_environment(PATCHBAY_SIMULATOR__PORT="0", PATCHBAY_SIMULATOR__VMS="12"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        entry = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert entry["vms"] == 12
        control = entry["url"].replace("/sdk", "/control/world")
        async with aiohttp.ClientSession() as http, http.get(control) as answer:
            assert (await answer.json())["objects"]["VirtualMachine"] == 12
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_wrong_setting_is_named() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.simulator",
        env=_environment(PATCHBAY_SIMULATOR__VMS="many"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode != 0
    assert "PATCHBAY_SIMULATOR__VMS" in said.decode()
