"""Operators' commands: what they do, and each mistake with its own complaint."""

from __future__ import annotations

from typing import Any

import pytest

from services.allocator.conflict_queries import list_conflicts
from services.allocator.explaining import why
from services.allocator.queries import list_subnets, list_vcenters, list_wires, show_subnet, show_wire
from services.allocator.vm_queries import list_nics, list_unmatched, list_vms
from shared.events import commands as cmd
from shared.events import vcenter
from shared.store.pool import Pool
from tests.integration.allocator.story import VC2, Stage, Teller, instance

pytestmark = pytest.mark.postgres


async def staged(pool: Pool) -> tuple[Stage, Teller]:
    """Two wires, subnet prod on the first, VM a with a port on each, Tools silent."""
    stage, say = Stage(pool), Teller()
    await stage.tell(
        say.envelope(vcenter.VcenterConnected, name="lab", product="VMware vCenter Server 8.0.3"),
        say.portgroup("pg-1", "web"),
        say.portgroup("pg-2", "app"),
    )
    await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    await stage.tell(say.vm("a", "pg-1", "pg-2"), say.vm("b", "pg-1"))
    await stage.told()
    return stage, say


async def complaint(stage: Stage, command: cmd.Command) -> str:
    """The code of the complaint that `command` gets; it must have changed nothing."""
    before = await stage.dump()
    answer = await stage.command(command)
    assert answer.complaint is not None, answer
    assert answer.complaint.message
    assert await stage.dump() == before
    assert await stage.types() == []
    return answer.complaint.code


def create(**values: Any) -> cmd.SubnetCreate:
    """A subnet like any other, but for `values`."""
    return cmd.SubnetCreate(**({"name": "new", "prefix": "10.5.0.0/24", "wire": "web"} | values))


def fix(*fixes: tuple[str | None, str], vm: str = "a") -> cmd.VmFixNics:
    """A statement about ports of a VM."""
    return cmd.VmFixNics(vm=vm, fixes=tuple(cmd.PortFix(port=p, address=a) for p, a in fixes), by="joe")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (create(wire="wbe"), "wire_unknown"),
        (create(prefix="10.0.0.128/25"), "subnet_overlaps"),
        (create(name="prod"), "name_taken"),
        (create(gateway="10.6.0.1"), "gateway_outside_prefix"),
        (cmd.SubnetDelete(subnet="nope"), "subnet_unknown"),
        (cmd.SubnetUpdate(subnet="prod"), "nothing_to_change"),
        (cmd.SubnetSetWire(subnet="prod", wire="web", policy="deny"), "wire_is_default"),
        (fix((None, "10.0.0.5"), vm="nobody"), "vm_unknown"),
        (fix(("4009", "10.0.0.5")), "port_unknown"),
        (fix((None, "10.0.0.5"), (None, "10.0.0.5")), "address_twice"),
        (fix((None, "10.0.0.5"), (None, "10.0.0.6"), (None, "10.0.0.7")), "too_many_addresses"),
        (fix(("4001", "10.0.0.5")), "no_subnet_on_wire"),
        (fix((None, "10.0.0.5"), (None, "10.0.0.6")), "no_subnet_on_wire"),
        (fix(("4000", "10.0.0.0")), "address_not_allocatable"),
        (fix(("4000", "169.254.1.1")), "link_local"),
    ],
)
async def test_each_mistake_has_its_complaint_and_changes_nothing(
    pool: Pool, command: cmd.Command, code: str
) -> None:
    stage, _ = await staged(pool)
    assert await complaint(stage, command) == code


async def test_an_ambiguous_wire_name_lists_the_candidates(pool: Pool) -> None:
    stage, _ = await staged(pool)
    await stage.tell(Teller(VC2).portgroup("pg-1", "web"))
    await stage.told()
    answer = await stage.command(create())
    assert answer.complaint is not None
    assert answer.complaint.code == "wire_ambiguous"
    assert answer.complaint.message.count("pg-1") == 2
    identity = str((await list_wires(pool, vcenter=VC2))[0].id)
    answer = await stage.command(create(wire=identity))
    assert answer.complaint is None


async def test_a_near_miss_is_named(pool: Pool) -> None:
    stage, _ = await staged(pool)
    answer = await stage.command(create(wire="wbe"))
    assert answer.complaint is not None
    assert "did you mean 'web'" in answer.complaint.message


async def test_g3_a_command_delivered_twice_has_the_same_answer_and_no_further_effect(pool: Pool) -> None:
    stage, _ = await staged(pool)
    first = await stage.command(create())
    await stage.told()
    second = await stage.command(create())
    assert first.result == second.result
    assert await stage.types() == []
    assert (await stage.command(create(mtu=9000))).complaint is not None


