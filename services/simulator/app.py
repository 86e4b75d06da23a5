"""The one place where the world, its servers and its churn meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from services.simulator.certificates import server_context
from services.simulator.churn import Churn, read_script, run_script
from services.simulator.control import ControlServer
from services.simulator.settings import SimulatorSettings
from services.simulator.soap_server import SoapServer
from services.simulator.world.generation import Sizes
from services.simulator.world.world import World, generate

_MAX_REQUEST = 64 * 1024 * 1024
_log = structlog.get_logger(__name__)


class RunningSimulator:
    """A simulator that answers. `world` may be changed from the event loop it runs on."""

    def __init__(self, settings: SimulatorSettings, world: World, host: str, port: int) -> None:
        self.settings = settings
        self.world = world
        self.host = host
        self.port = port
        self._stopped = asyncio.Event()

    @property
    def scheme(self) -> str:
        """ "https" or "http"."""
        return "https" if self.settings.tls or self.settings.self_signed else "http"

    @property
    def url(self) -> str:
        """Where SOAP clients connect, such as http://127.0.0.1:8989/sdk."""
        return f"{self.scheme}://{self._authority}/sdk"

    @property
    def control_url(self) -> str:
        """Where the control API is."""
        return f"{self.scheme}://{self._authority}/control"

    @property
    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def stop(self) -> None:
        """Let `run` or the surrounding context end."""
        self._stopped.set()

    async def stopped(self) -> None:
        """Wait for `stop`."""
        await self._stopped.wait()


@asynccontextmanager
async def simulated_vcenter(
    settings: SimulatorSettings, world: World | None = None
) -> AsyncIterator[RunningSimulator]:
    """A vCenter that answers within the context; port 0 takes a free port. `world` replaces the seed's."""
    if world is None:
        sizes = Sizes(settings.vms, settings.hosts, settings.port_groups, settings.datacenters)
        world = await asyncio.to_thread(generate, settings.seed, settings.vms, settings.hosts, sizes=sizes)
    world.boot_seconds = settings.boot_seconds
    world.log_limit = settings.log_limit
    application = web.Application(client_max_size=_MAX_REQUEST)
    application.add_routes([*SoapServer(world, settings).routes(), *ControlServer(world).routes()])
    # A client that went away must not leave its long poll behind.
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=server_context(settings))
        await site.start()
        host, port = runner.addresses[0][:2]
        running = RunningSimulator(settings, world, host, port)
        _log.info("simulator.ready", name=settings.name, url=running.url, vms=len(world.machines))
        async with _changing(settings, world):
            yield running
    finally:
        world.stop_timers()
        for session in list(world.sessions.values()):
            session.close()
        world.sessions.clear()
        world.wake_all()
        await runner.cleanup()


@asynccontextmanager
async def _changing(settings: SimulatorSettings, world: World) -> AsyncIterator[None]:
    """Churn and script run while the simulator does."""
    tasks = []
    if settings.churn:
        tasks.append(asyncio.create_task(Churn(world, settings.churn, settings.churn_seed).run()))
    if settings.script is not None:
        tasks.append(asyncio.create_task(run_script(world, read_script(settings.script))))
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("simulator.change_failed", error=repr(task.exception()))


async def run(settings: SimulatorSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    async with simulated_vcenter(settings) as running:
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(running.stopped())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
