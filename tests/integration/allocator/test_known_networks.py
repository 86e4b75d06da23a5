"""What an allocator knows of networks from before never differs from what is stored (G3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from services.allocator.networks import NetworkMemory, Networks
from shared.events import commands as cmd
from shared.events import inventory as inv
from shared.events import wire_commands as on_wires
from shared.events.envelope import Envelope
from shared.events.subnet_commands import SubnetMerge, SubnetMove, SubnetSplit
from shared.ipam.domain import Holder
from shared.ipam.ledger import allocate
from shared.model.identifiers import derive
from shared.runtime.errors import ConflictError
from shared.state.tables import state_tables
from shared.store.pool import Pool, open_pool, transaction
from tests.integration.allocator.knowing import assert_true, version_of
from tests.integration.allocator.story import START, VC1, Stage, Teller, wire

pytestmark = pytest.mark.postgres
ALONE = {"attach_threshold": 100}
"""What guests say attaches no wire."""


class Two(NamedTuple):
    """Two allocators with connections of their own, on one database."""

    here: Stage
    there: Stage
    say: Teller


def group(say: Teller, moid: str, name: str, vlan: int = 7, **more: Any) -> Envelope[Any]:
    """A port group of one switch."""
    values = {"switch": "dvs-1", "switch_name": "dvs-1", **more}
    return say.envelope(
        inv.PortgroupChanged, moid=moid, name=name, kind="distributed", vlan=inv.VlanId(id=vlan), **values
    )


@pytest.fixture
async def two(pool: Pool, database: str) -> AsyncIterator[Two]:
    """Subnets web and six on pg-1, none on pg-2; VMs a and b on the first, c on the second: all known."""
    other = await open_pool(database, name="there", size=2)
    here, there, say = Stage(pool, **ALONE), Stage(other, **ALONE), Teller()
    await here.tell(group(say, "pg-1", "web"), group(say, "pg-2", "app"), group(say, "pg-3", "lab", 9))
    await here.subnet("web", "10.0.0.0/24", "web", vlan=7)
    await here.subnet("six", "2001:db8::/64", "web")
    await here.tell(say.vm("a", "pg-1"), say.vm("b", "pg-1"), say.vm("c", "pg-2"))
    await here.tell(say.guest("a", ["10.0.0.5", "2001:db8::5"]), say.guest("c", "10.0.1.5"))
    for stage in (here, there):
        await assert_true(stage)
    await here.told()
    yield Two(here, there, say)
    other.terminate()


def _changes() -> dict[str, tuple[Callable[[Teller], list[cmd.Command | Envelope[Any]]], dict[str, Any]]]:
    """What another allocator does; then what this one makes of VM b at 10.0.0.200 and d, new on pg-2, at
    10.0.1.9: the subnets and wires that their records name, or verdicts."""
    return {
        "nothing": (lambda _: [], {"10.0.0.200": "web@web", "10.0.1.9": "no_subnet_on_wire"}),
        "made": (
            lambda _: [cmd.SubnetCreate(name="app", prefix="10.0.1.0/24", wire="app")],
            {"10.0.0.200": "web@web", "10.0.1.9": "app@app"},
        ),
        "made elsewhere": (
            lambda _: [cmd.SubnetCreate(name="lab", prefix="10.0.1.0/24", wire="lab")],
            {"10.0.0.200": "web@web", "10.0.1.9": "subnet_on_other_wire"},
        ),
        "split": (
            lambda _: [SubnetSplit(subnet="web", prefix_length=25)],
            {"10.0.0.200": "web-2@web"},
        ),
        "split and merged": (
            lambda _: [SubnetSplit(subnet="web", prefix_length=25),
                       SubnetMerge(subnet="web-2", others=("web",))],
            {"10.0.0.200": "web-2@web"},
        ),
        "moved": (
            lambda _: [SubnetMove(subnet="web", wire="app", keep_old=False)],
            {"10.0.0.200": "subnet_on_other_wire"},
        ),
        "moved, the old wire kept": (
            lambda _: [SubnetMove(subnet="web", wire="app")],
            {"10.0.0.200": "web@web"},
        ),
        "denied": (
            lambda _: [SubnetMove(subnet="web", wire="app", keep_old=False),
                       cmd.SubnetSetWire(subnet="web", wire="web", policy="deny")],
            {"10.0.0.200": "denied"},
        ),
        "denied, pinned again": (
            lambda _: [SubnetMove(subnet="web", wire="app", keep_old=False),
                       cmd.SubnetSetWire(subnet="web", wire="web", policy="deny"),
                       cmd.SubnetSetWire(subnet="web", wire="web", policy="pin")],
            {"10.0.0.200": "web@web"},
        ),
        "pinned": (
            lambda _: [cmd.SubnetCreate(name="lab", prefix="10.0.1.0/24", wire="lab"),
                       cmd.SubnetSetWire(subnet="lab", wire="app", policy="pin")],
            {"10.0.1.9": "lab@app"},
        ),
        "mapped": (
            lambda _: [cmd.SubnetCreate(name="more", prefix="10.0.1.0/24", wire="web"),
                       on_wires.WireSetMapping(vcenter=VC1, mapping="switch")],
            {"10.0.1.9": "more@app"},
        ),
        "mapped, another VLAN": (
            lambda say: [cmd.SubnetCreate(name="more", prefix="10.0.1.0/24", wire="web"),
                         on_wires.WireSetMapping(vcenter=VC1, mapping="switch"),
                         group(say, "pg-2", "app", 9)],
            {"10.0.1.9": "subnet_on_other_wire"},
        ),
        "mapped, another switch": (
            lambda say: [cmd.SubnetCreate(name="more", prefix="10.0.1.0/24", wire="web"),
                         on_wires.WireSetMapping(vcenter=VC1, mapping="switch"),
                         group(say, "pg-2", "app", switch="dvs-2")],
            {"10.0.1.9": "subnet_on_other_wire"},
        ),
        "wire renamed": (lambda say: [group(say, "pg-1", "front")], {"10.0.0.200": "web@front"}),
        "wire retired": (lambda say: [say.portgroup_gone("pg-1")], {"10.0.0.200": "web@web"}),
        "wire made again": (
            lambda say: [say.portgroup_gone("pg-1"), group(say, "pg-1", "again")],
            {"10.0.0.200": "web@again"},
        ),
        "another wire instead": (
            lambda say: [say.portgroup_gone("pg-1"), group(say, "pg-9", "new"),
                         on_wires.WireRebind(old="pg-1", new="pg-9")],
            {"10.0.0.200": "web@web"},
        ),
        "an uplink": (
            lambda say: [group(say, "pg-1", "up", uplink=True)],
            {"10.0.0.200": "wire_unknown"},
        ),
    }  # fmt: skip


@pytest.mark.parametrize("change", _changes())
async def test_g3_what_another_allocator_decides_or_hears_is_known_at_once(two: Two, change: str) -> None:
    """The very next batch goes by it: records, verdicts, and the names that events tell."""
    here, there, say = two
    makes, expected = _changes()[change]
    for one in makes(say):
        if isinstance(one, cmd.Command):
            answer = await there.command(one)
            assert answer.complaint is None, answer.complaint
        else:
            await there.tell(one)
    await here.told()
    await here.tell(say.vm("d", "pg-2"), say.guest("b", "10.0.0.200"), say.guest("d", "10.0.1.9"))
    found: dict[str, str] = {}
    for told in await here.told():
        if told.type == "nic.created":
            nic = told.data.nic
            found |= {a.address: f"{a.subnet_name}@{nic.wire_name}" for a in nic.addresses}
        elif told.type == "address.unmatched":
            found[told.data.sighting.address] = told.data.verdict
    assert {address: found[address] for address in expected} == expected
    for stage in (here, there):
        await assert_true(stage)


async def test_a_gateway_that_another_allocator_set_is_told_with_the_next_record(two: Two) -> None:
    here, there, say = two
    await there.command(cmd.SubnetUpdate(subnet="web", gateway="10.0.0.254"))
    await here.told()
    await here.tell(say.guest("b", "10.0.0.6"))
    [told] = [t for t in await here.told() if t.type == "nic.created"]
    assert [a.gateway for a in told.data.nic.addresses] == ["10.0.0.254"]


async def test_a_command_that_is_only_tried_leaves_nothing_known(two: Two) -> None:
    here, _, say = two
    before = await version_of(here.pool)
    tried = await here.command(cmd.SubnetCreate(name="app", prefix="10.0.1.0/24", wire="app", dry_run=True))
    assert tried.result is not None
    assert tried.result["dry_run"]
    assert await version_of(here.pool) == before, "and what was known still holds"
    await here.tell(say.vm("d", "pg-2"), say.guest("d", "10.0.1.9"))
    assert (await here.unmatched())["10.0.1.9"] == "no_subnet_on_wire"
    await assert_true(here)


async def test_g2_a_batch_that_fails_at_its_end_leaves_nothing_of_its_own_known(two: Two) -> None:
    """It changed wires, settled by what it made of them, and was rolled back. Then another allocator makes as
    many changes, others; by a number, the networks would be those that the failed batch knew."""
    here, there, say = two
    lost = [group(say, "pg-1", "front", 8), say.vm("d", "pg-5"), group(say, "pg-5", "five")]
    await here.pool.execute(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'no' USING ERRCODE = 'serialization_failure'; END $$;
        CREATE TRIGGER refused BEFORE INSERT ON bus.outbox EXECUTE FUNCTION refuse();
        """
    )
    before = await version_of(here.pool)
    for _ in range(2):
        with pytest.raises(ConflictError):
            await here.tell(*lost, say.guest("b", "10.0.0.6"), say.guest("d", "10.0.5.5"))
    assert await version_of(here.pool) == before
    await here.pool.execute("DROP TRIGGER refused ON bus.outbox")
    await there.tell(group(say, "pg-1", "side"), group(say, "pg-6", "six"))
    await here.tell(say.guest("b", "10.0.0.7"))
    [told] = [t for t in await here.told() if t.type == "nic.created"]
    assert told.data.nic.wire_name == "side"
    await assert_true(here)
    await here.tell(*lost, group(say, "pg-1", "front"), say.guest("b", "10.0.0.8"))
    assert {t.data.nic.wire_name for t in await here.told() if t.type == "nic.updated"} == {"front"}
    await assert_true(here)


