"""G2: a program that knows the documents alone has the same NIC records as Patchbay itself."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import SERVICES, Site
from tests.end_to_end.messages import nic_addresses
from tests.servers.processes import Server, private_folder, tail

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.rabbitmq,
    pytest.mark.vcsim,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

PROGRAM = Path(__file__).parents[2] / "docs" / "how-to" / "consumers" / "nics.py"
Record = tuple[str, str, str, str]


@pytest.fixture
def table(rabbitmq_url: str) -> Iterator[Path]:
    """The table that the program keeps, from before Patchbay first runs."""
    folder = private_folder("stranger")
    program = Server([sys.executable, "-I", PROGRAM, rabbitmq_url, folder / "nics.json"], log=folder / "log")
    program.start()
    yield folder / "nics.json"
    program.stop()
    print(tail(folder / "log"))  # noqa: T201  pytest shows it with a failure


async def test_g2_a_strangers_table_is_ours(site_on_servers: Site, table: Path) -> None:
    site = site_on_servers
    site.installation.start(*SERVICES)
    try:
        await asyncio.to_thread(site.installation.patchbay, "status", "--wait", "90s")
        async with site.client as client:
            secret = site.installation.folder / "password"
            secret.write_text(site.vcenter.password + "\n")
            login = ["--user", site.vcenter.user, "--password-file", str(secret)]
            site.installation.patchbay("vcenter", "add", "lab", site.vcenter.url, *login)
            await client.ears.wait_for("inventory.snapshot.completed")
            machines = (await site.vcenter.machines())[:4]
            for number, wire in enumerate(sorted({machine.network for machine in machines})):
                subnet = ["subnet", "create", f"s{number}", f"172.30.{number}.0/24", "--wire", wire]
                site.installation.patchbay(*subnet)
            wires = sorted({machine.network for machine in machines})
            for number, machine in enumerate(machines):
                address = f"172.30.{wires.index(machine.network)}.{number + 10}"
                await site.vcenter.set_address(machine, address)
                await client.ears.wait_for("nic.created", partial(_has, address))
            await site.vcenter.destroy(machines[0])
            await client.ears.wait_for("nic.released")
            await client.ears.wait_for("vcenter.heartbeat")
            listed = site.installation.patchbay("nic", "list")
            ours = {(row["id"], row["address"], row["vm_name"], row["wire"]) for row in listed}
            assert len(ours) == len(machines) - 1
            await _reaches(table, ours)
    finally:
        site.installation.stop()


def _has(address: str, event: dict[str, Any]) -> bool:
    return nic_addresses(event) == {address}


def _read(table: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(table.read_text()) if table.exists() else {"nics": {}}
    return found


async def _reaches(table: Path, ours: set[Record]) -> None:
    for _ in range(200):
        state = _read(table)
        theirs = {
            (nic["id"], address["address"], nic["vm_name"], nic["wire"])
            for nic in state["nics"].values()
            for address in nic["addresses"]
        }
        fresh = [one["current_to"] for one in state.get("vcenters", {}).values() if not one["lost"]]
        if theirs == ours and fresh and all(fresh):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{theirs} is not {ours}; {state.get('vcenters')}")
