"""vCenter → collector → bus → allocator → NIC records → placement, seen from outside only."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.end_to_end.clients import Client
from tests.end_to_end.conftest import Site
from tests.end_to_end.messages import nic_addresses
from tests.end_to_end.vcenters import Machine

pytestmark = pytest.mark.timeout(300)


async def test_g2_g4_g6_g7_the_main_job(site: Site) -> None:
    """An address becomes a NIC record; a late subnet finds who waited; a VM's end frees; a VM is placed."""
    secret = site.installation.folder / "password"
    secret.write_text(site.vcenter.password + "\n")
    await asyncio.to_thread(_wait_for_services, site)
    async with site.client as client:
        _add_vcenter(site, str(secret))
        await client.ears.wait_for("inventory.snapshot.completed")
        first, second = _on_one_network(await site.vcenter.machines())
        early = await _create_subnet(client, "early", "172.30.0.0/24", first.network)

        await _an_address_becomes_a_nic_record(site, client, first, early)
        await _a_late_subnet_finds_who_waited(site, client, second)
        await _a_destroyed_vm_frees_its_address(site, client, first)
        await _a_vm_is_placed(client, early)
        await _an_impossible_vm_is_refused(client)
        await asyncio.to_thread(_the_command_line_explains, site, second)


def _wait_for_services(site: Site) -> None:
    site.installation.patchbay("status", "--wait", "90s")


def _add_vcenter(site: Site, secret: str) -> None:
    hands = site.vcenter
    flags = ["--user", hands.user, "--password-file", secret]
    site.installation.patchbay("vcenter", "add", "lab", hands.url, *flags)


def _on_one_network(machines: list[Machine]) -> tuple[Machine, Machine]:
    for machine in machines:
        twins = [other for other in machines if other.network == machine.network]
        if len(twins) >= 2:
            return twins[0], twins[1]
    raise AssertionError(f"no two VMs share a network: {machines}")


async def _create_subnet(client: Client, name: str, prefix: str, wire: str) -> dict[str, Any]:
    gateway = prefix.rpartition(".")[0] + ".1"
    reply = await client.ask(
        "command.subnet.create",
        f"subnet/{name}",
        {"name": name, "prefix": prefix, "gateway": gateway, "wire": wire, "by": "end-to-end"},
    )
    assert reply["type"] == "command.replied"
    assert "complaint" not in reply["data"], reply["data"]
    created = await client.ears.wait_for("subnet.created", lambda e: e["data"]["subnet"]["name"] == name)
    return dict(created["data"]["subnet"])


async def _an_address_becomes_a_nic_record(
    site: Site, client: Client, machine: Machine, subnet: dict[str, Any]
) -> None:
    await site.vcenter.set_address(machine, "172.30.0.10")
    event = await client.ears.wait_for("nic.created", lambda e: nic_addresses(e) == {"172.30.0.10"})
    record = event["data"]["nic"]
    assert record["vm_moid"] == machine.moid
    assert record["vm_name"] == machine.name
    assert record["device_key"] == machine.device_key
    assert record["addresses"][0]["subnet"] == subnet["id"]
    assert record["addresses"][0]["source"] == "tools"


async def _a_late_subnet_finds_who_waited(site: Site, client: Client, machine: Machine) -> None:
    await site.vcenter.set_address(machine, "172.31.0.20")
    waiting = await client.ears.wait_for(
        "address.unmatched", lambda e: e["data"]["sighting"]["address"] == "172.31.0.20"
    )
    assert waiting["data"]["verdict"] == "outside_prefix"
    subnet = await _create_subnet(client, "late", "172.31.0.0/24", machine.network)
    event = await client.ears.wait_for("nic.created", lambda e: nic_addresses(e) == {"172.31.0.20"})
    assert event["data"]["nic"]["vm_moid"] == machine.moid
    assert event["data"]["nic"]["addresses"][0]["subnet"] == subnet["id"]
    await client.ears.wait_for("address.matched", lambda e: e["data"]["sighting"]["address"] == "172.31.0.20")


async def _a_destroyed_vm_frees_its_address(site: Site, client: Client, machine: Machine) -> None:
    await site.vcenter.destroy(machine)
    event = await client.ears.wait_for("nic.released", lambda e: e["data"]["nic"]["vm_moid"] == machine.moid)
    assert event["data"]["reason"] == "vm_removed"
    assert nic_addresses(event) == {"172.30.0.10"}


async def _a_vm_is_placed(client: Client, subnet: dict[str, Any]) -> None:
    request = {
        "request_id": f"e2e-{uuid4()}",
        "name": "placed-1",
        "cpus": 1,
        "memory_mb": 64,
        "nics": [{"subnet": subnet["id"]}],
    }
    answer = await client.ask("vm.create.requested", f"request/{request['request_id']}", request)
    assert answer["type"] == "vm.create.placed", answer["data"]
    placed = answer["data"]
    (place,) = placed["nics"][0]["addresses"]
    assert place["subnet"] == subnet["id"]
    # G7: neither the gateway nor the address that has just been released.
    assert place["address"] not in {"172.30.0.0", "172.30.0.1", "172.30.0.10", "172.30.0.255"}
    assert placed["explanation"], "G6: the answer says what was ruled out"
    again = await client.ask("vm.create.requested", f"request/{request['request_id']}", request)
    assert again["data"]["reservation"] == placed["reservation"]
    assert again["data"]["nics"] == placed["nics"]
    heard = await client.ears.wait_for("vm.create.placed")
    assert heard["data"]["reservation"] == placed["reservation"]


async def _an_impossible_vm_is_refused(client: Client) -> None:
    request = {
        "request_id": f"e2e-{uuid4()}",
        "name": "too-big",
        "cpus": 1,
        "memory_mb": 33_000_000,
        "nics": [{}],
    }
    answer = await client.ask("vm.create.requested", f"request/{request['request_id']}", request)
    assert answer["type"] == "vm.create.refused", answer["data"]
    assert answer["data"]["reason"]
    assert any(r["rule"] == "memory" and not r["passed"] for r in answer["data"]["rulings"])


def _the_command_line_explains(site: Site, machine: Machine) -> None:
    why = site.installation.patchbay("vm", "why", machine.moid)
    assert "172.31.0.20" in str(why)
    names = [row["name"] for row in site.installation.patchbay("subnet", "list")]
    assert sorted(names) == ["early", "late"]
    nics = site.installation.patchbay("nic", "list", "--subnet", "late")
    assert [row["vm_name"] for row in nics] == [machine.name]
    site.installation.patchbay("wire", "show", "no-such-wire", code=1)
