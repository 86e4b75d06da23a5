"""Each kind of conflict from its opening to its end: both parties, since when, how it is found and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest

from services.allocator.conflict_queries import list_conflicts, show_conflict
from services.allocator.explaining import why
from shared.events import commands as cmd
from shared.events.address import ConflictKind
from shared.events.address_commands import AddressBind, AddressRelease, AddressReserve, AddressUnbind
from shared.events.envelope import Envelope, wrap
from shared.events.placement import BoundPort, PlacedAddress, VmCreateCancelled, VmCreateConfirmed
from shared.events.subnet import AddressRange
from shared.ipam.domain import Holder, Release
from shared.ipam.ledger import allocate, release
from shared.model.identifiers import DEFAULT_SCOPE_NAME, nic_id, port_id, scope_id
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, VC1, VC2, Stage, Teller, instance, wire

pytestmark = pytest.mark.postgres
SCOPE = scope_id(DEFAULT_SCOPE_NAME)
RESERVATION = UUID(int=77)
MAC = "00:50:56:00:00:99"
BOTH = pytest.mark.parametrize("address", ["10.0.0.5", "2001:db8::5"], ids=["IPv4", "IPv6"])


@dataclass
class Scene:
    """A wire with a subnet of each family, and VMs a and b on it."""

    stage: Stage
    say: Teller
    subnets: dict[int, UUID]
    address: str

    @property
    def subnet(self) -> UUID:
        """The one that contains the address."""
        return self.subnets[6 if ":" in self.address else 4]

    async def seen(self, vm: str, address: str | None = None) -> datetime:
        """Tools report the address; when."""
        fact = self.say.guest(vm, address or self.address)
        await self.stage.tell(fact)
        assert fact.time is not None
        return fact.time

    async def done(self, command: cmd.Command) -> None:
        """Carry out a command."""
        answer = await self.stage.command(command)
        assert answer.complaint is None, answer.complaint

    @property
    def spot(self) -> tuple[AddressRange, ...]:
        """The address as a range."""
        return (AddressRange(first=self.address, last=self.address),)


async def staged(pool: Pool, address: str, **settings: object) -> Scene:
    """The scene, with nothing told yet."""
    stage, say = Stage(pool, **settings), Teller()
    await stage.tell(say.portgroup("pg-1", "web"))
    four = await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    six = await stage.subnet("six", "2001:db8::/64", "web", gateway="2001:db8::1")
    await stage.tell(say.vm("a", "pg-1"), say.vm("b", "pg-1"))
    await stage.told()
    return Scene(stage, say, {4: four, 6: six}, address)


Opening = Callable[[Scene], Awaitable[datetime]]
"""Makes the conflict; since when both claim it."""
Ending = Callable[[Scene], Awaitable[object]]


async def _address(scene: Scene) -> datetime:
    await scene.seen("b")
    return await scene.seen("a")


async def _fixed(scene: Scene) -> datetime:
    await scene.done(cmd.VmFixNics(vm="b", fixes=(cmd.PortFix(address=scene.address),), by="joe"))
    return max(await scene.seen("a"), START + timedelta(hours=10, seconds=3))


async def _bound(scene: Scene) -> datetime:
    await scene.done(AddressBind(address=scene.address, mac=MAC, note="the printer", by="joe"))
    return await scene.seen("a")


async def _reserved(scene: Scene) -> datetime:
    await scene.done(AddressReserve(ranges=scene.spot, note="the printer", by="joe"))
    return await scene.seen("a")


async def _reservation(scene: Scene) -> datetime:
    holder = Holder("reservation", RESERVATION)
    async with transaction(scene.stage.pool) as conn:
        await allocate(conn, scene.subnet, 1, holder, START, now=START, wanted=scene.address)
    return await scene.seen("a")


async def _gateway(scene: Scene) -> datetime:
    scene.address = "2001:db8::1" if ":" in scene.address else "10.0.0.1"
    return await scene.seen("a")


async def _gives_it_up(scene: Scene) -> None:
    await scene.seen("a", "10.0.0.99")


async def _holder_gone(scene: Scene) -> None:
    await scene.stage.tell(scene.say.gone("b"))


async def _unfixed(scene: Scene) -> None:
    await scene.done(cmd.VmFixNics(vm="b", fixes=(cmd.PortFix(address="10.0.0.98"),)))
    await scene.done(cmd.VmFixNics(vm="b", fixes=(cmd.PortFix(address="2001:db8::98"),)))


async def _other_gateway(scene: Scene) -> None:
    six = ":" in scene.address
    name, gateway = ("six", "2001:db8::fe") if six else ("prod", "10.0.0.254")
    await scene.done(cmd.SubnetUpdate(subnet=name, gateway=gateway))


async def _unbound(scene: Scene) -> None:
    await scene.done(AddressUnbind(address=scene.address))


async def _released(scene: Scene) -> None:
    await scene.done(AddressRelease(ranges=scene.spot))


async def _mac_comes(scene: Scene) -> None:
    port = scene.say.vm("c", "pg-1").data.ports[0].model_copy(update={"mac": MAC})
    await scene.stage.tell(scene.say.vm("c", ports_=(port,)))
    await scene.seen("c")
    (now,) = await list_conflicts(scene.stage.pool)
    assert (now.kind, now.holder.vm_name, now.claimant.vm_name) == ("bound", "c", "a")
    await scene.seen("a", "10.0.0.99")


async def _cancelled(scene: Scene) -> None:
    holder = Holder("reservation", RESERVATION)
    async with transaction(scene.stage.pool) as conn:
        await release(conn, SCOPE, [Release(scene.address, holder, START)], cooldown=False)
    ended = VmCreateCancelled(request_id="r", reservation=RESERVATION)
    await scene.stage.tell(wrap(ended, source="placement", time=START))


OPENINGS: dict[str, Opening] = {
    "address": _address,
    "fixed": _fixed,
    "bound": _bound,
    "reserved": _reserved,
    "reservation": _reservation,
    "gateway": _gateway,
}
GIVEN_UP = "the claimant gave the address up"
ENDINGS: list[tuple[str, Ending, str]] = [
    *((kind, _gives_it_up, GIVEN_UP) for kind in OPENINGS),
    ("address", _holder_gone, "the holder gave the address up"),
    ("fixed", _unfixed, "the holder gave the address up"),
    ("bound", _unbound, "the address is reserved no more"),
    ("bound", _mac_comes, "the port that it is kept for has it now"),
    ("reserved", _released, "the address is reserved no more"),
    ("reservation", _cancelled, "the reservation was confirmed, or ended"),
    ("gateway", _other_gateway, "the subnet has another gateway"),
]


def _named(value: object) -> str:
    return getattr(value, "__name__", str(value)).strip("_")


def holder_of(scene: Scene, kind: str) -> dict[str, Any]:
    """What is told of the holder."""
    if kind in ("address", "fixed"):
        known = {"vcenter": VC1, "vm": instance("b"), "vm_name": "b", "vm_moid": "vm-b"}
        nic = nic_id(instance("b"), 4000)
        return {"kind": "nic", "id": nic, "port": port_id(instance("b"), 4000), **known}
    if kind == "reservation":
        return {"kind": "reservation", "id": RESERVATION}
    if kind == "gateway":
        return {"kind": "gateway", "id": scene.subnet, "name": "six" if ":" in scene.address else "prod"}
    return {"kind": "reserved", "name": "the printer"}


@BOTH
@pytest.mark.parametrize(("kind", "ending", "outcome"), ENDINGS, ids=_named)
async def test_a_conflict_about_an_address_from_its_opening_to_its_end(
    pool: Pool, address: str, kind: str, ending: Ending, outcome: str
) -> None:
    scene = await staged(pool, address)
    since = await OPENINGS[kind](scene)
    (row,) = await list_conflicts(pool)
    opened = [t.data for t in await scene.stage.told() if t.type == "address.conflict.opened"][-1]
    assert (row.kind, row.what, row.scope, row.opened_at) == (kind, scene.address, "default", since)
    assert (opened.id, opened.kind, opened.address, opened.since) == (row.id, kind, scene.address, since)
    assert (opened.holder, opened.claimant) == (row.holder, row.claimant)
    told = row.holder.model_dump(exclude_none=True)
    assert {key: told.get(key) for key in holder_of(scene, kind)} == holder_of(scene, kind)
    assert (row.claimant.vm_name, row.claimant.vm_moid, row.claimant.vcenter) == ("a", "vm-a", VC1)
    assert (row.claimant.vm, row.claimant.port) == (instance("a"), port_id(instance("a"), 4000))
    for named in (scene.address, str(row.id), str(row.id)[:8]):
        assert await show_conflict(pool, named) == row
    for chosen in ({"kinds": [kind]}, {"vm": "a"}, {"address": scene.address}, {"scope": "default"}):
        assert await list_conflicts(pool, **chosen) == [row]
    assert await list_conflicts(pool, kinds=[k for k in get_args(ConflictKind) if k != kind]) == []
    await ending(scene)
    assert await list_conflicts(pool) == []
    resolved = next(t.data for t in await scene.stage.told() if t.type == "address.conflict.resolved")
    assert (resolved.id, resolved.kind, resolved.since, resolved.outcome) == (row.id, kind, since, outcome)
    assert (resolved.claimant.vm_name, resolved.holder.kind) in {("a", row.holder.kind), ("a", "sighting")}


async def _one_mac(scene: Scene) -> Envelope[Any]:
    mac = await scene.stage.pool.fetchval("SELECT mac FROM inventory.port WHERE vm_moid = 'vm-a'")
    port = scene.say.vm("c", "pg-1").data.ports[0].model_copy(update={"mac": str(mac)})
    return scene.say.vm("c", ports_=(port,))


async def test_a_mac_that_two_have_is_told_with_both_from_the_later_one_on(pool: Pool) -> None:
    scene = await staged(pool, "10.0.0.5")
    twin = await _one_mac(scene)
    await scene.stage.tell(twin)
    (row,) = await list_conflicts(pool, kinds=["mac"])
    assert (row.opened_at, row.scope, row.holder.kind, row.claimant.kind) == (
        twin.time, "default", "port", "port",
    )  # fmt: skip
    assert (row.holder.port, row.claimant.vm_name) == (port_id(instance("a"), 4000), "c")
    assert await show_conflict(pool, row.what) == await show_conflict(pool, row.what.upper()) == row
    (opened,) = [t.data for t in await scene.stage.told() if t.type == "address.conflict.opened"]
    assert (opened.since, opened.mac, opened.holder, opened.claimant) == (
        twin.time, row.what, row.holder, row.claimant,
    )  # fmt: skip
    await scene.stage.tell(scene.say.gone("a"))
    (resolved,) = [t.data for t in await scene.stage.told() if t.type == "address.conflict.resolved"]
    assert resolved.outcome == "one of the two was turned off or removed, or has another MAC"


async def test_an_instance_uuid_that_two_have_is_told_with_both_from_the_later_one_on(pool: Pool) -> None:
    scene, there = await staged(pool, "10.0.0.5"), Teller(VC2)
    there.sequence += 50
    copy = there.vm("a", "pg-9", moid="vm-9")
    await scene.stage.tell(there.portgroup("pg-9"), copy)
    scene.say.sequence += 100
    await scene.stage.tell(scene.say.vm("a", "pg-1"))
    (row,) = await list_conflicts(pool, kinds=["instance_uuid"])
    assert (row.opened_at, row.scope, row.what) == (copy.time, None, str(instance("a")))
    assert (row.holder.vm_moid, row.claimant.vm_moid, row.claimant.vcenter) == ("vm-a", "vm-9", VC2)
    assert await show_conflict(pool, str(instance("a"))) == row
    (opened,) = [t.data for t in await scene.stage.told() if t.type == "address.conflict.opened"]
    assert (opened.since, opened.instance_uuid, opened.holder, opened.claimant) == (
        copy.time, instance("a"), row.holder, row.claimant,
    )  # fmt: skip
    await scene.stage.tell(there.vm("a", "pg-9", moid="vm-9", power="off"))
    (resolved,) = [t.data for t in await scene.stage.told() if t.type == "address.conflict.resolved"]
    assert resolved.outcome == "one of the two was turned off or removed, or has another instance UUID"


@BOTH
@pytest.mark.parametrize("winner", ["living", "earlier"])
async def test_g5_what_is_kept_for_another_stays_so_by_either_rule(
    pool: Pool, address: str, winner: str
) -> None:
    """The winner's rule is about two ports alone: a reservation never yields to whoever is alive."""
    scene = await staged(pool, address, conflict_winner=winner)
    await _reservation(scene)
    assert await scene.stage.nics() == {}
    assert await scene.stage.ledger() == {address: "reservation"}
    (explained,) = (await why(pool, "a")).ports[0].addresses
    assert (explained.verdict, f"reservation {RESERVATION}" in explained.because) == ("reserved", True)


