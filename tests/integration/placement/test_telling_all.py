"""What placement publishes is enough to have its reservations again, and the addresses they hold (G3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.events.base import Event
from shared.events.codec import decode
from shared.events.commands import ReservationCancel, ReservationConfirm, ReservationExtend
from shared.events.envelope import Envelope
from shared.events.inventory import VmChanged, VmPort
from shared.events.placement import (
    NicRequest,
    VmCreateCancelled,
    VmCreateConfirmed,
    VmCreateExpired,
    VmCreateExtended,
    VmCreatePlaced,
)
from shared.store.pool import Pool
from tests.integration.placement.conftest import Placement, request
from tests.integration.placement.inventory import VCENTER, Inventory

pytestmark = pytest.mark.postgres

Row = dict[str, Any]
Books = tuple[dict[Any, Row], dict[str, tuple[Any, ...]]]
COLUMNS = (
    "state", "request_id", "vcenter_id", "host", "name", "name_was_free", "cpus", "memory_mb", "nics",
    "groups", "created_at", "expires_at", "ended_at", "note", "vm_id", "vm_moid", "recognised_by", "token",
    "previous_token",
)  # fmt: skip


async def kept(pool: Pool) -> Books:
    """Reservations as they are, and what the ledger holds: holder's kind, since when, until when."""
    rows = await pool.fetch(f"SELECT id, {', '.join(COLUMNS)} FROM placement.reservation")  # noqa: S608  ours
    addresses = await pool.fetch("SELECT host(address) AS address, holder_kind, until FROM ipam.address")
    return (
        {row["id"]: {name: row[name] for name in COLUMNS} for row in rows},
        {row["address"]: (row["holder_kind"], row["until"]) for row in addresses},
    )


async def told(pool: Pool) -> Books:
    """The same, from nothing but the published events in their order."""
    reservations: dict[Any, Row] = {}
    addresses: dict[str, tuple[Any, ...]] = {}
    for row in await pool.fetch("SELECT body FROM bus.outbox WHERE NOT to_queue ORDER BY id"):
        envelope = decode(row["body"])
        if isinstance(envelope.data, VmCreatePlaced):
            begin(reservations, addresses, envelope.data, envelope.time)
        else:
            follow(reservations, addresses, envelope)
    return reservations, addresses


def begin(
    rows: dict[Any, Row], addresses: dict[str, tuple[Any, ...]], event: VmCreatePlaced, at: datetime
) -> None:
    data = event.model_dump(mode="json")
    rows[event.reservation] = dict.fromkeys(COLUMNS) | {
        "state": "held", "request_id": event.request_id, "vcenter_id": event.vcenter, "host": event.host,
        "name": event.name, "name_was_free": event.name_was_free, "cpus": event.cpus,
        "memory_mb": event.memory_mb, "nics": data["nics"], "groups": list(event.groups), "created_at": at,
        "expires_at": event.expires_at, "token": event.token,
    }  # fmt: skip
    for nic in event.nics:
        for given in nic.addresses:
            addresses[given.address] = ("reservation", event.expires_at)


def follow(rows: dict[Any, Row], addresses: dict[str, tuple[Any, ...]], envelope: Envelope[Event]) -> None:
    event: Any = envelope.data
    row = rows[event.reservation]
    mine = [given["address"] for nic in row["nics"] for given in nic["addresses"]]
    if isinstance(event, VmCreateExtended):
        row |= {"expires_at": event.expires_at, "token": event.token}
        row["previous_token"] = event.previous_token or row["previous_token"]
        addresses |= dict.fromkeys(mine, ("reservation", event.expires_at))
        return
    row["ended_at"] = envelope.time
    if isinstance(event, VmCreateConfirmed):
        row |= {"state": "confirmed", "vm_id": event.vm, "vm_moid": event.vm_moid, "token": event.token}
        row["recognised_by"] = event.recognised_by
        if event.late:
            addresses |= {given.address: ("reservation", None) for p in event.ports for given in p.addresses}
        for given in event.given_back:
            del addresses[given.address]
    elif isinstance(event, VmCreateCancelled):
        row |= {"state": "cancelled", "note": event.note}
        for text in mine:
            del addresses[text]
    elif isinstance(event, VmCreateExpired):
        row["state"] = "expired"
        for text in mine:
            del addresses[text]
        addresses |= {rest.address: ("cooling", rest.until) for rest in event.resting}


