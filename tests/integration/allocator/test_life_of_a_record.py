"""What a record outlives, and what ends it: decided in docs/decisions, shown here. IPv4 and IPv6 alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.allocator.explaining import why
from services.placement.loading_queries import PORTS
from shared.events import commands as cmd
from shared.events.envelope import Envelope
from shared.events.vcenter import VcenterHeartbeat
from shared.store.pool import Pool
from tests.integration.allocator.story import VC2, Stage, Teller, instance, wire

pytestmark = pytest.mark.postgres
BOTH = pytest.mark.parametrize("address", ["10.0.0.5", "2001:db8::5"], ids=["IPv4", "IPv6"])


async def staged(pool: Pool, address: str, **settings: Any) -> tuple[Stage, Teller]:
    """VM a with `address` recorded."""
    stage, say = Stage(pool, **settings), Teller()
    await stage.tell(say.portgroup("pg-1", "web"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.subnet("six", "2001:db8::/64", "web")
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", address))
    assert await stage.nics() == {"a/4000": [address]}
    await stage.told()
    return stage, say


def beat(say: Teller, seconds: int) -> Envelope[Any]:
    """`seconds` later the vCenter has nothing new."""
    say.sequence += seconds - 1
    return say.envelope(
        VcenterHeartbeat, name="lab", current_to=say.now() + timedelta(seconds=1), lag_seconds=0.1
    )


async def ports_counted(pool: Pool) -> int:
    """Ports that placement counts as used."""
    rows = await pool.fetch(PORTS, [wire("pg-1")])
    return int(rows[0][1])


@BOTH
@pytest.mark.parametrize("what", ["template", "suspended", "off", "disconnected"])
async def test_g4_a_vm_that_is_there_keeps_its_record(pool: Pool, address: str, what: str) -> None:
    stage, say = await staged(pool, address)
    changes: dict[str, dict[str, Any]] = {
        "template": {"template": True, "power": "off"},
        "suspended": {"power": "suspended"},
        "off": {"power": "off"},
        "disconnected": {"connection": "disconnected"},
    }
    await stage.tell(say.vm("a", "pg-1", **changes[what]), say.guest("a"))
    assert await stage.nics() == {"a/4000": [address]}
    assert [t.type for t in await stage.told() if t.type.startswith("nic.")] == []


@BOTH
async def test_a_reverted_snapshot_brings_the_old_address_back_to_the_same_record(
    pool: Pool, address: str
) -> None:
    stage, say = await staged(pool, address)
    await stage.tell(say.guest("a", "10.0.0.77"))
    assert (await stage.ledger())[address] == "cooling"
    await stage.tell(say.guest("a", address))
    assert await stage.nics() == {"a/4000": [address]}
    told = [t.data.nic.id for t in await stage.told() if t.type == "nic.updated"]
    assert len(told) == 2
    assert len(set(told)) == 1
    assert await stage.ledger() == {address: "nic", "10.0.0.77": "cooling"}


@BOTH
async def test_a_vm_restored_under_a_new_id_is_a_new_vm_and_takes_the_address_over(
    pool: Pool, address: str
) -> None:
    stage, say = await staged(pool, address)
    old = await stage.pool.fetchval("SELECT id FROM inventory.nic")
    same = say.vm("a", "pg-1").data.ports
    await stage.tell(say.gone("a"))
    await stage.tell(
        say.vm("a", moid="vm-77", ports_=same, instance_uuid=instance("restored")),
        say.guest("a", address, moid="vm-77"),
    )
    assert await stage.nics() == {"a/4000": [address]}
    assert await stage.pool.fetchval("SELECT id FROM inventory.nic") != old
    assert await stage.ledger() == {address: "nic"}


@BOTH
async def test_a_clone_with_equal_mac_is_a_new_vm_and_a_conflict(pool: Pool, address: str) -> None:
    stage, say = await staged(pool, address)
    same = say.vm("a", "pg-1").data.ports
    await stage.tell(say.vm("clone", ports_=same), say.guest("clone", address))
    assert await stage.nics() == {"a/4000": [address]}
    opened = {t.data.kind for t in await stage.told() if t.type == "address.conflict.opened"}
    assert opened == {"mac", "address"}


@BOTH
async def test_a_shadow_is_not_the_vm(pool: Pool, address: str) -> None:
    """A fault tolerance secondary, or the placeholder of a recovery site."""
    stage, say = await staged(pool, address)
    before = await stage.pool.fetch("SELECT id, vcenter_id FROM inventory.nic")
    there = Teller(VC2, epoch=2)
    await stage.tell(
        there.vm("a", "pg-1", moid="vm-9", placeholder=True),
        say.vm("a", "pg-1", moid="vm-10", fault_tolerance_secondary=True),
    )
    assert await stage.pool.fetch("SELECT id, vcenter_id FROM inventory.nic") == before
    assert [t.type for t in await stage.told() if not t.type.startswith("wire")] == []


@BOTH
async def test_grace_a_removed_vm_keeps_its_record_until_its_vcenters_time_has_gone_on(
    pool: Pool, address: str
) -> None:
    stage, say = await staged(pool, address, release_grace_seconds=60)
    gone = say.gone("a")
    await stage.tell(gone, beat(say, 30))
    assert await stage.nics() == {"a/4000": [address]}
    assert await stage.types() == []
    await stage.tell(beat(say, 40))
    (released,) = await stage.told()
    assert (released.type, released.data.reason) == ("nic.released", "vm_removed")
    assert await stage.ledger() == {address: "cooling"}
    since = await pool.fetchval("SELECT since FROM ipam.address")
    assert since == gone.time + timedelta(seconds=60)
    assert await pool.fetchval("SELECT count(*) FROM inventory.port") == 0


@BOTH
async def test_grace_a_vm_that_is_registered_again_keeps_record_and_fix(pool: Pool, address: str) -> None:
    stage, _ = await staged(pool, address, release_grace_seconds=60)
    late = Teller(epoch=20)
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address="10.0.0.9"),)))
    before = await stage.nics()
    await stage.told()
    await stage.tell(late.gone("a"))
    await stage.tell(late.vm("a", "pg-1", moid="vm-500"), beat(late, 600))
    assert await stage.nics() == before
    assert {t.type for t in await stage.told()} <= {"nic.updated"}
    assert (await stage.ledger())["10.0.0.9"] == "nic"


@BOTH
async def test_grace_a_removed_device_keeps_its_record_until_its_vcenters_time_has_gone_on(
    pool: Pool, address: str
) -> None:
    stage, say = await staged(pool, address, release_grace_seconds=60)
    other = "10.0.0.6" if "." in address else "2001:db8::6"
    bare = say.vm("a", "pg-1", "pg-1")
    await stage.tell(bare, say.guest("a", address, other))
    both = await stage.nics()
    await stage.told()
    less = say.vm("a", ports_=bare.data.ports[1:])
    await stage.tell(less, say.guest("a", ports_=say.guest("a", (), other).data.ports[1:]), beat(say, 30))
    assert await stage.nics() == both
    assert await stage.types() == []
    assert (await stage.ledger())[address] == "nic", "G7"
    lost = next(p for p in (await why(pool, "a")).ports if p.device_key == 4000)
    assert "release_grace_seconds: the VM lost the device at 2026-01-01" in lost.summary
    assert await ports_counted(pool) == 1, "free for placement at once"
    await stage.tell(beat(say, 40))
    (released,) = await stage.told()
    assert (released.type, released.data.reason) == ("nic.released", "port_removed")
    assert await stage.nics() == {"a/4001": [other]}
    assert await stage.ledger() == {address: "cooling", other: "nic"}
    since = await pool.fetchval("SELECT since FROM ipam.address WHERE holder_kind = 'cooling'")
    assert since == less.time + timedelta(seconds=60)
    assert await pool.fetchval("SELECT count(*) FROM inventory.lingering") == 0


@BOTH
async def test_grace_a_device_that_comes_back_never_lost_its_record(pool: Pool, address: str) -> None:
    stage, say = await staged(pool, address, release_grace_seconds=60)
    before = await pool.fetch("SELECT id FROM inventory.nic")
    again = say.vm("a", "pg-1").data.ports
    await stage.tell(say.vm("a", ports_=[]))
    await stage.tell(say.vm("a", ports_=again), say.guest("a", address), beat(say, 600))
    assert await pool.fetch("SELECT id FROM inventory.nic") == before
    assert await stage.types() == []
    assert await stage.ledger() == {address: "nic"}


@BOTH
async def test_grace_a_lingering_device_yields_to_whoever_is_alive(pool: Pool, address: str) -> None:
    stage, say = await staged(pool, address, release_grace_seconds=600)
    await stage.tell(say.vm("a", ports_=[]), say.vm("b", "pg-1"), say.guest("b", address))
    assert await stage.nics() == {"b/4000": [address]}


@BOTH
@pytest.mark.parametrize("grace", [0, 60])
async def test_a_device_that_goes_with_a_fixed_address_lets_it_cool_down(
    pool: Pool, address: str, grace: int
) -> None:
    """Nobody was ever seen with it: the fix alone had it."""
    stage, _ = await staged(pool, address, release_grace_seconds=grace)
    fixed = "10.0.0.9" if "." in address else "2001:db8::9"
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address=fixed),)))
    late = Teller(epoch=20)
    bare = late.vm("a", ports_=[])
    await stage.tell(bare)
    assert (await stage.ledger())[fixed] == ("nic" if grace else "cooling")
    await stage.tell(beat(late, 600))
    assert (await stage.ledger())[fixed] == "cooling"
    since = await pool.fetchval("SELECT since FROM ipam.address WHERE address = $1::text::inet", fixed)
    assert since == bare.time + timedelta(seconds=grace)


@BOTH
async def test_a_fix_waits_for_its_device_for_as_long_as_the_vm_lives(pool: Pool, address: str) -> None:
    stage, _ = await staged(pool, address)
    fixed = "10.0.0.9" if "." in address else "2001:db8::9"
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address=fixed),)))
    late = Teller(epoch=20)
    await stage.tell(late.vm("a", ports_=[]))
    assert await stage.nics() == {}
    await stage.tell(late.vm("a", "pg-1"))
    assert await stage.nics() == {"a/4000": [fixed]}


@BOTH
async def test_grace_a_vm_that_comes_back_under_the_same_id_keeps_record_and_fix(
    pool: Pool, address: str
) -> None:
    """The user that the collector logs in as lost sight of it, or a sweep was mistaken."""
    stage, _ = await staged(pool, address, release_grace_seconds=60)
    late = Teller(epoch=20)
    fixed = "10.0.0.9" if "." in address else "2001:db8::9"
    await stage.tell(late.vm("b", "pg-1"), late.guest("b", "10.0.0.8"))
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address=fixed),)))
    before = await stage.nics()
    await stage.told()
    await stage.tell(late.gone("a"), late.gone("b"), beat(late, 30))
    await stage.tell(late.vm("a", "pg-1"), late.vm("b", "pg-1"), beat(late, 600))
    assert await stage.nics() == before
    assert await stage.types() == []


@BOTH
@pytest.mark.parametrize("grace", [0, 60])
async def test_a_vm_that_comes_back_under_the_same_id_too_late_is_the_same_vm_with_nothing_said_of_it(
    pool: Pool, address: str, grace: int
) -> None:
    """What was fixed is void: the address may be another's by now. Its record has the same id again."""
    stage, _ = await staged(pool, address, release_grace_seconds=grace)
    late = Teller(epoch=20)
    fixed = "10.0.0.9" if "." in address else "2001:db8::9"
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address=fixed),)))
    before = await pool.fetchval("SELECT id FROM inventory.nic")
    await stage.tell(late.gone("a"))
    await stage.tell(beat(late, 61), late.vm("a", "pg-1"), beat(late, 600))
    assert await stage.nics() == {}
    assert (await stage.ledger())[fixed] == "cooling"
    await stage.tell(late.guest("a", address))
    assert await stage.nics() == {"a/4000": [address]}
    assert await pool.fetchval("SELECT id FROM inventory.nic") == before


