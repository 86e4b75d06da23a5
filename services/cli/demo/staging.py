"""Putting the stage up and taking it down: simulated vCenter, database, bus and services in one process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.cli.credentials import keep_password
from services.cli.demo.stage import VCENTER, Stage
from services.cli.demo.steps import Report
from services.cli.demo.witness import Witness
from services.cli.instance import postgres_runs
from services.cli.outcome import Misused
from services.cli.serving import SERVICES
from services.cli.settings import Settings
from services.collector import registry
from services.collector.registry import NewVcenter
from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from shared.events.topology import TOPOLOGY
from shared.runtime.environment import Platform, open_platform
from shared.store.embedded import ensure_postgres

PORT_GROUPS = 7
BOOT_SECONDS = 1.0


def begin_anew(folder: Path) -> None:
    """Throw away what the last demo left, also one that was killed. Blocks."""
    if postgres_runs(folder):
        with ensure_postgres(folder):
            pass  # entering adopts the server that was left behind, leaving stops it
    if postgres_runs(folder):
        raise Misused(
            "another command still uses the last demo's database",
            hint="End it (an 'events tail' in another terminal?) and start the demo again.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def settings_for(settings: Settings, folder: Path) -> Settings:
    """The demo's settings: everything embedded in its own folder, whatever else is configured."""
    return settings.model_copy(update={"data_dir": folder, "database_url": None, "amqp_url": None})


@asynccontextmanager
async def staged(settings: Settings, report: Report, *, vms: int, seed: int) -> AsyncIterator[Stage]:
    """A stage on which everything runs and the vCenter has just been registered."""
    simulated = SimulatorSettings(
        name=VCENTER, port=0, vms=vms, seed=seed, port_groups=PORT_GROUPS, boot_seconds=BOOT_SECONDS
    )
    witness = Witness()
    async with (
        simulated_vcenter(simulated) as simulator,
        open_platform(settings, name="demo") as platform,
        _running(settings, platform, witness),
    ):
        await registry.add(
            platform.pool,
            NewVcenter(
                name=VCENTER,
                url=simulator.url,
                user_ref=f"text:{simulated.user}",
                password_ref=keep_password(
                    settings.data_dir / "secrets", VCENTER, simulated.password.get_secret_value()
                ),
            ),
        )
        yield Stage(platform, simulator, witness, report)


@asynccontextmanager
async def _running(settings: Settings, platform: Platform, witness: Witness) -> AsyncIterator[None]:
    """The services and the witness, until the block ends; a service that fails ends the block."""
    stop, ready = asyncio.Event(), asyncio.Event()
    await platform.bus.declare(TOPOLOGY)
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(witness.listen(platform.bus, ready))
        await ready.wait()
        for run in SERVICES.values():
            tasks.create_task(run(settings, platform, stop))
        try:
            yield
        finally:
            stop.set()
            listening.cancel()
