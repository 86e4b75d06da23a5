"""A policy file is taken over while placement runs; a broken one changes nothing and says so."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.placement.app import run
from services.placement.handlers import Handlers
from services.placement.settings import PlacementSettings, Settings
from shared.events.placement import VmCreatePlaced, VmCreateRefused, Where
from shared.runtime.environment import open_platform
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool
from tests.integration.placement.conftest import Placement, request
from tests.integration.placement.inventory import Inventory
from tests.integration.placement.test_service import ask

pytestmark = pytest.mark.postgres

BIG = 60 * 1024


@pytest.fixture
async def file(tmp_path: Path, inventory: Inventory) -> Path:
    """A policy file that allows twice the memory, and a subnet on both hosts."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    path = tmp_path / "policy.yaml"
    write(path, "overcommit: {memory: 2.0}")
    return path


def write(path: Path, text: str | None) -> None:
    """A new file in the old one's place, as editors and config maps do it; or none any more."""
    if text is None:
        path.unlink()
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


async def look(handlers: Handlers) -> tuple[int, list[MutableMapping[str, Any]]]:
    """Two looks, as many as it takes; what they took over and what was logged."""
    with capture_logs() as logs:
        taken = [await handlers.renew_policy() for _ in range(2)]
    return sum(taken), [entry for entry in logs if entry["event"].startswith("policy.")]


async def test_a_changed_file_decides_the_next_request(pool: Pool, file: Path) -> None:
    placement = Placement(pool, PlacementSettings(policy_file=file, view_seconds=60))
    answers = await placement.ask(*[request(memory_mb=BIG) for _ in range(4)])
    assert [type(answer) for answer in answers] == [VmCreatePlaced] * 4
    write(file, "overcommit: {memory: 3.0}\nlabels: {hosts: {esx-2: {disk: nvme}}}")
    taken, logs = await look(placement.handlers)
    assert (taken, logs[0]["event"], logs[0]["memory_overcommit"]) == (1, "policy.taken", "2.0 -> 3.0")
    where = Where(required_labels={"disk": "nvme"})
    answer = await placement.place(request(memory_mb=BIG, where=where))
    assert answer.host == "host-2"
    assert (await placement.refuse(request(memory_mb=BIG, where=where))).reason
    assert await look(placement.handlers) == (0, [])


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("overcommit: {memory: -1}", "overcommit.memory"),
        ("overcomit: {memory: 4}", "overcomit"),
        ("overcommit: {memory", "not YAML"),
        (None, "No such file"),
    ],
)
async def test_a_broken_file_keeps_the_policy_and_says_so(
    pool: Pool, file: Path, text: str | None, mistake: str
) -> None:
    placement = Placement(pool, PlacementSettings(policy_file=file))
    write(file, text)
    taken, logs = await look(placement.handlers)
    assert (taken, [entry["event"] for entry in logs]) == (0, ["policy.refused"])
    assert mistake in logs[0]["detail"]
    assert logs[0]["log_level"] == "error"
    assert REGISTRY.get_sample_value("patchbay_placement_policy_refused") == 1
    # Said once, not with every look.
    assert await look(placement.handlers) == (0, [])
    answers = await placement.ask(*[request(memory_mb=BIG) for _ in range(5)])
    assert [type(answer) for answer in answers] == [VmCreatePlaced] * 4 + [VmCreateRefused]
    write(file, "overcommit: {memory: 3.0}")
    assert (await look(placement.handlers))[0] == 1
    assert REGISTRY.get_sample_value("patchbay_placement_policy_refused") == 0
    await placement.place(request(memory_mb=BIG))


async def test_a_file_that_is_being_written_is_left_alone(pool: Pool, file: Path) -> None:
    handlers = Placement(pool, PlacementSettings(policy_file=file)).handlers
    write(file, "overcommit: {cpu: 1.0}")
    assert await handlers.renew_policy() == 0
    write(file, "overcommit: {cpu: 1.0, memory: 3.0}")
    assert await handlers.renew_policy() == 0
    assert await handlers.renew_policy() == 1


async def test_without_a_file_nothing_is_looked_for(pool: Pool) -> None:
    assert await look(Placement(pool).handlers) == (0, [])


def test_a_broken_file_at_the_start_ends_it(file: Path) -> None:
    write(file, "weights: heavy")
    with pytest.raises(PermanentError, match="weights"):
        PlacementSettings(policy_file=file).policy()


async def test_a_running_service_goes_by_the_new_file(database: str, file: Path) -> None:
    """Asked again and again, a request is refused by the old policy until it is placed by the new one."""
    own = PlacementSettings(policy_file=file, policy_interval_seconds=0.05)
    settings = Settings(database_url=database, placement=own)
    asked = [request(memory_mb=BIG) for _ in range(5)]
    async with open_platform(settings, name="policy-test") as platform, asyncio.timeout(60):
        stop = asyncio.Event()
        service = asyncio.create_task(run(settings, platform, stop))
        await platform.pool.execute("UPDATE inventory.vcenter SET current_to = now() + interval '1 hour'")
        answers = [await ask(platform, one) for one in asked]
        assert [type(answer) for answer in answers] == [VmCreatePlaced] * 4 + [VmCreateRefused]
        write(file, "overcommit: {memory: 3.0}")
        while not isinstance(await ask(platform, request(memory_mb=BIG)), VmCreatePlaced):
            pass
        stop.set()
        await service