async def test_a_vm_with_another_instance_uuid_under_the_same_id_is_a_new_vm(pool: Pool) -> None:
    stage, _ = await staged(pool, "10.0.0.5", release_grace_seconds=60)
    late = Teller(epoch=20)
    await stage.command(cmd.VmFixNics(vm="a", fixes=(cmd.PortFix(address="10.0.0.9"),)))
    before = await pool.fetchval("SELECT id FROM inventory.nic")
    await stage.tell(late.gone("a"), late.vm("a", "pg-1", instance_uuid=instance("another")))
    await stage.tell(late.guest("a", "10.0.0.6"), beat(late, 600))
    assert await stage.nics() == {"a/4000": ["10.0.0.6"]}
    assert await pool.fetchval("SELECT id FROM inventory.nic") != before
    assert "10.0.0.9" not in (await stage.nics())["a/4000"]


async def test_grace_without_news_from_the_vcenter_nothing_is_released(pool: Pool) -> None:
    stage, say = await staged(pool, "10.0.0.5", release_grace_seconds=60)
    there = Teller(VC2)
    await stage.tell(say.gone("a"), beat(there, 3600))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def test_grace_taken_out_of_the_settings_ends_at_once(pool: Pool) -> None:
    stage, say = await staged(pool, "10.0.0.5", release_grace_seconds=3600)
    await stage.tell(say.gone("a"), beat(say, 5))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}
    without = Stage(pool)
    await without.tell(beat(say, 1))
    assert await without.nics() == {}
    assert await pool.fetchval("SELECT count(*) FROM inventory.lingering") == 0


