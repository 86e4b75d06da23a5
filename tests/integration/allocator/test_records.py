"""From facts to NIC records."""

from __future__ import annotations

import pytest

from shared.store.pool import Pool
from tests.integration.allocator.story import Stage, Teller, instance

pytestmark = pytest.mark.postgres


async def test_an_address_on_its_ports_own_wire_becomes_a_record(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"))
    await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    assert await stage.types() == ["wire.created", "subnet.created"]
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    (created,) = await stage.told()
    assert created.type == "nic.created"
    nic = created.data.nic
    assert (nic.vm_name, nic.wire_name, nic.label) == ("a", "web", "Network adapter 1")
    assert [(a.address, a.prefix, a.gateway, a.source) for a in nic.addresses] == [
        ("10.0.0.5", 24, "10.0.0.1", "tools")
    ]
    assert await stage.ledger() == {"10.0.0.5": "nic"}


async def test_a_subnet_created_later_picks_up_what_was_parked_for_it(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"), say.vm("a", "pg-1"), say.guest("a", ["10.0.0.5", "192.168.1.1"]))
    unmatched = [t for t in await stage.told() if t.type == "address.unmatched"]
    assert {t.data.verdict for t in unmatched} == {"no_subnet_on_wire"}
    assert "patchbay subnet create" in unmatched[0].data.explanation
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    told = ["subnet.created", "nic.created", "address.unmatched", "address.matched"]
    assert await stage.types() == told
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}
    assert await stage.unmatched() == {"192.168.1.1": "outside_prefix"}


@pytest.mark.parametrize("silence", ["tools_silent", "powered_off", "nothing_said"])
async def test_g4_silence_takes_nothing_back(pool: Pool, silence: str) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    await stage.told()
    if silence == "tools_silent":
        await stage.tell(say.guest("a"))
    elif silence == "powered_off":
        await stage.tell(say.vm("a", "pg-1", power="off", connection="disconnected"))
    else:
        await stage.tell(say.guest("a", []))
    assert await stage.types() == []
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def test_settled_other_addresses_replace_the_record_and_the_old_one_cools_down(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1", cooldown_seconds=60)
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    await stage.told()
    changed = say.guest("a", "10.0.0.6")
    await stage.tell(changed)
    (updated,) = await stage.told()
    assert updated.type == "nic.updated"
    assert [a.address for a in updated.data.before.addresses] == ["10.0.0.5"]
    assert [a.address for a in updated.data.nic.addresses] == ["10.0.0.6"]
    assert await stage.ledger() == {"10.0.0.5": "cooling", "10.0.0.6": "nic"}
    since = await pool.fetchval("SELECT since FROM ipam.address WHERE holder_kind = 'cooling'")
    assert since == changed.time


async def test_removal_releases_and_cools_down_from_the_events_time(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    await stage.told()
    gone = say.gone("a")
    await stage.tell(gone)
    (released,) = await stage.told()
    assert (released.type, released.data.reason) == ("nic.released", "vm_removed")
    assert released.data.nic.vm_name == "a"
    assert await stage.nics() == {}
    assert await pool.fetchval("SELECT since FROM ipam.address") == gone.time


async def test_a_removed_device_releases_with_its_own_reason(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    await stage.tell(say.vm("a", "pg-1", "pg-1"), say.guest("a", "10.0.0.5", "10.0.0.6"))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"], "a/4001": ["10.0.0.6"]}
    await stage.told()
    await stage.tell(say.vm("a", "pg-1"))
    (released,) = await stage.told()
    assert (released.data.reason, released.data.nic.device_key) == ("port_removed", 4001)


async def test_one_record_has_addresses_of_several_subnets_and_families(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.subnet("v4", "10.0.0.0/24", "pg-1")
    await stage.subnet("vips", "10.0.1.0/24", "pg-1")
    await stage.subnet("v6", "2001:db8::/64", "pg-1")
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", ["10.0.0.5", "10.0.1.5", "2001:db8::5", "fe80::1"]))
    assert await stage.nics() == {"a/4000": ["10.0.0.5", "10.0.1.5", "2001:db8::5"]}
    assert await stage.unmatched() == {}


async def test_a_port_that_changes_its_wire_is_matched_anew(pool: Pool) -> None:
    stage, say = Stage(pool, attach_threshold=2), Teller()
    await stage.tell(say.portgroup("pg-1"), say.portgroup("pg-2"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    await stage.subnet("dev", "10.0.1.0/24", "pg-2")
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "10.0.0.5"))
    await stage.told()
    await stage.tell(say.vm("a", "pg-2"))
    told = await stage.told()
    assert [t.type for t in told] == ["nic.released", "address.unmatched"]
    assert "1 of 2 sightings" in told[1].data.explanation
    assert await stage.unmatched() == {"10.0.0.5": "subnet_on_other_wire"}
    await stage.tell(say.guest("a", "10.0.1.5"))
    assert await stage.nics() == {"a/4000": ["10.0.1.5"]}


async def test_facts_that_say_nothing_new_lead_to_nothing(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", ["10.0.0.5", "10.0.0.6"]))
    await stage.told()
    again = Teller(epoch=2)
    await stage.tell(
        again.portgroup("pg-1"), again.vm("a", "pg-1"), again.guest("a", ["10.0.0.6", "10.0.0.5"])
    )
    assert await stage.types() == []


async def test_renames_reach_records_and_wires(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "old"))
    await stage.subnet("prod", "10.0.0.0/24", "old")
    await stage.tell(say.vm("a", "pg-1", moid="vm-7"), say.guest("a", "10.0.0.5", moid="vm-7"))
    await stage.told()
    await stage.tell(say.portgroup("pg-1", "new"))
    (renamed,) = await stage.told()
    assert (renamed.type, renamed.data.before, renamed.data.wire.name) == ("wire.renamed", "old", "new")
    await stage.tell(say.vm("b", "pg-1", moid="vm-7", instance_uuid=instance("a")))
    (updated,) = await stage.told()
    assert (updated.type, updated.data.before.vm_name, updated.data.nic.vm_name) == ("nic.updated", "a", "b")
    await stage.tell(say.portgroup_gone("pg-1"))
    assert await stage.types() == ["wire.retired"]
    assert await stage.nics() == {"b/4000": ["10.0.0.5"]}


async def test_uplink_port_groups_are_no_wires(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "uplinks", uplink=True))
    assert await stage.types() == []


async def test_a_guest_fact_may_come_before_its_vm_and_the_vm_before_its_port_group(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-0"))
    await stage.subnet("other", "10.9.0.0/24", "pg-0")
    group, vm, guest = say.portgroup("pg-1"), say.vm("a", "pg-1"), say.guest("a", "10.0.0.5")
    await stage.tell(guest)
    assert await stage.unmatched() == {}
    await stage.tell(vm)
    assert await stage.unmatched() == {"10.0.0.5": "wire_unknown"}
    await stage.tell(group)
    assert await stage.unmatched() == {"10.0.0.5": "no_subnet_on_wire"}


async def test_docker_like_link_local_and_temporary_addresses_are_no_records(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.tell(say.vm("a", "pg-1"), say.guest("a", "169.254.3.4"))
    assert await stage.nics() == {}
    assert await stage.unmatched() == {"169.254.3.4": "link_local"}
    assert await stage.ledger() == {}


async def test_the_weaker_source_is_marked_as_such_and_counts_as_in_use(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "pg-1")
    await stage.tell(say.vm("bsd", "pg-1"), say.guest("bsd", tools="running", unplaced="10.0.0.5"))
    (told,) = [t for t in await stage.told() if t.type == "address.unmatched"]
    assert (told.data.verdict, told.data.sighting.port) == ("weaker_source", None)
    assert await stage.ledger() == {"10.0.0.5": "sighting"}
    await stage.tell(say.guest("bsd", "10.0.0.5"))
    assert await stage.nics() == {"bsd/4000": ["10.0.0.5"]}
    assert await stage.unmatched() == {}
