"""Additional wires: detected with evidence, pinned, denied."""

from __future__ import annotations

import pytest

from services.allocator.explaining_wires import why_wires
from shared.events import commands as cmd
from shared.events.vcenter import VcenterHeartbeat
from shared.store.pool import Pool
from tests.integration.allocator.story import Stage, Teller, wire

pytestmark = pytest.mark.postgres


async def staged(pool: Pool, **settings: object) -> tuple[Stage, Teller]:
    """Wires web and app; VMs a and b on app."""
    stage, say = Stage(pool, **settings), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"))
    await stage.tell(say.vm("a", "pg-2"), say.vm("b", "pg-2"))
    await stage.told()
    return stage, say


async def test_sightings_attach_a_wire_once_there_is_enough_of_them(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    await stage.tell(say.guest("a", "10.0.0.5", gateway="10.0.0.1"))
    told = {t.type: t.data for t in await stage.told()}
    assert told["address.unmatched"].explanation == (
        "10.0.0.5 on wire 'app' lies in subnet 'prod' of wire 'web'; 1 of 2 sightings needed to attach it, "
        "or run: patchbay subnet set-wire prod 'app' pin"
    )
    await stage.tell(say.guest("b", "10.0.0.6"))
    events = await stage.told()
    assert [t.type for t in events] == [
        "subnet.wire.attached", "nic.created", "nic.created", "address.matched",
    ]  # fmt: skip
    attached = events[0].data
    assert (attached.how, attached.wire_name) == ("detected", "app")
    assert [(e.vm_name, e.address, e.strong) for e in attached.evidence] == [
        ("a", "10.0.0.5", True), ("b", "10.0.0.6", False),
    ]  # fmt: skip
    assert await stage.nics() == {"a/4000": ["10.0.0.5"], "b/4000": ["10.0.0.6"]}


async def test_a_subnet_that_is_created_attaches_the_wires_it_is_seen_on(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.6"))
    await stage.told()
    await stage.subnet("prod", "10.0.0.0/24", "web")
    types = await stage.types()
    assert types.count("subnet.wire.attached") == 1
    assert types.count("nic.created") == 2


async def test_two_addresses_of_one_vm_are_one_piece_of_evidence(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.tell(say.guest("a", ["10.0.0.5", "10.0.0.6"]))
    assert await stage.nics() == {}


async def test_strong_evidence_may_weigh_more(pool: Pool) -> None:
    stage, say = await staged(pool, strong_weight=2)
    await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    await stage.tell(say.guest("a", "10.0.0.5", prefix=25, gateway="10.0.0.1"))
    assert await stage.nics() == {}
    await stage.tell(say.guest("b", "10.0.0.6", gateway="10.0.0.1"))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"], "b/4000": ["10.0.0.6"]}


async def test_g5_what_an_operator_denied_is_never_attached_by_evidence(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="deny"))
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.6"))
    assert await stage.nics() == {}
    assert set((await stage.unmatched()).values()) == {"denied"}
    answer = await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="auto"))
    assert answer.result is not None
    assert answer.result["role"] == "detected"
    assert len(await stage.nics()) == 2


async def test_denying_a_wire_releases_its_records_and_pinning_brings_them_back(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="pin"))
    await stage.tell(say.guest("a", "10.0.0.5"))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}
    await stage.told()
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="deny"))
    assert await stage.types() == ["subnet.wire.detached", "nic.released", "address.unmatched"]
    assert await stage.ledger() == {"10.0.0.5": "sighting"}
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="pin"))
    assert await stage.types() == ["subnet.wire.attached", "nic.created", "address.matched"]


async def test_a_wire_stays_attached_when_its_evidence_goes(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.6"))
    await stage.tell(say.gone("a"), say.gone("b"))
    assert await pool.fetchval("SELECT wire_id FROM ipam.subnet_wire") == wire("pg-2")


async def test_equal_ranges_in_two_scopes_belong_to_the_ports_own_wire(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.vm("c", "pg-1"))
    await stage.subnet("left", "10.0.0.0/24", "web", scope="left")
    await stage.subnet("right", "10.0.0.0/24", "app", scope="right")
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("c", "10.0.0.5"))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"], "c/4000": ["10.0.0.5"]}
    assert await pool.fetchval("SELECT count(*) FROM ipam.address") == 2
    assert await stage.unmatched() == {}


async def test_equal_fits_on_one_wire_are_not_guessed_between(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.subnet("left", "10.0.0.0/24", "app", scope="left")
    await stage.subnet("right", "10.0.0.0/24", "app", scope="right")
    await stage.tell(say.guest("a", "10.0.0.5"))
    assert await stage.unmatched() == {"10.0.0.5": "ambiguous"}


async def test_g6_each_wire_of_a_subnet_explains_itself(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.envelope(VcenterHeartbeat, name="lab", current_to=say.now(), lag_seconds=0))
    await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    await stage.tell(say.guest("a", "10.0.0.5", gateway="10.0.0.1"))
    default, seen = await why_wires(pool, "prod")
    assert (default.wire_name, default.role) == ("web", "default")
    assert (seen.wire_name, seen.role, seen.strong) == ("app", "seen", 1)
    assert seen.because == (
        "1 VMs were seen on it with addresses of the subnet, which weighs 1 of the 2 needed to attach it"
    )
    await stage.tell(say.guest("b", "10.0.0.6"))
    _, detected = await why_wires(pool, "prod")
    assert (detected.role, [w.vm_name for w in detected.evidence]) == ("detected", ["a", "b"])