async def test_g5_evidence_that_attaches_a_wire_is_gone_by_in_the_same_batch(two: Two) -> None:
    """The batch knew what is on the wire before it changed that itself."""
    say, here = two.say, Stage(two.here.pool)
    await assert_true(here)
    new = [f"d{number}" for number in range(3)]
    await here.tell(*(say.vm(name, "pg-2") for name in new))
    await here.tell(*(say.guest(name, f"10.0.0.{number + 50}") for number, name in enumerate(new)))
    assert {f"{name}/4000" for name in new} <= (await here.nics()).keys()
    await assert_true(here)


async def test_networks_are_new_when_something_about_them_is_and_not_when_there_is_traffic(two: Two) -> None:
    """What guests say, what placement takes, and port groups told again leave what is known as it is."""
    here, there, say = two
    before = await version_of(here.pool)
    again = group(say, "pg-1", "web", hosts=("host-1", "host-2"))
    await there.tell(again, say.vm("d", "pg-1"), say.guest("d", "10.0.0.77"), say.gone("a"))
    subnet = await here.pool.fetchval("SELECT id FROM ipam.subnet WHERE name = 'web'")
    async with transaction(here.pool) as conn:
        holder = Holder("reservation", derive("test", 1))
        await allocate(conn, subnet, 3, holder, START, now=START, until=START + timedelta(days=1))
    await there.command(cmd.VmFixNics(vm="b", fixes=(cmd.PortFix(address="10.0.0.9"),)))
    assert await version_of(here.pool) == before
    seen = {before}
    changes = (
        "UPDATE ipam.subnet SET name = 'front' WHERE name = 'web'",
        "UPDATE ipam.subnet SET vlan = 9 WHERE name = 'front'",
        "INSERT INTO ipam.subnet_wire"
        " SELECT s.id, w.id, 'pinned', now() FROM ipam.subnet s, inventory.wire w"
        " WHERE s.name = 'front' AND w.moid = 'pg-3'",
        "UPDATE ipam.subnet_wire SET role = 'denied'",
        "DELETE FROM ipam.subnet_wire",
        "INSERT INTO inventory.wire_mapping SELECT id, 'switch', now(), 'joe' FROM inventory.vcenter",
        "UPDATE inventory.wire_mapping SET mapping = 'portgroup'",
        "DELETE FROM inventory.wire_mapping",
        "UPDATE inventory.wire SET name = 'x' WHERE moid = 'pg-1'",
        "UPDATE inventory.wire SET uplink = true WHERE moid = 'pg-1'",
        "UPDATE inventory.wire SET state = jsonb_set(state, '{vlan,id}', '8') WHERE moid = 'pg-1'",
        "UPDATE inventory.wire SET state = jsonb_set(state, '{switch}', '\"dvs-2\"') WHERE moid = 'pg-1'",
        "UPDATE inventory.wire SET state = NULL WHERE moid = 'pg-1'",
        "DELETE FROM inventory.wire WHERE moid = 'pg-1'",
        "INSERT INTO inventory.wire (id, vcenter_id, moid, epoch, sequence, observed_at)"
        " SELECT gen_random_uuid(), id, 'pg-1', 1, 1, now() FROM inventory.vcenter",
        "TRUNCATE inventory.wire",
        "TRUNCATE ipam.subnet_wire",
        "DELETE FROM ipam.subnet WHERE name = 'six'",
    )
    await here.pool.execute("DELETE FROM ipam.address")  # whose subnet could not be deleted
    for sql in changes:
        await here.pool.execute(sql)
        now = await version_of(here.pool)
        assert now not in seen, sql
        seen.add(now)
        await assert_true(here)


