"""Additional wires: detected with evidence, pinned, denied."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from services.allocator.explaining_wires import why_wire, why_wires
from shared.events import commands as cmd
from shared.events.envelope import Envelope
from shared.events.vcenter import VcenterHeartbeat, VcenterLost
from shared.events.wire_commands import SubnetSetWires, WirePolicy
from shared.store.pool import Pool
from tests.integration.allocator.story import VC2, Stage, Teller, wire

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
        "or run: patchbay subnet set-wires prod --pin app"
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
        "1 VM is seen on it with addresses of the subnet, which weighs 1 of the 2 needed to attach it"
    )
    await stage.tell(say.guest("b", "10.0.0.6"))
    _, detected = await why_wires(pool, "prod")
    assert (detected.role, [w.vm_name for w in detected.evidence]) == ("detected", ["a", "b"])


def beat(say: Teller, days: float) -> Envelope[Any]:
    """The vCenter has spoken up to `days` after its last fact."""
    up_to = say.now() + timedelta(days=days)
    return say.envelope(VcenterHeartbeat, name="lab", current_to=up_to, lag_seconds=0)


@pytest.mark.parametrize(
    ("prefix", "one", "two"),
    [("10.0.0.0/24", "10.0.0.5", "10.0.0.6"), ("2001:db8::/64", "2001:db8::5", "2001:db8::6")],
)
async def test_a_wire_is_detached_when_nobody_was_seen_on_it_for_a_whole_rest(
    pool: Pool, prefix: str, one: str, two: str
) -> None:
    stage, say = await staged(pool, detach_days=2)
    await stage.subnet("prod", prefix, "web")
    await stage.tell(say.guest("a", one), say.guest("b", two))
    await stage.tell(say.gone("a"), say.gone("b"))
    await stage.told()
    await stage.tell(beat(say, 1))
    assert await pool.fetchval("SELECT count(*) FROM ipam.subnet_wire") == 1
    await stage.tell(beat(say, 40))
    (detached,) = await stage.told()
    assert (detached.type, detached.data.how, detached.data.before) == (
        "subnet.wire.detached", "evidence_ended", "detected",
    )  # fmt: skip
    assert [e.vm_name for e in detached.data.evidence] == ["a", "b"]
    assert await pool.fetchval("SELECT count(*) FROM ipam.subnet_wire") == 0
    later = Teller(epoch=24 * 60)
    await stage.tell(later.vm("c", "pg-2"), later.guest("c", one))
    assert await stage.unmatched() == {one: "subnet_on_other_wire"}, "what was seen before counts no more"


async def test_g4_guests_that_are_silent_are_evidence_as_long_as_they_exist(pool: Pool) -> None:
    stage, say = await staged(pool, detach_days=2)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.6"))
    await stage.tell(say.guest("a"), say.vm("a", "pg-2", power="off"), beat(say, 300))
    assert await pool.fetchval("SELECT role FROM ipam.subnet_wire") == "detected"


async def test_g4_while_a_vcenter_is_silent_no_evidence_ends(pool: Pool) -> None:
    stage, say = await staged(pool, detach_days=0.001)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.tell(say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.6"))
    await stage.tell(say.gone("a"), say.gone("b"))
    other = Teller(VC2, epoch=900)
    await stage.tell(beat(other, 30))
    await stage.tell(say.envelope(VcenterLost, name="lab", cause="unreachable", detail="no route"))
    assert await pool.fetchval("SELECT role FROM ipam.subnet_wire") == "detected"


async def test_g5_what_an_operator_pinned_or_denied_outlives_all_evidence(pool: Pool) -> None:
    stage, say = await staged(pool, detach_days=1)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="pin"))
    await stage.tell(say.guest("a", "10.0.0.5"), say.gone("a"), beat(say, 30))
    assert await pool.fetchval("SELECT role FROM ipam.subnet_wire") == "pinned"
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="deny"))
    await stage.tell(beat(say, 60))
    assert await pool.fetchval("SELECT role FROM ipam.subnet_wire") == "denied"


async def test_g3_detection_and_retirement_do_not_depend_on_the_order_of_facts(pool: Pool) -> None:
    stage, say = await staged(pool, detach_days=2)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    story = [
        say.guest("a", "10.0.0.5"), say.guest("b", "10.0.0.6"), say.gone("a"), say.gone("b"), beat(say, 9),
        say.vm("c", "pg-2"), say.guest("c", "10.0.0.7"), say.vm("b", "pg-2"), say.guest("b", "10.0.0.8"),
        say.vm("c", "pg-1"), beat(say, 10),
    ]  # fmt: skip
    await stage.each(story)
    lived = await roles(pool)
    for seed in range(12):
        chance = random.Random(seed)  # noqa: S311  a permutation, no secret
        shuffled = [*story, *story[:4]]
        chance.shuffle(shuffled)
        await pool.execute(
            "TRUNCATE inventory.vm, inventory.port, inventory.vm_head, inventory.vm_history, "
            "inventory.guest, inventory.sighting, inventory.nic, inventory.nic_address, inventory.unmatched, "
            "ipam.address, ipam.subnet_wire, inventory.vcenter"
        )
        again = Teller()
        await stage.tell(*shuffled[:5], again.vm("a", "pg-2"), again.vm("b", "pg-2"))
        await stage.each(shuffled[5:])
        assert await roles(pool) == lived, seed


async def roles(pool: Pool) -> list[tuple[object, ...]]:
    """What wires are to subnets, and who has which address."""
    rows = await pool.fetch("SELECT wire_id, role, since FROM ipam.subnet_wire ORDER BY 1")
    nics = await pool.fetch("SELECT nic_id, address, subnet_id FROM inventory.nic_address ORDER BY 1, 2")
    parked = await pool.fetch("SELECT port_id, address, verdict FROM inventory.unmatched ORDER BY 1, 2")
    return [tuple(row) for row in (*rows, *nics, *parked)]


async def test_several_wires_are_decided_on_at_once_or_not_at_all(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.portgroup("pg-3", "old"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.told()
    wrong = SubnetSetWires(
        subnet="prod", wires=(WirePolicy(wire="app", policy="pin"), WirePolicy(wire="ap", policy="deny"))
    )
    answer = await stage.command(wrong)
    assert answer.complaint is not None
    assert answer.complaint.code == "wire_unknown"
    assert "did you mean 'app'" in answer.complaint.message
    assert await stage.told() == []
    twice = SubnetSetWires(
        subnet="prod", wires=(WirePolicy(wire="app", policy="pin"), WirePolicy(wire="pg-2", policy="deny"))
    )
    answer = await stage.command(twice)
    assert answer.complaint is not None
    assert answer.complaint.code == "wire_twice"
    right = SubnetSetWires(
        subnet="prod", by="anna",
        wires=(WirePolicy(wire="app", policy="pin"), WirePolicy(wire="old", policy="deny")),
    )  # fmt: skip
    answer = await stage.command(right)
    assert answer.result is not None
    assert [(w["name"], w["role"]) for w in answer.result["wires"]] == [("app", "pinned"), ("old", "denied")]


async def test_every_decision_on_a_wire_leaves_an_event_that_says_all_of_it(pool: Pool) -> None:
    stage, _ = await staged(pool)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.told()
    expected = [
        ("deny", "subnet.wire.detached", "denied", None),
        ("auto", "subnet.wire.detached", "undenied", "denied"),
        ("pin", "subnet.wire.attached", "pinned", None),
        ("deny", "subnet.wire.detached", "denied", "pinned"),
        ("pin", "subnet.wire.attached", "pinned", "denied"),
        ("auto", "subnet.wire.detached", "unpinned", "pinned"),
    ]
    for policy, kind, how, before in expected:
        await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy=policy, by="anna"))
        (event,) = await stage.told()
        said = (event.type, event.data.how, event.data.before, event.data.by, event.data.wire_name)
        assert said == (kind, how, before, "anna", "app")
        assert event.data.since == event.envelope.time
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="auto", by="anna"))
    assert await stage.told() == [], "what holds already is decided already"


async def test_g6_a_single_wire_explains_itself_even_if_it_is_none_of_the_subnets(pool: Pool) -> None:
    stage, _ = await staged(pool)
    await stage.subnet("prod", "10.0.0.0/24", "web")
    why = await why_wire(pool, "prod", "app")
    assert (why.role, why.because) == (
        "none", "nobody is seen on it with an address of the subnet, and no operator said anything about it",
    )  # fmt: skip
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="deny", by="anna"))
    why = await why_wire(pool, "prod", "app")
    assert (why.role, why.by) == ("denied", "anna")
    assert why.because.startswith("anna denied it; 0 VMs are seen on it")
