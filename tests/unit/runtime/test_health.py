"""What an orchestrator asks, and what it is told."""

from __future__ import annotations

import aiohttp
import pytest
from prometheus_client import Counter

from shared.runtime.errors import PermanentError
from shared.runtime.health import Health
from shared.runtime.health_server import serve_health

HANDLED = Counter("patchbay_test_handled_total", "Handled in a test")


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_ready_is_when_every_part_is() -> None:
    health = Health()
    async with serve_health(health, host="127.0.0.1", port=0) as port:
        assert (await get(port, "/healthz"))[0] == 200
        assert await get(port, "/readyz") == (503, '{"ready": false, "reasons": {"process": "starting"}}')
        health.ready()
        assert (await get(port, "/readyz"))[0] == 200
        health.unready("snapshot is held by the brake", part="collector")
        status, text = await get(port, "/readyz")
        assert status == 503
        assert "held by the brake" in text
        health.ready("collector")
        assert (await get(port, "/readyz"))[0] == 200


async def test_metrics_are_served() -> None:
    HANDLED.inc(3)
    async with serve_health(Health(), host="127.0.0.1", port=0) as port:
        status, text = await get(port, "/metrics")
    assert status == 200
    assert "patchbay_test_handled_total 3.0" in text


async def test_a_taken_port_is_told_with_the_remedy() -> None:
    async with serve_health(Health(), host="127.0.0.1", port=0) as port:
        with pytest.raises(PermanentError, match=f"can't listen on 127.0.0.1 port {port}") as caught:
            async with serve_health(Health(), host="127.0.0.1", port=port):
                pass
        assert caught.value.hint is not None
        assert "PATCHBAY_HTTP__PORT" in caught.value.hint