async def test_a_restored_database_is_never_taken_for_the_one_that_was_known(two: Two) -> None:
    """A copy is put back while the allocator runs, then as many changes are made as there were before: by a
    number, the networks would be the ones that are known; they are others."""
    here, there, say = two
    async with transaction(here.pool) as conn:
        tables = [*(table.full_name for table in await state_tables(conn)), "allocator.networks"]
        for table in tables:
            await conn.execute(f"CREATE TABLE kept_{_plain(table)} AS SELECT * FROM {table}")  # noqa: S608
    await here.subnet("app", "10.0.1.0/24", "app")
    await assert_true(here)
    async with transaction(here.pool) as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")  # as a restore does: no triggers
        for table in tables:
            await conn.execute(f"DELETE FROM {table}")  # noqa: S608
            await conn.execute(f"INSERT INTO {table} SELECT * FROM kept_{_plain(table)}")  # noqa: S608
    await there.subnet("lab", "10.0.1.0/24", "lab")
    await here.tell(say.vm("d", "pg-2"), say.guest("d", "10.0.1.9"))
    assert (await here.unmatched())["10.0.1.9"] == "subnet_on_other_wire"
    await assert_true(here)


def _plain(table: str) -> str:
    return table.replace(".", "_")


async def test_without_its_version_nothing_is_known_from_before(two: Two) -> None:
    here, there, say = two
    await here.pool.execute("DELETE FROM allocator.networks")
    await here.tell(say.guest("b", "10.0.0.6"))
    await here.pool.execute("ALTER TABLE inventory.wire DISABLE TRIGGER USER")
    await there.tell(group(say, "pg-1", "front"))
    await here.told()
    await here.tell(say.guest("b", "10.0.0.7"))
    assert {t.data.nic.wire_name for t in await here.told() if t.type == "nic.updated"} == {"front"}
    await here.subnet("app", "10.0.1.0/24", "app")
    assert await version_of(here.pool) is not None, "the next change tells one again"


async def test_no_more_wires_are_kept_than_may_be(two: Two) -> None:
    """All that were asked for are told all the same."""
    here, _, say = two
    await here.tell(*(group(say, f"pg-{number}", f"wire {number}") for number in range(20, 30)))
    memory, wires = NetworkMemory(most=4), [wire(f"pg-{number}") for number in range(20, 30)]
    version = await version_of(here.pool)
    async with transaction(here.pool) as conn:
        asked = await memory.at(version).of(conn, set(wires))
        assert {known.name.name for known in asked.values() if known.name} == {
            f"wire {number}" for number in range(20, 30)
        }
        for each in wires * 2:
            assert await memory.at(version).of(conn, {each}) == await Networks().of(conn, {each})
    assert memory.size == 4
