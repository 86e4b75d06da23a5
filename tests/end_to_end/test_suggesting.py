"""From a vCenter that nobody knows to most NIC records, in two commands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from services.simulator.app import simulated_vcenter
from services.simulator.settings import SimulatorSettings
from tests.end_to_end.installations import Installation
from tests.end_to_end.vcenters import SimulatorHands
from tests.servers.processes import private_folder

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture
async def installation() -> AsyncIterator[tuple[Installation, SimulatorHands]]:
    """Patchbay on its own, with a vCenter of 60 VMs beside it and not one subnet."""
    folder = private_folder("e2e")
    made = Installation(folder, {"PATCHBAY_DATA_DIR": str(folder)})
    async with simulated_vcenter(SimulatorSettings(port=0, vms=60, seed=7)) as simulator:
        made.start("collector", "allocator")
        try:
            yield made, SimulatorHands(simulator.url, "administrator@vsphere.local", "vmware")
        finally:
            print(made.logs())  # noqa: T201  pytest shows it with a failure
            made.stop()


def _all_read(installation: Installation) -> None:
    """Wait until the first snapshot is in: the command line says so."""
    for _ in range(120):
        rows = installation.patchbay("vcenter", "list")
        if rows[0]["state"] == "watching" and len(installation.patchbay("vm", "list")) >= 60:
            return
        time.sleep(0.5)
    raise AssertionError(f"the vCenter was not read: {rows}")


async def test_suggest_and_apply_lead_to_most_nic_records(
    installation: tuple[Installation, SimulatorHands],
) -> None:
    made, hands = installation
    await asyncio.to_thread(_from_nothing, made, hands)


def _from_nothing(made: Installation, hands: SimulatorHands) -> None:
    secret = made.folder / "password"
    secret.write_text(hands.password + "\n")
    made.patchbay("vcenter", "add", "lab", hands.url, "--user", hands.user, "--password-file", str(secret))
    _all_read(made)
    assert made.patchbay("nic", "list") == []

    proposed = made.patchbay("subnet", "suggest")
    planned = made.patchbay("subnet", "suggest", "--apply", "--all", "--dry-run")
    assert planned == proposed
    assert made.patchbay("subnet", "list") == []

    applied = made.patchbay("subnet", "suggest", "--apply", "--all")
    assert [item["error"] for item in applied] == [None] * len(proposed)
    names = sorted(s["name"] for s in proposed)
    assert sorted(row["name"] for row in made.patchbay("subnet", "list")) == names

    vms = [vm for vm in made.patchbay("vm", "list") if vm["addresses"] or vm["unmatched"]]
    recorded = [vm for vm in vms if vm["addresses"]]
    assert len(vms) >= 20
    assert len(recorded) >= 0.9 * len(vms), [vm for vm in vms if not vm["addresses"]]
    assert made.patchbay("subnet", "suggest") == []
