"""Placement as a service: asked over a bus, on both buses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.placement.app import run
from services.placement.settings import PlacementSettings, Settings
from shared.bus.port import Message
from shared.events.base import Event
from shared.events.codec import decode
from shared.events.commands import CommandReplied, ReservationCancel
from shared.events.envelope import wrap
from shared.events.placement import (
    VmCreateBatchAnswered,
    VmCreateBatchRequested,
    VmCreateConfirmed,
    VmCreateExpired,
    VmCreatePlaced,
    VmCreateRefused,
)
from shared.events.topology import DEAD_LETTER_QUEUE
from shared.runtime.environment import Platform, open_platform
from shared.runtime.publishing import message_of
from tests.integration.placement.conftest import request
from tests.integration.placement.inventory import Inventory

PATIENCE = timedelta(seconds=30)


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.postgres),
        pytest.param("rabbitmq", marks=[pytest.mark.postgres, pytest.mark.rabbitmq]),
    ]
)
async def platform(database: str, request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    """A running placement with one host, on a bus of this test's own."""
    amqp_url = request.getfixturevalue("rabbitmq_url") if request.param == "rabbitmq" else None
    settings = Settings(
        database_url=database, amqp_url=amqp_url, placement=PlacementSettings(expiry_interval_seconds=0.1)
    )
    async with open_platform(settings, name="placement-test") as platform:
        stop = asyncio.Event()
        service = asyncio.create_task(run(settings, platform, stop))
        yield platform
        stop.set()
        await asyncio.wait_for(service, 20)


@pytest.fixture
async def inventory(platform: Platform) -> Inventory:
    made = Inventory(platform.pool)
    await made.vcenter(current_to=datetime.now(UTC))
    await made.host(1)
    await made.subnet(1, await made.portgroup(1, [1]))
    return made


def message(event: Event) -> Message:
    return message_of(wrap(event, source="test", time=datetime.now(UTC)))


async def ask(platform: Platform, event: Event) -> Event:
    reply = await platform.bus.request(message(event), PATIENCE)
    return decode(reply.body).data


async def next_event(platform: Platform, kind: type[Event], cause: Awaitable[object]) -> Event:
    """Let `cause` happen once listening, then wait for the event."""
    async with platform.bus.subscribe([f"{kind.TYPE}.#"]) as consumer:
        await cause
        async with asyncio.timeout(PATIENCE.total_seconds()):
            [delivery] = await consumer.batch(1)
        return decode(delivery.message.body).data


async def test_from_request_to_confirmation(platform: Platform, inventory: Inventory) -> None:
    answer = await ask(platform, request())
    assert isinstance(answer, VmCreatePlaced)
    fact = inventory.vm_fact("vm-7", reservation=answer.reservation)
    port = {"key": 4000, "label": "n", "adapter": "vmxnet3", "connected": True, "mac": answer.nics[0].mac}
    whole = type(fact).model_validate(fact.model_dump() | {"ports": [port]})
    event = await next_event(platform, VmCreateConfirmed, platform.bus.publish([message(whole)]))
    assert isinstance(event, VmCreateConfirmed)
    assert event.reservation == answer.reservation


async def dead_letters(platform: Platform, count: int) -> None:
    """There come to be `count` of them; an answer may come before its dead letter."""
    async with asyncio.timeout(30):
        while (await platform.bus.state(DEAD_LETTER_QUEUE)).ready != count:
            pass


@pytest.mark.usefixtures("inventory")
async def test_a_reservation_expires_by_itself(platform: Platform) -> None:
    answer = await ask(platform, request())
    assert isinstance(answer, VmCreatePlaced)
    over = platform.pool.execute("UPDATE placement.reservation SET expires_at = now()")
    event = await next_event(platform, VmCreateExpired, over)
    assert isinstance(event, VmCreateExpired)
    assert event.reservation == answer.reservation


@pytest.mark.usefixtures("inventory")
async def test_a_command_is_answered(platform: Platform) -> None:
    answer = await ask(platform, request())
    assert isinstance(answer, VmCreatePlaced)
    reply = await ask(platform, ReservationCancel(reservation=answer.reservation))
    assert isinstance(reply, CommandReplied)
    assert reply.result == {"reservation": str(answer.reservation), "state": "cancelled"}


@pytest.mark.usefixtures("inventory")
async def test_a_broken_request_stops_nobody(platform: Platform) -> None:
    """G8: it becomes a dead letter with its reason, and the next one is answered."""
    broken = Message(b'{"no": "event"}', "vm.create.requested.-.-", str(uuid4()))
    await platform.bus.publish([broken])
    assert isinstance(await ask(platform, request()), VmCreatePlaced)
    await dead_letters(platform, 1)
    async for letter in platform.bus.dead_letters():
        assert letter.reason == "unknown_type"


@pytest.mark.usefixtures("inventory")
async def test_a_request_that_does_not_validate_is_refused_field_by_field(platform: Platform) -> None:
    """G8: to who asked; and it is a dead letter all the same."""
    good = message(request())
    content = json.loads(good.body)
    content["data"] |= {"cpus": 0, "nics": [{"subnet": "a", "wire": "b"}], "request_id": "order-1"}
    reply = await platform.bus.request(replace(good, body=json.dumps(content).encode()), PATIENCE)
    refusal = decode(reply.body).data
    assert isinstance(refusal, VmCreateRefused)
    assert refusal.request_id == "order-1"
    assert {ruling.id for ruling in refusal.rulings} == {"cpus", "nics.0"}
    assert "give a subnet or a wire, not both" in refusal.reason
    content["data"] = {"batch_id": "rollout-1", "requests": []}
    content["type"] = VmCreateBatchRequested.TYPE
    content["dataschema"] = f"urn:patchbay:event:{VmCreateBatchRequested.TYPE}:1"
    asked = replace(good, body=json.dumps(content).encode(), routing_key="vm.create.batch.requested.-.-")
    answer = decode((await platform.bus.request(asked, PATIENCE)).body).data
    assert isinstance(answer, VmCreateBatchAnswered)
    assert answer.reason.startswith("not a valid request: requests: ")
    await dead_letters(platform, 2)


@pytest.mark.usefixtures("inventory")
async def test_a_batch_is_answered_once(platform: Platform) -> None:
    batch = VmCreateBatchRequested(batch_id="rollout-1", requests=(request(), request()))
    answer = await ask(platform, batch)
    assert isinstance(answer, VmCreateBatchAnswered)
    assert [len(placed.nics) for placed in answer.placed] == [1, 1]
