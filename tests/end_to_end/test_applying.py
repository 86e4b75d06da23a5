"""Request → answer → the VM created through the vSphere API → seen → confirmed → its NIC record verified."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.end_to_end.clients import Client
from tests.end_to_end.conftest import Site
from tests.end_to_end.messages import nic_addresses

pytestmark = pytest.mark.timeout(300)


async def test_g2_g6_g7_a_vm_is_created_as_answered(site: Site) -> None:
    """On RabbitMQ, PostgreSQL and vcsim, and embedded with our simulator; all of it by the command line."""
    secret = site.installation.folder / "password"
    secret.write_text(site.vcenter.password + "\n")
    await asyncio.to_thread(site.installation.patchbay, "status", "--wait", "90s")
    async with site.client as client:
        await asyncio.to_thread(_watch, site, str(secret))
        await client.ears.wait_for("inventory.snapshot.completed")
        network = (await site.vcenter.machines())[0].network
        await asyncio.to_thread(_create_subnet, site, network)
        vm = await asyncio.to_thread(_apply, site, "shop-1")
        await _becomes_a_verified_record(client, vm)
        kept = await asyncio.to_thread(site.installation.patchbay, "placement", "show", "shop-1")
        assert (kept["reservation"]["state"], kept["reservation"]["verdict"]) == ("confirmed", "verified")

        await asyncio.to_thread(_fails_and_leaves_nothing, site)
        cancelled = await client.ears.wait_for("vm.create.cancelled")
        assert "datastore" in cancelled["data"]["note"]


def _watch(site: Site, secret: str) -> None:
    flags = ["--user", site.vcenter.user, "--password-file", secret]
    site.installation.patchbay("vcenter", "add", "lab", site.vcenter.url, *flags)


def _create_subnet(site: Site, network: str) -> None:
    flags = ["--wire", network, "--gateway", "172.29.0.1", "--dns", "172.29.0.53", "--domain", "shop.test"]
    site.installation.patchbay("subnet", "create", "shop", "172.29.0.0/24", *flags)


def _apply(site: Site, name: str) -> dict[str, Any]:
    words = ["place", name, "--memory", "64M", "--nic", "shop", "--apply"]
    made: dict[str, Any] = site.installation.patchbay(*words)
    assert made["created"]
    return made


async def _becomes_a_verified_record(client: Client, vm: dict[str, Any]) -> None:
    (address,) = vm["nics"][0]["addresses"]

    def about(event: dict[str, Any]) -> bool:
        return bool(event["data"]["reservation"] == vm["reservation"])

    confirmed = await client.ears.wait_for("vm.create.confirmed", about)
    assert confirmed["data"]["vm_moid"] == vm["created"]
    assert confirmed["data"]["recognised_by"] == "annotation"
    created = await client.ears.wait_for(
        "nic.created", lambda e: e["data"]["nic"]["vm_moid"] == vm["created"]
    )
    assert nic_addresses(created) == {address["address"]}
    verified = await client.ears.wait_for("vm.create.verified", about)
    (check,) = verified["data"]["nics"]
    assert address["address"] in check["seen"]
    assert check["reserved"] == [address["address"]]


def _fails_and_leaves_nothing(site: Site) -> None:
    before = {row["moid"] for row in site.installation.patchbay("vm", "list")}
    words = [
        "place",
        "lost-1",
        "--memory",
        "64M",
        "--nic",
        "shop",
        "--apply",
        "--disk",
        "1G,datastore=absent",
    ]
    failed = site.installation.patchbay(*words, code=1)
    assert failed["error"]["code"] == "not_created"
    assert failed["vms"][0]["reservation_given_back"] is True
    assert {row["moid"] for row in site.installation.patchbay("vm", "list")} == before
    assert site.installation.patchbay("reservation", "list") == []
