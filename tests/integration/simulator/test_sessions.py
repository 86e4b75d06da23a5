"""Logging in and out, and every way in which a session dies."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.certificates import make_certificate
from services.simulator.settings import SimulatorSettings, TlsSettings
from tests.integration.simulator.client import PC, Client, Watched, connect, soap_stub, vim, vmodl

Run = Callable[..., Any]
VMS = {vim.VirtualMachine: ["name", "guest.net", "config.hardware.device"]}


async def test_login_and_logout(simulator: RunningSimulator, client: Client, run: Run) -> None:
    def go() -> None:
        manager = client.content.sessionManager
        session = manager.currentSession
        assert session.userName == "administrator@vsphere.local"
        assert manager.SessionIsActive(session.key, session.userName)
        connect.Disconnect(client.instance)
        with pytest.raises(vim.fault.NotAuthenticated):
            client.read(VMS)

    assert client.content.about.instanceUuid == simulator.world.instance_uuid
    assert client.content.about.apiVersion == "8.0.3.0"
    await run(go)
    assert not simulator.world.sessions


async def test_wrong_password_is_invalid_login(simulator: RunningSimulator, run: Run) -> None:
    with pytest.raises(vim.fault.InvalidLogin):
        await run(lambda: Client(simulator, password="guess"))
    with pytest.raises(vim.fault.InvalidLogin):
        await run(lambda: Client(simulator, user="somebody"))


async def test_without_login_nothing_is_read(simulator: RunningSimulator, run: Run) -> None:
    def go() -> None:
        # A negative port is pyVmomi's way to say plain HTTP.
        stub = soap_stub(host=simulator.host, port=-simulator.port, version="vim.version.v8_0_3_0")
        instance = vim.ServiceInstance("ServiceInstance", stub)
        content = instance.RetrieveContent()
        assert content.sessionManager.currentSession is None
        with pytest.raises(vim.fault.NotAuthenticated):
            content.viewManager.CreateContainerView(content.rootFolder, [], True)
        with pytest.raises(vim.fault.NotAuthenticated):
            _ = content.rootFolder.name

    await run(go)


async def _watching(client: Client, run: Run) -> Watched:
    watched = Watched()
    await run(client.watch, VMS)
    await run(client.follow, watched)
    return watched


async def test_death_by_fault(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """G4: a waiting call ends with NotAuthenticated, and a new login sees everything again."""
    watched = await _watching(client, run)
    waiting = asyncio.create_task(run(client.wait, watched.version, 20))
    await asyncio.sleep(0.05)
    assert simulator.world.expire_sessions("fault") == 1
    with pytest.raises(vim.fault.NotAuthenticated):
        await waiting
    with pytest.raises(vim.fault.NotAuthenticated):
        await run(client.read, VMS)
    again = await run(Client, simulator)
    assert len(await run(again.read, VMS)) == len(simulator.world.machines)
    await run(again.close)


async def test_death_by_missing_set(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """G4: HTTP 200, and NotAuthenticated for every property inside."""
    watched = await _watching(client, run)
    simulator.world.expire_sessions("missing_set")
    update = await run(client.wait, watched.version, 5)
    for change in update.filterSet[0].objectSet:
        assert change.kind == "modify"
        assert not change.changeSet
        assert {m.path for m in change.missingSet} == set(VMS[vim.VirtualMachine])
        assert all(isinstance(m.fault, vim.fault.NotAuthenticated) for m in change.missingSet)

    def read() -> Any:
        spec = client.filter_spec(client.view(vim.VirtualMachine), VMS)
        return client.collector.RetrievePropertiesEx([spec], PC.RetrieveOptions())

    result = await run(read)
    assert all(not found.propSet and len(found.missingSet) == 3 for found in result.objects)


async def test_death_by_missing_properties(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """G4: objects without any property, and without a word why."""
    watched = await _watching(client, run)
    simulator.world.expire_sessions("missing_properties")
    update = await run(client.wait, watched.version, 5)
    assert all(not c.changeSet and not c.missingSet for c in update.filterSet[0].objectSet)
    mirror = await run(client.read, VMS)
    assert len(mirror) == len(simulator.world.machines)
    assert not any(mirror.values())


async def test_death_by_empty_arrays(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """G4: names are still there, every array is empty."""
    watched = await _watching(client, run)
    simulator.world.expire_sessions("empty_arrays")
    for _ in range(3):
        watched.apply(await run(client.wait, watched.version, 5))
    assert all(v["guest.net"] == [] and v["config.hardware.device"] == [] for v in watched.values.values())
    assert all(v["name"] for v in watched.values.values())
    assert await run(client.wait, watched.version, 0) is None


async def test_death_by_empty_results(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """G4: updates without objects, reads without results."""
    watched = await _watching(client, run)
    simulator.world.expire_sessions("empty_results")
    update = await run(client.wait, watched.version, 5)
    assert [len(part.objectSet) for part in update.filterSet] == [0]
    assert await run(client.read, VMS) == {}


@pytest.mark.parametrize("mode", ["missing_set", "missing_properties", "empty_arrays", "empty_results"])
async def test_sight_comes_back(simulator: RunningSimulator, client: Client, run: Run, mode: str) -> None:
    watched = await _watching(client, run)
    simulator.world.blind(mode)
    await run(client.follow, watched)
    simulator.world.blind(mode, on=False)
    if mode == "empty_results":
        watched.values.clear()
    await run(client.follow, watched)
    assert watched.mirror() == await run(client.read, VMS)


async def test_blind_counts_for_new_sessions_too(simulator: RunningSimulator, run: Run) -> None:
    simulator.world.blind("missing_set")
    made = await run(Client, simulator)
    assert not any((await run(made.read, VMS)).values())
    await run(made.close)


async def test_unknown_methods_are_named(simulator: RunningSimulator, client: Client, run: Run) -> None:
    vm = vim.VirtualMachine(next(iter(simulator.world.machines)), client.instance._stub)
    with pytest.raises(vmodl.fault.NotSupported) as caught:
        await run(vm.AcquireMksTicket)
    assert "AcquireMksTicket" in caught.value.msg


async def test_privileges(simulator: RunningSimulator, client: Client, run: Run) -> None:
    simulator.world.deny_privileges(["System.Read"])

    def go() -> dict[str, bool]:
        manager = client.content.authorizationManager
        key = client.content.sessionManager.currentSession.key
        root = client.content.rootFolder
        (answer,) = manager.HasPrivilegeOnEntities([root], key, ["System.View", "System.Read", "No.Such"])
        held = manager.FetchUserPrivilegeOnEntities([root], "administrator@vsphere.local")[0].privileges
        assert "System.View" in held
        assert "System.Read" not in held
        return {p.privId: p.isGranted for p in answer.privAvailability}

    assert await run(go) == {"System.View": True, "System.Read": False, "No.Such": False}


async def test_clock_skew(simulator: RunningSimulator, client: Client, run: Run) -> None:
    before = await run(client.instance.CurrentTime)
    simulator.world.set_time_skew(-7200)
    after = await run(client.instance.CurrentTime)
    assert 7100 < (before - after).total_seconds() < 7300


async def test_connections_are_cut(simulator: RunningSimulator, client: Client, run: Run) -> None:
    """The next request loses its connection; a wait loses it in the middle."""
    simulator.world.cut_connections(1)
    with pytest.raises((OSError, http.client.HTTPException)):
        await run(client.instance.CurrentTime)
    watched = await _watching(client, run)
    waiting = asyncio.create_task(run(client.wait, watched.version, 20))
    await asyncio.sleep(0.1)
    simulator.world.cut_connections()
    with pytest.raises((OSError, http.client.HTTPException)):
        await waiting
    await run(client.follow, watched)


async def test_an_answer_is_lost_after_the_work_was_done(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    """The caller cannot know: the VM is renamed all the same."""
    vm = vim.VirtualMachine(next(iter(simulator.world.machines)), client.instance._stub)
    simulator.world.cut_connections(1, performed=True)
    with pytest.raises((OSError, http.client.HTTPException)):
        await run(vm.Rename_Task, "done")
    assert await run(lambda: vm.name) == "done"


async def test_idle_sessions_end(run: Run) -> None:
    async with simulated_vcenter(SimulatorSettings(port=0, vms=5, idle_seconds=0.05)) as running:
        made = await run(Client, running)
        await asyncio.sleep(0.2)
        with pytest.raises(vim.fault.NotAuthenticated):
            await run(made.read, VMS)


async def test_delay_holds_answers_back(simulator: RunningSimulator, client: Client, run: Run) -> None:
    simulator.world.delay(0.2)
    waiting = asyncio.create_task(run(client.instance.CurrentTime))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    simulator.world.delay(0)
    await waiting


async def test_https_is_verified(run: Run, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "127.0.0.1")
    settings = SimulatorSettings(port=0, vms=5, tls=TlsSettings(certificate=certificate, key=key))
    async with simulated_vcenter(settings) as running:
        assert running.url.startswith("https://")
        made = await run(lambda: Client(running, ca_file=str(certificate)))
        assert len(await run(made.read, VMS)) == 5
        await run(made.close)
        with pytest.raises(OSError, match="certificate verify failed"):
            await run(lambda: Client(running))


async def test_https_with_a_certificate_of_its_own() -> None:
    async with simulated_vcenter(SimulatorSettings(port=0, vms=5, self_signed=True)) as running:
        plain = aiohttp.TCPConnector(ssl=False)
        async with (
            aiohttp.ClientSession(connector=plain) as http,
            http.get(running.control_url) as answer,
        ):
            assert answer.status == 200
    given = TlsSettings(certificate=Path("c.pem"), key=Path("k.pem"))
    with pytest.raises(ValueError, match="not both"):
        SimulatorSettings(self_signed=True, tls=given)


async def test_two_simulators_are_two_vcenters(simulator: RunningSimulator, client: Client, run: Run) -> None:
    async with simulated_vcenter(SimulatorSettings(port=0, vms=48, seed=4)) as other:
        second = await run(Client, other)
        assert second.content.about.instanceUuid != client.content.about.instanceUuid
        mine, theirs = await run(client.read, VMS), await run(second.read, VMS)
        assert set(mine) & set(theirs), "ids overlap, as they do between real vCenters"
        macs = [
            {nic.mac for vm in w.machines.values() for nic in vm.nics} for w in (simulator.world, other.world)
        ]
        assert not macs[0] & macs[1]
        await run(second.close)


async def test_rewind_goes_back_in_ids_and_versions(
    simulator: RunningSimulator, client: Client, run: Run
) -> None:
    """A vCenter restored from a backup: what came later is gone, and its ids are given out anew."""
    before = await run(client.read, VMS)
    made = simulator.world.create_vm("later")
    simulator.world.rewind()
    with pytest.raises(vim.fault.NotAuthenticated):
        await run(client.read, VMS)
    again = await run(Client, simulator)
    assert await run(again.read, VMS) == before
    assert simulator.world.create_vm("another").moid == made.moid
    await run(again.close)
