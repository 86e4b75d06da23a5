"""Reading suffices: what a collector calls changes nothing, and what an account lacks is named."""

from __future__ import annotations

from typing import Any

import pytest

from services.collector.checking import check
from services.collector.vsphere.examining import NEEDED
from services.simulator.app import RunningSimulator
from services.simulator.methods.registry import Call
from services.simulator.soap_server import SoapServer
from shared.events.commands import VcenterResync
from shared.events.inventory import VmChanged
from shared.events.vcenter import VcenterHeartbeat
from tests.integration.collector.conftest import USER, Bench
from tests.integration.collector.test_checking import failed
from tests.integration.collector.test_proxies import through
from tests.integration.collector.test_registering import ask

pytestmark = pytest.mark.postgres
OF_THE_SESSION = {
    *("RetrieveServiceContent", "CurrentTime", "Login", "Logout"),
    *("CreateContainerView", "CreateListView", "DestroyView"),
    *("CreatePropertyCollector", "DestroyPropertyCollector", "CreateFilter"),
    "CancelRetrievePropertiesEx",
}
"""What these make lives in the session, and ends with it."""
READING = {"Fetch", "RetrievePropertiesEx", "WaitForUpdatesEx", "HasPrivilegeOnEntities"}


async def test_nothing_but_reading_is_asked_of_a_vcenter(
    bench: Bench, sim: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()
    original: Any = SoapServer._performed

    async def recorded(server: SoapServer, call: Call) -> Any:
        called.add(call.method)
        return await original(server, call)

    monkeypatch.setattr(SoapServer, "_performed", recorded)
    assert all(one.ok for one in await check(through(sim, bench, None)))
    await bench.register(sim)
    async with bench.collector():
        vcenter = (await bench.observer.first(VcenterHeartbeat)).vcenter
        seen = bench.observer.seen
        await ask(bench, VcenterResync(vcenter=vcenter, vm=min(sim.world.machines)))
        await bench.observer.first(VmChanged, seen)
        sim.world.expire_sessions()
        await bench.observer.first(VcenterHeartbeat, seen, lambda fact: fact.epoch > 1)
    assert {"Login", "WaitForUpdatesEx", "CreateListView"} <= called
    assert called <= OF_THE_SESSION | READING


@pytest.mark.parametrize("privilege", NEEDED)
async def test_each_privilege_that_is_lacking_is_named_with_its_remedy(
    bench: Bench, sim: RunningSimulator, privilege: str
) -> None:
    sim.world.deny_privileges([privilege])
    refused = failed(await check(through(sim, bench, None)))
    assert refused.name == "privileges"
    assert privilege in refused.detail
    assert USER in (refused.remedy or "")
    assert "Read-only" in (refused.remedy or "")