async def test_a_subnet_in_use_is_not_deleted_and_an_unused_one_is(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"))
    await stage.told()
    assert await complaint(stage, cmd.SubnetDelete(subnet="prod")) == "subnet_in_use"
    await stage.tell(say.gone("a"))
    await stage.told()
    answer = await stage.command(cmd.SubnetDelete(subnet="prod"))
    assert answer.complaint is None
    assert await stage.types() == ["subnet.deleted"]


async def test_deleting_a_subnet_changes_the_verdict_on_what_was_seen_elsewhere(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", [], "10.0.0.5"))
    assert await stage.unmatched() == {"10.0.0.5": "subnet_on_other_wire"}
    await stage.command(cmd.SubnetDelete(subnet="prod"))
    assert await stage.unmatched() == {"10.0.0.5": "no_subnet_on_wire"}


async def test_an_updated_subnet_is_told_with_what_it_was(pool: Pool) -> None:
    stage, _ = await staged(pool)
    answer = await stage.command(cmd.SubnetUpdate(subnet="prod", gateway="10.0.0.254", dns=("10.0.0.2",)))
    assert answer.complaint is None
    (told,) = await stage.told()
    assert (told.data.before.gateway, told.data.subnet.gateway) == ("10.0.0.1", "10.0.0.254")
    assert told.data.subnet.revision == 2


async def test_g5_a_fixed_address_is_recorded_and_never_overwritten(pool: Pool) -> None:
    stage, say = await staged(pool)
    answer = await stage.command(fix(("4000", "10.0.0.9")))
    assert answer.result is not None
    assert answer.result["ports"][0]["addresses"][0]["subnet_name"] == "prod"
    assert await stage.types() == ["vm.nics.fixed", "nic.created"]
    await stage.tell(say.guest("a", "10.0.0.44"))
    (told,) = await stage.told()
    assert (told.data.verdict, told.data.sighting.address) == ("drift", "10.0.0.44")
    assert "an operator stated 10.0.0.9" in told.data.explanation
    assert await stage.nics() == {"a/4000": ["10.0.0.9"]}
    assert await stage.ledger() == {"10.0.0.9": "nic", "10.0.0.44": "sighting"}
    explained = await why(pool, "a")
    assert [a.verdict for a in explained.ports[0].addresses] == ["recorded", "drift"]


@pytest.mark.parametrize("port", ["4000", "network adapter 1", "by-mac", None])
async def test_a_port_is_named_by_key_label_mac_or_position(pool: Pool, port: str | None) -> None:
    stage, _ = await staged(pool)
    if port == "by-mac":
        port = str(
            await pool.fetchval("SELECT mac FROM inventory.port WHERE device_key = 4000 AND vm_moid = 'vm-a'")
        )
        port = port.upper().replace(":", "-")
    assert (await stage.command(fix((port, "10.0.0.9")))).complaint is None
    assert await stage.nics() == {"a/4000": ["10.0.0.9"]}


async def test_a_fix_replaces_the_one_before_and_takes_no_address_from_others(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("b", "10.0.0.7"))
    await stage.told()
    assert await complaint(stage, fix(("4000", "10.0.0.7"))) == "address_taken"
    await stage.command(fix(("4000", "10.0.0.9")))
    await stage.command(fix(("4000", "10.0.0.10")))
    assert (await stage.nics())["a/4000"] == ["10.0.0.10"]
    assert (await stage.ledger())["10.0.0.9"] == "cooling"


async def test_a_fix_is_void_for_a_vm_that_was_removed(pool: Pool) -> None:
    stage, _ = await staged(pool)
    await stage.command(fix(("4000", "10.0.0.9")))
    later = Teller(epoch=20)
    await stage.tell(later.gone("a"))
    assert await stage.nics() == {}
    assert await stage.ledger() == {"10.0.0.9": "cooling"}
    await stage.tell(later.vm("a", "pg-1"))
    assert await stage.nics() == {}


async def test_what_the_weaker_source_says_can_be_fixed_on_a_port(pool: Pool) -> None:
    """The way out that the verdict itself names."""
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", tools="running", unplaced="10.0.0.9"))
    assert await stage.unmatched() == {"10.0.0.9": "weaker_source"}
    answer = await stage.command(fix(("4000", "10.0.0.9")))
    assert answer.complaint is None
    assert await stage.nics() == {"a/4000": ["10.0.0.9"]}
    assert await stage.unmatched() == {}
    assert await stage.ledger() == {"10.0.0.9": "nic"}
    assert await pool.fetchval("SELECT count(*) FROM inventory.conflict") == 0


async def test_lists_and_reasons(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5", "10.0.0.6"), say.guest("b"))
    (known,) = await list_vcenters(pool)
    assert (known.name, known.state, known.vms, known.wires) == ("lab", "connected", 2, 2)
    assert [(w.name, w.ports, w.nics, w.unmatched) for w in await list_wires(pool)] == [
        ("app", 1, 0, 1), ("web", 2, 1, 0),
    ]  # fmt: skip
    assert [(r.subnet_name, r.role) for r in (await show_wire(pool, "web")).subnets] == [("prod", "default")]
    (subnet,) = await list_subnets(pool)
    assert (subnet.facts.name, subnet.use.by_kind) == ("prod", {"nic": 1, "sighting": 1})
    assert (await show_subnet(pool, "prod")).wires[0].wire_name == "web"
    assert [(v.name, v.addresses, v.unmatched) for v in await list_vms(pool)] == [
        ("a", ("10.0.0.5",), 1), ("b", (), 0),
    ]  # fmt: skip
    assert [(n.vm_name, n.address, n.subnet_name) for n in await list_nics(pool, subnet="prod")] == [
        ("a", "10.0.0.5", "prod")
    ]
    assert [u.verdict for u in await list_unmatched(pool, vm="a")] == ["subnet_on_other_wire"]
    assert await list_conflicts(pool) == []
    explained = await why(pool, "a")
    assert explained.id == instance("a")
    assert [p.summary.split(":")[0] for p in explained.ports] == [
        "has a NIC record with 10.0.0.5", "has no NIC record",
    ]  # fmt: skip
    assert "not running" in (await why(pool, "b")).ports[0].summary


async def test_a_dry_run_tells_what_would_come_of_it_and_changes_nothing(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.guest("b", "10.5.0.7"))
    await stage.told()
    before = await stage.dump()
    answer = await stage.command(create(dry_run=True))
    assert answer.result is not None
    assert answer.result["dry_run"] is True
    assert [e["type"] for e in answer.result["events"]] == [
        "subnet.created",
        "nic.created",
        "address.matched",
    ]
    assert await stage.dump() == before
    assert await stage.types() == []
    assert await complaint(stage, create(dry_run=True, wire="wbe")) == "wire_unknown"
