"""Fixes: addresses that operators state for ports, in order or by name, kept against what is observed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from services.allocator.announcing import Announcements
from services.allocator.batch import Occasion
from services.allocator.explaining import why
from services.allocator.fix_rows import apply_fixes
from services.allocator.settling import Policy, settle
from services.allocator.vm_queries import list_nics
from shared.events import commands as cmd
from shared.events.envelope import Envelope
from shared.events.vm_nics import VmNicsFixed, VmUnfixNics
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import Stage, Teller

pytestmark = pytest.mark.postgres


async def staged(pool: Pool) -> tuple[Stage, Teller]:
    """Subnets of both families on two wires, VM a with a port on each and a second on the first."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.subnet("dev", "10.0.1.0/24", "app")
    await stage.subnet("six", "2001:db8::/64", "web")
    await stage.tell(say.vm("a", "pg-1", "pg-2", "pg-1"))
    await stage.told()
    return stage, say


def fix(*fixes: str, vm: str = "a", dry_run: bool = False) -> cmd.VmFixNics:
    """Fixes as "ADDRESS" or "PORT=ADDRESS"."""
    parts = [text.rpartition("=") for text in fixes]
    return cmd.VmFixNics(
        vm=vm,
        fixes=tuple(cmd.PortFix(port=p or None, address=a) for p, _, a in parts),
        by="joe",
        dry_run=dry_run,
    )


async def test_addresses_go_to_the_ports_in_order_each_family_by_itself(pool: Pool) -> None:
    stage, _ = await staged(pool)
    answer = await stage.command(fix("10.0.0.5", "10.0.1.5", "2001:db8::5"))
    assert answer.complaint is None
    assert await stage.nics() == {"a/4000": ["10.0.0.5", "2001:db8::5"], "a/4001": ["10.0.1.5"]}


async def test_named_ports_take_several_addresses_and_the_rest_goes_to_the_others(pool: Pool) -> None:
    stage, _ = await staged(pool)
    answer = await stage.command(
        fix("Network adapter 3=10.0.0.7", "4002=2001:db8::7", "4002=10.0.0.8", "10.0.0.5")
    )
    assert answer.complaint is None
    assert await stage.nics() == {
        "a/4000": ["10.0.0.5"],
        "a/4002": ["10.0.0.7", "10.0.0.8", "2001:db8::7"],
    }


async def test_one_bad_address_and_nothing_is_fixed(pool: Pool) -> None:
    stage, _ = await staged(pool)
    before = await stage.dump()
    answer = await stage.command(fix("10.0.0.5", "10.99.0.5"))
    assert answer.complaint is not None
    assert answer.complaint.code == "outside_prefix"
    assert "'Network adapter 2', which is on wire 'app'" in answer.complaint.message
    assert await stage.dump() == before


async def test_a_dry_run_names_every_port_with_before_and_after(pool: Pool) -> None:
    stage, _ = await staged(pool)
    await stage.command(fix("10.0.0.5"))
    before = await stage.dump()
    answer = await stage.command(fix("10.0.0.6", dry_run=True))
    assert answer.result is not None
    (port,) = answer.result["ports"]
    assert (port["before"], [a["address"] for a in port["addresses"]]) == (["10.0.0.5"], ["10.0.0.6"])
    assert [e["type"] for e in answer.result["events"]] == ["vm.nics.fixed", "nic.updated"]
    assert await stage.dump() == before