@BOTH
async def test_a_reservation_that_is_confirmed_hands_its_side_to_the_vm_it_was_for(
    pool: Pool, address: str
) -> None:
    """Whoever is seen with it keeps being told of: now by the NIC record of the new VM."""
    scene = await staged(pool, address)
    since = await _reservation(scene)
    (before,) = await list_conflicts(pool)
    await scene.stage.told()
    confirmed = START + timedelta(hours=5)
    placed = PlacedAddress(address=address, prefix=64, subnet=scene.subnet, subnet_name="prod")
    said = VmCreateConfirmed(
        request_id="r", reservation=RESERVATION, vcenter=VC1, vm=instance("b"), vm_moid="vm-b", vm_name="b",
        recognised_by="annotation", confirmed_at=confirmed,
        ports=(BoundPort(index=0, device_key=4000, wire=wire("pg-1"), addresses=(placed,)),),
    )  # fmt: skip
    await scene.stage.tell(wrap(said, source="placement", time=confirmed))
    assert await scene.stage.nics() == {"b/4000": [address]}
    (after,) = await list_conflicts(pool)
    assert (after.kind, after.holder.vm_name, after.claimant.vm_name) == ("address", "b", "a")
    assert after.opened_at == max(since, confirmed)
    told = [t for t in await scene.stage.told() if "conflict" in t.type]
    assert [(t.type, t.data.id) for t in told] == [
        ("address.conflict.opened", after.id), ("address.conflict.resolved", before.id),
    ]  # fmt: skip
    assert told[1].data.outcome == "the reservation was confirmed, or ended"
