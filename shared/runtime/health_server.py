"""Health and metrics over HTTP: is the process alive, may it be given work, how is it doing.

/healthz   200 while the process answers at all
/readyz    200 when ready; 503 with the reasons when not
/metrics   for Prometheus
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from shared.runtime.errors import PermanentError
from shared.runtime.health import Health


@asynccontextmanager
async def serve_health(health: Health, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve while inside; yields the port, a free one for 0. Raises `PermanentError` when it is taken."""
    runner = web.AppRunner(_application(health), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise PermanentError(
                f"can't listen on {host} port {port}: {error.strerror}",
                code="http_address",
                hint="set PATCHBAY_HTTP__PORT to a free one and PATCHBAY_HTTP__HOST to an address of ours",
            ) from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _application(health: Health) -> web.Application:
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def ready(_request: web.Request) -> web.Response:
        reasons = health.reasons
        body = {"ready": not reasons, "reasons": reasons}
        return web.json_response(body, status=503 if reasons else 200)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(REGISTRY), headers={"Content-Type": content_type})

    application = web.Application()
    application.add_routes(
        [web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics)]
    )
    return application