@pytest.mark.parametrize(
    ("address", "other"), [("10.0.0.5", "10.0.0.6"), ("2001:db8::5", "2001:db8::6")], ids=["IPv4", "IPv6"]
)
async def test_g5_a_fix_survives_sync_and_the_difference_is_drift_everywhere(
    pool: Pool, address: str, other: str
) -> None:
    stage, _ = await staged(pool)
    await stage.command(fix(address))
    await stage.told()
    again = Teller(epoch=2)
    await stage.tell(again.vm("a", "pg-1", "pg-2", "pg-1"), again.guest("a", other))
    (told,) = await stage.told()
    assert (told.type, told.data.verdict) == ("address.unmatched", "drift")
    assert "patchbay vm unfix-nics" in told.data.explanation
    assert await stage.nics() == {"a/4000": [address]}
    (row,) = await list_nics(pool, vm="a")
    assert row.drift == (other,)
    recorded, drift = (await why(pool, "a")).ports[0].addresses
    assert (recorded.verdict, drift.verdict) == ("recorded", "drift")
    assert "joe stated it at 2026-01-01" in recorded.because, "G6: who, what and when"


async def test_unfix_lets_what_tools_report_count_again(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.command(fix("10.0.0.5", "10.0.1.5"))
    await stage.tell(say.guest("a", "10.0.0.6"))
    await stage.told()
    answer = await stage.command(VmUnfixNics(vm="a", ports=("4000",), by="joe"))
    assert answer.complaint is None
    told = await stage.told()
    assert [t.type for t in told] == ["vm.nics.unfixed", "nic.updated", "address.matched"]
    assert told[0].data.ports[0].before == ("10.0.0.5",)
    assert await stage.nics() == {"a/4000": ["10.0.0.6"], "a/4001": ["10.0.1.5"]}
    assert (await stage.ledger())["10.0.0.5"] == "cooling"
    await stage.command(VmUnfixNics(vm="a"))
    assert await stage.nics() == {"a/4000": ["10.0.0.6"]}


@pytest.mark.parametrize(
    ("ports", "code"), [((), "not_fixed"), (("4001",), "not_fixed"), (("4009",), "port_unknown")]
)
async def test_what_is_not_fixed_cannot_be_unfixed(pool: Pool, ports: tuple[str, ...], code: str) -> None:
    stage, _ = await staged(pool)
    if ports:
        await stage.command(fix("10.0.0.5"))
    answer = await stage.command(VmUnfixNics(vm="a", ports=ports))
    assert answer.complaint is not None
    assert answer.complaint.code == code


async def test_g3_decisions_alone_make_the_same_state_again_in_any_order(pool: Pool) -> None:
    stage, _ = await staged(pool)
    for command in (
        fix("10.0.0.5", "10.0.1.5"), fix("4000=10.0.0.6"), VmUnfixNics(vm="a", ports=("4001",)),
        fix("4001=10.0.1.9", "4000=10.0.0.5"),
    ):  # fmt: skip
        assert (await stage.command(command)).complaint is None
    decided: list[Envelope[Any]] = [t.envelope for t in await stage.told() if t.type.startswith("vm.nics.")]
    expected = await stage.dump()
    policy = Policy()
    for order in itertools.islice(itertools.permutations(decided), 0, None, 5):
        await pool.execute("DELETE FROM inventory.fix")
        await pool.execute("DELETE FROM inventory.statement")
        await pool.execute("DELETE FROM inventory.nic")
        await pool.execute("DELETE FROM ipam.address")
        for envelope in (*order, order[0]):
            async with transaction(pool) as conn:
                dirty = await apply_fixes(conn, envelope)
                await settle(conn, dirty, Occasion([envelope]), Announcements(), policy)
        found = await stage.dump()
        for table in expected:
            assert found[table] == expected[table], table


async def test_the_outcome_names_who_when_and_what(pool: Pool) -> None:
    stage, _ = await staged(pool)
    await stage.command(fix("10.0.0.5"))
    (told, *_) = await stage.told()
    decision = told.data
    assert isinstance(decision, VmNicsFixed)
    assert (decision.by, decision.vm_name, decision.at) == ("joe", "a", told.envelope.time)
    (port,) = decision.ports
    assert [(a.address, a.prefix, a.scope, a.subnet_name) for a in port.addresses] == [
        ("10.0.0.5", 24, "default", "prod")
    ]