@BOTH
async def test_another_address_counts_when_it_has_stayed_for_the_settling_time(
    pool: Pool, address: str
) -> None:
    stage, say = await staged(pool, address, change_settle_seconds=60)
    other = "10.0.0.6" if "." in address else "2001:db8::6"
    await stage.tell(beat(say, 100))
    changed = say.guest("a", other)
    await stage.tell(changed)
    assert await stage.nics() == {"a/4000": [address]}
    assert await stage.unmatched() == {other: "unsettled"}
    assert await stage.ledger() == {address: "nic", other: "sighting"}, "G7: both are in use"
    await stage.told()
    await stage.tell(beat(say, 30))
    assert await stage.types() == []
    await stage.tell(beat(say, 40))
    assert [t.type for t in await stage.told()] == ["nic.updated", "address.matched"]
    assert await stage.nics() == {"a/4000": [other]}
    assert await stage.ledger() == {address: "cooling", other: "nic"}
    assert await pool.fetchval("SELECT count(*) FROM inventory.changing") == 0


@BOTH
async def test_an_address_that_comes_for_a_moment_leaves_the_record_as_it_is(
    pool: Pool, address: str
) -> None:
    stage, say = await staged(pool, address, change_settle_seconds=60)
    await stage.tell(beat(say, 100))
    await stage.told()
    for _ in range(3):
        await stage.tell(say.guest("a", "10.0.0.77" if "." in address else "2001:db8::77"))
        await stage.tell(say.guest("a", address))
    assert [t for t in await stage.types() if t.startswith("nic.")] == []
    assert await stage.nics() == {"a/4000": [address]}


async def test_the_first_address_of_a_port_need_not_settle(pool: Pool) -> None:
    stage, say = await staged(pool, "10.0.0.5", change_settle_seconds=3600)
    await stage.tell(say.vm("b", "pg-1"), say.guest("b", "10.0.0.6"))
    assert (await stage.nics())["b/4000"] == ["10.0.0.6"]