@pytest.fixture
async def answer(inventory: Inventory, placement: Placement) -> VmCreatePlaced:
    """A placed VM of two NICs and a group, on a subnet whose addresses need no rest."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), cooldown_seconds=0)
    await inventory.subnet(2, await inventory.portgroup(2, [1, 2]), cooldown_seconds=300)
    nics = (NicRequest(subnet="net-1"), NicRequest(subnet="net-2"))
    return await placement.place(request(*nics, name="web", groups=("shop",)))


def made(inventory: Inventory, answer: VmCreatePlaced, nics: int = 2) -> VmChanged:
    ports = [
        VmPort(
            key=4000 + nic.index, label="NIC", adapter="vmxnet3", mac=nic.mac, network=nic.wire.network,
            connected=True,
        )
        for nic in answer.nics[:nics]
    ]  # fmt: skip
    return inventory.vm_fact("vm-7", *ports, reservation=answer.reservation)


async def test_g3_extended_with_and_without_a_token_then_cancelled(
    pool: Pool, placement: Placement, answer: VmCreatePlaced
) -> None:
    for seconds, token in ((60, None), (120, answer.token), (180, None)):
        until = placement.now + timedelta(seconds=seconds)
        await placement.ask(
            ReservationExtend(reservation=answer.reservation, until=until, token=token, by="eve")
        )
        assert await told(pool) == await kept(pool)
    await placement.ask(ReservationCancel(reservation=answer.reservation, note="twice", by="maria"))
    assert await told(pool) == await kept(pool)
    spoken = [event for event, _ in await placement.sent() if not isinstance(event, VmCreatePlaced)]
    assert [getattr(event, "by", None) for event in spoken] == ["eve", "eve", "eve", "maria"]


async def test_g3_expired_and_bound_late(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    placement.pass_time(1000)
    assert await told(pool) == await kept(pool)
    [expired] = await placement.expire()
    assert isinstance(expired, VmCreateExpired)
    assert [rest.address for rest in expired.resting] == [answer.nics[1].addresses[0].address]
    assert await told(pool) == await kept(pool)
    [confirmed] = await placement.show(made(inventory, answer))
    assert isinstance(confirmed, VmCreateConfirmed)
    assert confirmed.late
    assert confirmed.token is not None
    assert confirmed.token > answer.token
    assert await told(pool) == await kept(pool)


async def test_g3_confirmed_by_command_with_a_nic_missing(
    pool: Pool, inventory: Inventory, placement: Placement, answer: VmCreatePlaced
) -> None:
    """An operator binds a VM that has one of two NICs: the other's address is given back, and said so."""
    fact = made(inventory, answer, nics=1)
    await inventory.show(fact)
    await placement.ask(ReservationConfirm(reservation=answer.reservation, vm=fact.moid, by="maria"))
    [confirmed] = [event for event, _ in await placement.sent() if isinstance(event, VmCreateConfirmed)]
    assert (confirmed.by, confirmed.given_back) == ("maria", answer.nics[1].addresses)
    addresses = (await told(pool))[1]
    assert addresses.keys() == {answer.nics[0].addresses[0].address}
    assert (await told(pool))[0] == (await kept(pool))[0]


async def test_g3_a_name_in_use_is_told(pool: Pool, inventory: Inventory, placement: Placement) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    await inventory.show(inventory.vm_fact("vm-1", name="old"))
    asked = [request(name="old", request_id=str(uuid4())), request(name="new", request_id=str(uuid4()))]
    answers = await placement.ask(*asked)
    assert [event.name_was_free for event in answers if isinstance(event, VmCreatePlaced)] == [False, True]
    assert await told(pool) == await kept(pool)
    assert {row["vcenter_id"] for row in (await kept(pool))[0].values()} == {VCENTER}
