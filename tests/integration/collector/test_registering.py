"""Operators: register, mistake, command, secret."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest

from services.collector import registry
from services.collector.registry import NewVcenter
from services.simulator.app import RunningSimulator
from shared.events.base import Event
from shared.events.codec import decode
from shared.events.commands import (
    CommandReplied,
    VcenterPause,
    VcenterReleaseBrake,
    VcenterResume,
    VcenterResync,
)
from shared.events.envelope import wrap
from shared.events.inventory import SnapshotCompleted, VmChanged, VmRemoved
from shared.events.vcenter import VcenterConnected, VcenterHeartbeat, VcenterLost
from shared.runtime.errors import PermanentError
from shared.runtime.logging import configure_logging
from shared.runtime.publishing import message_of
from shared.runtime.settings import LogSettings
from tests.integration.collector.conftest import PASSWORD, Bench

pytestmark = pytest.mark.postgres


async def ask(bench: Bench, command: Event) -> CommandReplied:
    message = message_of(wrap(command, source="test", time=datetime.now(UTC)))
    answer = decode((await bench.bus.request(message, timedelta(seconds=20))).body).data
    assert isinstance(answer, CommandReplied)
    return answer


async def test_registrations_change_a_running_collector(bench: Bench, sim: RunningSimulator) -> None:
    async with bench.collector():
        await bench.register(sim)
        connected = await bench.observer.first(VcenterHeartbeat)
        await registry.remove(bench.pool, "lab")
        lost = await bench.observer.first(VcenterLost)
        seen = bench.observer.seen
        await bench.register(sim, "lab again")
        again = await bench.observer.first(VcenterHeartbeat, seen)
    assert lost.cause == "stopped"
    # Added again, its facts are newer than all that was ever said; nothing was removed by the removal.
    assert again.vcenter == connected.vcenter
    assert again.epoch > connected.epoch
    assert bench.observer.of(VmRemoved) == []


async def test_commands_resync_pause_and_resume(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        vcenter = (await bench.observer.first(VcenterHeartbeat)).vcenter
        seen = bench.observer.seen
        assert (await ask(bench, VcenterResync(vcenter=vcenter))).result is not None
        completed = await bench.observer.first(SnapshotCompleted, seen)
        assert completed.epoch == 2
        assert not bench.observer.of(VcenterLost)
        await ask(bench, VcenterPause(vcenter=vcenter))
        lost = await bench.observer.first(VcenterLost)
        assert (lost.cause, lost.detail) == ("stopped", "paused by an operator")
        await bench.registered("lab", lambda vcenter: vcenter.state == "paused")
        seen = bench.observer.seen
        await ask(bench, VcenterResume(vcenter=vcenter))
        await bench.observer.first(VcenterConnected, seen)
        await bench.observer.first(VcenterHeartbeat, seen)


async def test_commands_that_make_no_sense_get_a_complaint(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    async with bench.collector():
        vcenter = (await bench.observer.first(VcenterHeartbeat)).vcenter
        unheld = await ask(bench, VcenterReleaseBrake(vcenter=vcenter))
        unknown = await ask(bench, VcenterResync(vcenter=uuid4()))
    assert unheld.complaint is not None
    assert unheld.complaint.code == "brake_not_held"
    assert unknown.complaint is not None
    assert unknown.complaint.code == "vcenter_unknown"
    assert "lab" in unknown.complaint.message


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"url": "ftp://vc.example.net"}, "vcenter_url"),
        ({"url": "https://admin:secret@vc.example.net"}, "vcenter_url"),
        ({"url": "http://vc.example.net"}, "vcenter_url"),
        ({"password_ref": PASSWORD}, "vcenter_credentials"),
        ({"password_ref": f"text:{PASSWORD}"}, "vcenter_credentials"),
        ({"password_ref": "file:relative"}, "vcenter_credentials"),
        ({"tls": "thumbprint", "tls_detail": "ab:cd"}, "vcenter_thumbprint"),
        ({"name": " "}, "vcenter_name"),
    ],
)
async def test_mistakes_at_registering_are_named_and_quote_no_secret(
    bench: Bench, changed: dict[str, str], code: str
) -> None:
    given = {
        "name": "lab",
        "url": "https://vc.example.net",
        "user_ref": "text:admin",
        "password_ref": "env:PASSWORD",
        **changed,
    }
    with pytest.raises(PermanentError) as refused:
        await registry.add(bench.pool, NewVcenter(**given))  # type: ignore[arg-type]
    assert refused.value.code == code
    assert PASSWORD not in f"{refused.value} {refused.value.hint}"
    assert "secret" not in str(refused.value)


async def test_a_name_is_taken_once(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    with pytest.raises(PermanentError, match="already"):
        await bench.register(sim)


async def test_g9_a_wrong_password_is_rejected_slowly_and_seen_nowhere(
    bench: Bench, sim: RunningSimulator
) -> None:
    log = StringIO()
    configure_logging(LogSettings(level="debug", format="json"), service="test", stream=log)
    wrong = "Wr0ng-but-secret"
    await bench.register(sim)
    async with bench.collector():
        await bench.observer.first(VcenterHeartbeat)
    bench.password_file.write_text(wrong)
    seen = len(await bench.observer.read())
    async with bench.collector():
        lost = await bench.observer.first(VcenterLost, seen)
        bench.password_file.write_text(PASSWORD)
        await bench.observer.first(VcenterHeartbeat, seen)
    assert lost.cause == "rejected_login"
    logging.getLogger().handlers.clear()
    everything = log.getvalue() + "".join(
        json.dumps(envelope.model_dump(mode="json")) for envelope in bench.observer.envelopes
    )
    rows = await bench.pool.fetch("SELECT v::text AS row FROM collector.vcenter v")
    everything += "".join(row["row"] for row in rows)
    assert "rejected_login" in everything
    assert wrong not in everything
    assert PASSWORD not in everything


async def test_a_missing_secret_is_named_by_its_place(bench: Bench, sim: RunningSimulator) -> None:
    bench.password_file.unlink()
    await bench.register(sim)
    async with bench.collector():
        vcenter = await bench.registered("lab", lambda vcenter: vcenter.state == "lost")
    assert str(bench.password_file) in vcenter.state_detail
    assert await bench.observer.read() == []


async def test_one_collector_is_active_and_the_other_takes_over(bench: Bench, sim: RunningSimulator) -> None:
    await bench.register(sim)
    first = bench.collector()
    async with first:
        await bench.observer.first(VcenterHeartbeat)
        seen = bench.observer.seen
        async with bench.collector():
            vm = sim.world.create_vm("fresh")
            await bench.observer.first(VmChanged, seen, lambda fact: fact.moid == vm.moid)
            await asyncio.sleep(1)
            await bench.observer.read()
            assert bench.observer.of(VcenterConnected, seen) == []
            await first.kill()
            taken = await bench.observer.first(SnapshotCompleted, seen)
    assert taken.epoch == 2
