"""The two worlds that the scenario runs in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from shared.runtime.environment import open_platform
from shared.runtime.settings import CoreSettings
from tests.end_to_end.clients import Client, amqp_client, embedded_client
from tests.end_to_end.installations import Installation
from tests.end_to_end.vcenters import SimulatorHands, VcenterHands, VcsimHands
from tests.servers.processes import private_folder

SERVICES = ("collector", "allocator", "placement")


@dataclass
class Site:
    """An installation that runs, a vCenter it does not know yet, and how to get onto its bus."""

    installation: Installation
    vcenter: VcenterHands
    client: AbstractAsyncContextManager[Client]


@pytest.fixture(
    params=[
        pytest.param(
            "servers",
            marks=[pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.vcsim, pytest.mark.slow],
        ),
        pytest.param("embedded", marks=pytest.mark.slow),
    ]
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """`servers`: RabbitMQ, PostgreSQL and vcsim. `embedded`: nothing but what Patchbay brings along."""
    name = "site_on_servers" if request.param == "servers" else "site_embedded"
    found: Site = request.getfixturevalue(name)
    found.installation.start(*SERVICES)
    yield found
    logs = found.installation.logs()
    found.installation.stop()
    print(logs)  # noqa: T201  pytest shows it with a failure


@pytest.fixture
def site_on_servers(database: str, rabbitmq_url: str, vcsim_url: str) -> Site:
    """The platform on the servers that production uses, and a vCenter that others wrote."""
    parts = urlsplit(vcsim_url)
    hands = VcsimHands(
        f"{parts.scheme}://{parts.hostname}:{parts.port}/sdk", parts.username or "", parts.password or ""
    )
    folder = private_folder("e2e")
    settings = {
        "PATCHBAY_DATABASE_URL": database,
        "PATCHBAY_AMQP_URL": rabbitmq_url,
        "PATCHBAY_DATA_DIR": str(folder),
    }
    return Site(Installation(folder, settings), hands, amqp_client(rabbitmq_url))


@pytest.fixture
async def site_embedded() -> AsyncIterator[Site]:
    """The platform on its own, and our simulator."""
    folder = private_folder("e2e")
    async with simulated_vcenter(SimulatorSettings(port=0, vms=30, seed=5)) as simulator:
        hands = SimulatorHands(simulator.url, "administrator@vsphere.local", "vmware")
        settings = {"PATCHBAY_DATA_DIR": str(folder)}
        yield Site(Installation(folder, settings), hands, _embedded_client(settings))


@asynccontextmanager
async def _embedded_client(settings: dict[str, str]) -> AsyncIterator[Client]:
    core = CoreSettings(data_dir=settings["PATCHBAY_DATA_DIR"])
    async with (
        open_platform(core, name="end-to-end") as platform,
        embedded_client(platform.database_url) as client,
    ):
        yield client
