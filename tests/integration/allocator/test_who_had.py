"""History: who had which address when; the same in any order of facts (G3), forgotten after a set time."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from services.allocator.pruning import forget_sightings, forget_tenures, prune
from services.allocator.tenure_queries import nic_history, who_had
from shared.events import commands as cmd
from shared.events.vm_nics import VmUnfixNics
from shared.ipam.errors import LedgerRefusal
from shared.store.pool import Pool
from tests.integration.allocator.story import START, VC2, Stage, Teller
from tests.integration.allocator.test_scopes import Scoped

pytestmark = pytest.mark.postgres
BOTH = pytest.mark.parametrize(
    ("address", "other"), [("10.0.0.5", "10.0.0.6"), ("2001:db8::5", "2001:db8::6")], ids=["IPv4", "IPv6"]
)


async def staged(pool: Pool) -> tuple[Stage, Teller]:
    """Wires pg-1 and pg-2 with a subnet of each family on the first."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.subnet("six", "2001:db8::/64", "web")
    return stage, say


@BOTH
async def test_an_address_passes_from_vm_to_vm_and_each_period_is_told(
    pool: Pool, address: str, other: str
) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.vm("a", "pg-1"), say.vm("b", "pg-1"))
    first = say.guest("a", address)
    second = say.guest("a", other)
    third = say.guest("b", address)
    gone = say.gone("b")
    back = say.guest("a", address)
    await stage.each([first, second, third, gone, back])
    had = [(h.vm_name, h.since, h.until) for h in await who_had(pool, address)]
    assert had == [
        ("a", back.time, None), ("b", third.time, gone.time), ("a", first.time, second.time),
    ]  # fmt: skip
    (then,) = await who_had(pool, address, at=third.time)
    assert (then.vm_name, then.device_key, then.wire_name, then.how) == ("b", 4000, "web", "seen")
    assert then.mac is not None
    assert await who_had(pool, address, at=second.time) == []
    assert [(h.address, h.until) for h in await nic_history(pool, "a")] == [
        (address, None), (other, back.time), (address, second.time),
    ]  # fmt: skip


async def test_a_move_to_another_wire_begins_a_period_of_its_own(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    moved = say.vm("a", "pg-2")
    await stage.tell(moved)
    assert [(h.wire_name, h.until) for h in await who_had(pool, "10.0.0.5")] == [
        ("app", None), ("web", moved.time),
    ]  # fmt: skip


async def test_scopes_are_told_apart(pool: Pool) -> None:
    stage, say = await staged(pool)
    there = Scoped(VC2)
    there.scope = "lab"
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    await stage.tell(there.portgroup("pg-9"), there.vm("b", "pg-9"), there.guest("b", "10.0.0.5"))
    assert {h.scope for h in await who_had(pool, "10.0.0.5")} == {"default", "lab"}
    assert [h.vm_name for h in await who_had(pool, "10.0.0.5", scope="lab")] == ["b"]
    with pytest.raises(LedgerRefusal, match="'default', 'lab'"):
        await who_had(pool, "10.0.0.5", scope="lba")


async def test_what_operators_stated_is_part_of_history(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.vm("a", "pg-1"))
    fix = cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address="10.0.0.9"),), by="joe")
    await stage.command(fix)
    await stage.command(fix)
    await stage.command(VmUnfixNics(vm="a"))
    (had,) = await who_had(pool, "10.0.0.9")
    assert (had.how, had.by, had.vm_name, had.until is not None) == ("stated", "joe", "a", True)
    assert had.until is not None
    assert had.until - had.since == timedelta(seconds=2)
    assert await nic_history(pool, "a") == [had]


async def test_g3_periods_do_not_depend_on_the_order_of_facts(pool: Pool) -> None:
    stage, say = await staged(pool)
    dice = random.Random(5)  # noqa: S311  a reproducible story, no secret
    facts = [say.vm("a", "pg-1", "pg-2")]
    for _ in range(25):
        what = dice.random()
        if what < 0.6:
            facts.append(say.guest("a", *[f"10.0.0.{dice.randint(2, 4)}" for _ in range(2)]))
        elif what < 0.8:
            facts.append(say.vm("a", *dice.choice([("pg-1", "pg-2"), ("pg-2",), ("pg-1", "pg-1")])))
        else:
            facts.append(say.gone("a"))
    await stage.each(facts)
    expected = (await stage.dump())["inventory.tenure"]
    assert len(expected) > 10
    for seed in range(6):
        for table in ("tenure", "sighting", "vm_history", "vm_head", "vm", "port", "nic", "unmatched"):
            await pool.execute(f"DELETE FROM inventory.{table}")  # noqa: S608
        shuffled = list(facts)
        random.Random(seed).shuffle(shuffled)  # noqa: S311
        if seed % 2:
            await stage.tell(*shuffled)
        else:
            await stage.each([*shuffled, shuffled[3]])
        assert (await stage.dump())["inventory.tenure"] == expected


async def test_what_ended_long_ago_is_forgotten_and_the_rest_stays(pool: Pool) -> None:
    stage, say = await staged(pool)
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    middle = say.guest("a", "10.0.0.6")
    last = say.guest("a", "10.0.0.7")
    await stage.each([middle, last])
    before = await stage.nics()
    after_middle = middle.time + timedelta(milliseconds=1)
    assert await forget_sightings(pool, after_middle) == 0, "its facts are still there one by one"
    await prune(pool, START + timedelta(days=1))
    assert await forget_sightings(pool, after_middle) == 1
    assert await forget_tenures(pool, after_middle) == 1
    assert [h.address for h in await nic_history(pool, "a")] == ["10.0.0.7", "10.0.0.6"]
    sightings = await pool.fetch("SELECT host(address) FROM inventory.sighting ORDER BY 1")
    assert [r[0] for r in sightings] == ["10.0.0.6", "10.0.0.7"]
    assert await stage.nics() == before
    # A fact that comes late, but after what was forgotten, folds the rest again.
    early, late = say.guest("a", "10.0.0.8"), say.guest("a", "10.0.0.9")
    await stage.tell(late)
    await stage.tell(early)
    assert [h.address for h in await nic_history(pool, "a")] == [
        "10.0.0.9",
        "10.0.0.8",
        "10.0.0.7",
        "10.0.0.6",
    ]
