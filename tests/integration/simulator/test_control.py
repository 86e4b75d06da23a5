"""The control API over HTTP, scripts and churn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.churn import Churn, read_script, run_script
from services.simulator.settings import SimulatorSettings
from tests.integration.simulator.client import Client, Watched, vim

Run = Callable[..., Any]


async def _post(simulator: RunningSimulator, operation: str, **arguments: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{simulator.control_url}/{operation}", json=arguments) as answer,
    ):
        return answer.status, await answer.json()


async def test_operations_are_listed_with_their_parameters(simulator: RunningSimulator) -> None:
    async with aiohttp.ClientSession() as http, http.get(simulator.control_url) as answer:
        listed = {o["name"]: o for o in (await answer.json())["operations"]}
    expected = {
        "set_guest_addresses", "add_docker_bridges", "drop_tools", "start_tools", "power", "rename",
        "remove_portgroup", "add_portgroup", "disconnect_host", "reconnect_host", "maintenance", "move_vm",
        "move_nic", "remove_vm", "unregister_vm", "expire_sessions", "blind", "delay", "cut_connections",
        "restart_versions", "set_time_skew", "rewind", "change_instance_uuid", "create_vm", "boot",
    }  # fmt: skip
    assert expected <= set(listed)
    assert all(o["purpose"] for o in listed.values())
    parameters = [p["name"] for p in listed["set_guest_addresses"]["parameters"]]
    assert parameters == ["vm", "device_key", "addresses", "gateway", "dns"]


async def test_addresses_set_over_http_are_seen_by_clients(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    status, body = await _post(simulator, "create_vm", name="by-http", networks=["VM Network"])
    assert status == 200
    moid = body["result"]
    status, _ = await _post(
        simulator,
        "set_guest_addresses",
        vm=moid,
        device_key=None,
        addresses=[["10.1.2.3", 25], "2001:db8::5/64", ["2001:db8::6", 64, "random", "deprecated"]],
        gateway="10.1.2.1",
    )
    assert status == 200

    def go() -> Any:
        return vim.VirtualMachine(moid, client.instance._stub).guest

    guest = await run(go)
    assert guest.ipAddress == "10.1.2.3"
    addresses = [(a.ipAddress, a.prefixLength, a.origin, a.state) for a in guest.net[0].ipConfig.ipAddress]
    assert addresses == [
        ("10.1.2.3", 25, "manual", "preferred"),
        ("2001:db8::5", 64, "manual", "preferred"),
        ("2001:db8::6", 64, "random", "deprecated"),
    ]


async def test_mistakes_are_explained(simulator: RunningSimulator) -> None:
    status, body = await _post(simulator, "explode")
    assert (status, body["fault"]) == (400, "NotSupported")
    status, body = await _post(simulator, "drop_tools", vm="nobody")
    assert status == 400
    assert "nobody" in body["message"]
    status, body = await _post(simulator, "drop_tools", machine="web")
    assert status == 400
    status, body = await _post(simulator, "delay", seconds="long")
    assert status == 400
    assert "seconds" in body["message"]


async def test_world_and_vms_are_listed(simulator: RunningSimulator) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{simulator.control_url}/world") as answer:
            summary = await answer.json()
        async with http.get(f"{simulator.control_url}/vms") as answer:
            vms = (await answer.json())["vms"]
    assert summary["objects"]["VirtualMachine"] == len(vms) == 48
    assert summary["instance_uuid"] == simulator.world.instance_uuid
    assert summary["natural_subnets"][0].keys() == {"port_group", "name", "prefix", "gateway", "vlan"}
    assert all(vm["nics"] for vm in vms)


async def test_docker_bridges_are_no_devices(simulator: RunningSimulator, client: Client, run: Run) -> None:
    vm = next(v for v in simulator.world.machines.values() if v.guest.tools_running and v.guest.nics)
    have = len(vm.guest.nics)
    simulator.world.add_docker_bridges(vm, 3)
    net = await run(lambda: vim.VirtualMachine(vm.moid, client.instance._stub).guest.net)
    assert [nic.deviceConfigId for nic in net[have:]] == [-1, -1, -1]


async def test_a_boot_that_is_cut_short_reports_nothing() -> None:
    async with simulated_vcenter(SimulatorSettings(port=0, vms=5, boot_seconds=0.05)) as running:
        world = running.world
        vm = world.create_vm("slow", networks=["VM Network"])
        assert not vm.guest.tools_running
        world.power(vm, False)
        await asyncio.sleep(0.1)
        assert not vm.guest.tools_running
        world.boot(vm, {"4000": [("10.7.7.7", 24)]})
        await asyncio.sleep(0.15)
        assert vm.guest.tools_running
        assert vm.guest.primary_address() == "10.7.7.7"


async def test_script(simulator: RunningSimulator, tmp_path: Path) -> None:
    vm = next(v for v in simulator.world.machines.values() if v.guest.tools_running)
    path = tmp_path / "steps.yaml"
    first = f"- {{operation: drop_tools, args: {{vm: {vm.moid}}}}}"
    path.write_text(f"{first}\n- [0.01, rename, {{what: {vm.moid}, name: z}}]\n")
    await run_script(simulator.world, read_script(path))
    assert (vm.name, vm.guest.tools_running) == ("z", False)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps([{"delay": 1}]))
    with pytest.raises(ValueError, match="step 1"):
        read_script(path)


async def test_churn_at_a_rate_is_followed(run: Run) -> None:
    rates = {"address": 60.0, "move": 40.0, "create": 30.0, "remove": 20.0, "docker": 20.0, "power": 20.0,
             "rename": 20.0, "nic": 20.0, "shuffle": 10.0}  # fmt: skip
    settings = SimulatorSettings(port=0, vms=60, seed=9, boot_seconds=0, churn=rates, page_limit=11)
    async with simulated_vcenter(settings) as running:
        made = await run(Client, running)
        watched = Watched()
        await run(made.watch, None, partial=True)
        for _ in range(25):
            update = await run(made.wait, watched.version, 2)
            if update is not None:
                watched.apply(update)
    assert len(watched.values) > 10


async def test_churn_is_reproducible() -> None:
    async def names(seed: int) -> list[str]:
        async with simulated_vcenter(SimulatorSettings(port=0, vms=40, boot_seconds=0)) as running:
            churn = Churn(running.world, {"create": 1, "remove": 1, "rename": 1, "move": 1}, seed)
            for _ in range(60):
                churn.step()
            return sorted(f"{vm.name} {vm.host.moid}" for vm in running.world.machines.values())

    assert await names(5) == await names(5)
    assert await names(5) != await names(6)


def test_unknown_churn_is_refused(  # the mistake is named before anything starts
) -> None:
    with pytest.raises(ValueError, match="earthquake"):
        Churn(None, {"earthquake": 1.0})  # type: ignore[arg-type]  # the world is not reached
