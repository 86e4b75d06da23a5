"""A VM that somebody makes in their own way is known by the reservation's id in its extraConfig alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pyVim import task as pyvim_task
from pyVmomi import vim as pyvmomi_vim

from tests.end_to_end.conftest import SERVICES, Site
from tests.end_to_end.messages import nic_addresses

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
vim: Any = pyvmomi_vim
wait_for: Any = pyvim_task.WaitForTask
KEY = "guestinfo.patchbay.reservation"


async def test_g2_a_vm_with_only_an_option_is_confirmed_and_has_its_record(site_embedded: Site) -> None:
    site = site_embedded
    site.installation.start(*SERVICES)
    try:
        await _scenario(site)
    finally:
        print(site.installation.logs())  # noqa: T201  pytest shows it with a failure
        site.installation.stop()


async def _scenario(site: Site) -> None:
    patchbay = site.installation.patchbay
    secret = site.installation.folder / "password"
    secret.write_text(site.vcenter.password + "\n")
    await asyncio.to_thread(patchbay, "status", "--wait", "90s")
    async with site.client as client:
        flags = ["--user", site.vcenter.user, "--password-file", str(secret)]
        await asyncio.to_thread(patchbay, "vcenter", "add", "lab", site.vcenter.url, *flags)
        await client.ears.wait_for("inventory.snapshot.completed")
        network = (await site.vcenter.machines())[0].network
        await asyncio.to_thread(patchbay, "subnet", "create", "shop", "172.29.0.0/24", "--wire", network)
        # Neither name nor MAC will tell: the VM gets another name, and its MAC from the vCenter.
        words = ["place", "shop-1", "--memory", "64M", "--nic", "subnet=shop,mac=vcenter"]
        placed = await asyncio.to_thread(patchbay, *words)
        stray = await asyncio.to_thread(_make, site, "stray", placed, "11111111-2222-3333-4444-555555555555")
        moid = await asyncio.to_thread(_make, site, "their-own-name", placed, placed["reservation"])

        confirmed = await client.ears.wait_for("vm.create.confirmed")
        assert confirmed["data"]["reservation"] == placed["reservation"]
        assert confirmed["data"]["vm_moid"] == moid != stray
        assert confirmed["data"]["recognised_by"] == "extra_config"
        created = await client.ears.wait_for("nic.created", lambda e: e["data"]["nic"]["vm_moid"] == moid)
        assert nic_addresses(created) == {placed["nics"][0]["addresses"][0]["address"]}
        kept = await asyncio.to_thread(patchbay, "placement", "show", "shop-1")
        assert kept["reservation"]["state"] == "confirmed"


def _make(site: Site, name: str, placed: dict[str, Any], option: str) -> str:
    """A VM as answered, with an option and no annotation; its managed object id."""
    with site.vcenter.logged_in() as instance:
        host = vim.HostSystem(placed["host"], instance._stub)
        wire = placed["nics"][0]["wire"]
        port = vim.dvs.PortConnection(switchUuid=wire["switch_uuid"], portgroupKey=wire["portgroup_key"])
        device = vim.vm.device
        card = device.VirtualVmxnet3(
            key=-1, backing=device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
        )
        spec = vim.vm.ConfigSpec(
            name=name,
            numCPUs=1,
            memoryMB=64,
            files=vim.vm.FileInfo(vmPathName="[]"),
            deviceChange=[device.VirtualDeviceSpec(operation="add", device=card)],
            extraConfig=[vim.option.OptionValue(key=KEY, value=option)],
        )
        datacenter = instance.RetrieveContent().rootFolder.childEntity[0]
        task = datacenter.vmFolder.CreateVM_Task(config=spec, pool=host.parent.resourcePool, host=host)
        wait_for(task, si=instance)
        return str(task.info.result._moId)
