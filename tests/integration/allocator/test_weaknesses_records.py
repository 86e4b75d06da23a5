"""What the nearest system does weakly with records, identity and conflicts; each done right, by name."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.allocator.conflict_queries import list_conflicts
from services.allocator.explaining import why
from shared.events import commands as cmd
from shared.events.inventory import HostChanged
from shared.ipam.domain import Holder
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import allocate
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, Stage, Teller

pytestmark = pytest.mark.postgres
SCOPE = scope_id(DEFAULT_SCOPE_NAME)
BOTH = pytest.mark.parametrize("address", ["10.0.0.5", "2001:db8::5"], ids=["IPv4", "IPv6"])


async def staged(pool: Pool) -> tuple[Stage, Teller, UUID]:
    """Subnets prod and six on one wire, dev on another, VMs a and b with a port on each."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"))
    prod = await stage.subnet("prod", "10.0.0.0/24", "web", gateway="10.0.0.1")
    await stage.subnet("six", "2001:db8::/64", "web")
    await stage.subnet("dev", "10.0.1.0/24", "app")
    await stage.tell(say.vm("a", "pg-1", "pg-2"), say.vm("b", "pg-1", "pg-2"))
    await stage.told()
    return stage, say, prod


def fix(vm: str, *fixes: tuple[str | None, str]) -> cmd.VmFixNics:
    """Addresses stated for ports of a VM."""
    return cmd.VmFixNics(vm=vm, fixes=tuple(cmd.PortFix(port=p, address=a) for p, a in fixes))


@BOTH
async def test_g1_the_database_itself_refuses_a_second_holder_also_when_two_write_at_once(
    pool: Pool, address: str
) -> None:
    """W4."""
    stage, _, _ = await staged(pool)
    answers = await asyncio.gather(
        *(Stage(pool).command(fix(vm, ("4000", address))) for vm in ("a", "b")), return_exceptions=True
    )
    assert len(answers) == 2
    assert sum(map(len, (await stage.nics()).values())) == 1
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            "INSERT INTO ipam.address (scope_id, address, holder_kind, holder_id, since) "
            "VALUES ($1, $2::text::inet, 'nic', $3, $4)",
            *(SCOPE, address, uuid4(), START),
        )


@BOTH
async def test_who_loses_an_address_has_a_marker_and_a_conflict_record(pool: Pool, address: str) -> None:
    """W5."""
    stage, say, _ = await staged(pool)
    await stage.tell(say.guest("a", address), say.guest("b", address))
    assert await stage.nics() == {"a/4000": [address]}
    assert await stage.unmatched() == {address: "conflict"}
    assert len(await list_conflicts(pool)) == 1
    assert "NIC record of VM 'a'" in (await why(pool, "b")).ports[0].addresses[0].because


async def test_fixes_go_to_each_port_once_or_where_they_are_told_and_repair_what_is_wrong(pool: Pool) -> None:
    """W6."""
    stage, say, _ = await staged(pool)
    await stage.command(fix("a", (None, "10.0.0.5"), (None, "10.0.1.5")))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"], "a/4001": ["10.0.1.5"]}
    await stage.command(fix("a", ("4001", "10.0.1.6")))
    assert await stage.nics() == {"a/4000": ["10.0.0.5"], "a/4001": ["10.0.1.6"]}
    await stage.tell(say.guest("b", "10.0.0.50"))
    await stage.command(fix("b", ("4000", "10.0.0.51")))
    assert (await stage.nics())["b/4000"] == ["10.0.0.51"]


async def test_stating_the_ipv4_address_leaves_the_ipv6_addresses_alone(pool: Pool) -> None:
    """W7."""
    stage, say, _ = await staged(pool)
    await stage.tell(say.guest("a", ["2001:db8::5", "2001:db8::6"]))
    await stage.command(fix("a", (None, "10.0.0.5")))
    assert await stage.nics() == {"a/4000": ["10.0.0.5", "2001:db8::5", "2001:db8::6"]}
    await stage.tell(say.guest("a", ["10.0.0.44", "2001:db8::5", "2001:db8::6"]))
    assert await stage.nics() == {"a/4000": ["10.0.0.5", "2001:db8::5", "2001:db8::6"]}
    assert await stage.unmatched() == {"10.0.0.44": "drift"}


async def test_g7_addresses_without_a_record_are_not_handed_out(pool: Pool) -> None:
    """W9."""
    stage, say, prod = await staged(pool)
    await stage.tell(say.guest("a", [], "10.0.0.2"))
    assert await stage.unmatched() == {"10.0.0.2": "subnet_on_other_wire"}
    async with transaction(pool) as conn:
        assert await allocate(conn, prod, 1, Holder("reservation", uuid4()), START, now=START) == ["10.0.0.3"]


@BOTH
async def test_g4_a_disconnected_host_purges_no_guest(pool: Pool, address: str) -> None:
    """W12."""
    stage, say, _ = await staged(pool)
    await stage.tell(say.guest("a", address))
    await stage.told()
    await stage.tell(
        say.envelope(HostChanged, moid="host-1", name="esx1", connection="not_responding", maintenance=False),
        say.vm("a", "pg-1", "pg-2", connection="disconnected"),
        say.guest("a"),
    )
    assert await stage.types() == []
    assert await stage.nics() == {"a/4000": [address]}


@BOTH
async def test_equal_bios_uuids_make_no_two_vms_one(pool: Pool, address: str) -> None:
    """W14."""
    stage, say, _ = await staged(pool)
    bios = uuid4()
    await stage.tell(
        say.vm("a", "pg-1", bios_uuid=bios), say.vm("b", "pg-1", bios_uuid=bios), say.guest("a", address)
    )
    assert await stage.nics() == {"a/4000": [address]}
    assert await pool.fetchval("SELECT count(DISTINCT vm_id) FROM inventory.vm") == 2


async def test_network_broadcast_and_gateway_are_never_handed_out_and_one_address_is_a_range(
    pool: Pool,
) -> None:
    """W16."""
    stage, _, _ = await staged(pool)
    tiny = await stage.subnet("tiny", "10.9.0.0/30", "app", gateway="10.9.0.1")
    one = await stage.subnet("one", "10.8.0.0/24", "app", ranges=({"first": "10.8.0.7", "last": "10.8.0.7"},))
    given = []
    for subnet in (tiny, one):
        async with transaction(pool) as conn:
            given += await allocate(conn, subnet, 1, Holder("reservation", uuid4()), START, now=START)
    assert given == ["10.9.0.2", "10.8.0.7"]
    for subnet in (tiny, one):
        async with transaction(pool) as conn:
            with pytest.raises(LedgerRefusal):
                await allocate(conn, subnet, 1, Holder("reservation", uuid4()), START, now=START)
    answer = await stage.command(fix("a", ("4001", "10.9.0.3")))
    assert answer.complaint is not None
    assert answer.complaint.code == "address_not_allocatable"


async def test_secondary_addresses_may_be_of_other_subnets_and_all_go_with_the_vm(pool: Pool) -> None:
    """W18."""
    stage, say, _ = await staged(pool)
    await stage.subnet("vips", "10.7.0.0/24", "web")
    await stage.tell(say.guest("a", ["10.0.0.5", "10.7.0.5", "2001:db8::5"]))
    assert await stage.nics() == {"a/4000": ["10.0.0.5", "10.7.0.5", "2001:db8::5"]}
    await stage.tell(say.gone("a"))
    assert set((await stage.ledger()).values()) == {"cooling"}
    assert await pool.fetchval("SELECT count(*) FROM inventory.nic_address") == 0


async def test_a_mac_that_is_there_twice_is_told_once_and_never_replaced(pool: Pool) -> None:
    """W19."""
    stage, say, _ = await staged(pool)
    same = say.vm("a", "pg-1").data.ports
    await stage.tell(say.vm("twin", ports_=same))
    assert [t.data.kind for t in await stage.told() if t.type == "address.conflict.opened"] == ["mac"]
    macs = await pool.fetch("SELECT mac::text FROM inventory.port WHERE device_key = 4000 ORDER BY mac")
    for _ in range(3):
        await stage.tell(say.vm("twin", ports_=same), say.vm("a", "pg-1", "pg-2"))
    assert await stage.types() == []
    assert await pool.fetch(
        "SELECT mac::text FROM inventory.port WHERE device_key = 4000 ORDER BY mac"
    ) == macs  # fmt: skip


async def test_one_vm_with_a_duplicate_address_keeps_nobody_from_a_record(pool: Pool) -> None:
    """W23."""
    stage, say, _ = await staged(pool)
    await stage.tell(*[say.vm(f"vm{n}", "pg-1") for n in range(10)])
    await stage.tell(
        *[say.guest(f"vm{n}", "10.0.0.20" if n in (3, 4) else f"10.0.0.{30 + n}") for n in range(10)]
    )
    assert len(await stage.nics()) == 9
    assert await stage.unmatched() == {"10.0.0.20": "conflict"}


@BOTH
async def test_g5_a_device_or_an_address_is_what_the_vcenter_and_the_guest_have_and_not_what_was_wished(
    pool: Pool, address: str
) -> None:
    """W21: what is attached, detached, renumbered shows; a wish that nobody carried out is drift."""
    stage, say, _ = await staged(pool)
    own, wished = ("2001:db8::44", "2001:db8::66") if ":" in address else ("10.0.0.44", "10.0.0.66")
    await stage.tell(say.vm("c", "pg-1"), say.guest("c", own))
    assert (await stage.nics())["c/4000"] == [own]
    await stage.tell(say.vm("c", "pg-1", "pg-1"), say.guest("c", own, address))
    assert (await stage.nics())["c/4001"] == [address], "attached in the vCenter"
    await stage.tell(say.vm("c", "pg-1"), say.guest("c", own))
    assert await stage.nics() == {"c/4000": [own]}, "detached in the vCenter"
    await stage.tell(say.guest("c", address))
    assert await stage.nics() == {"c/4000": [address]}, "renumbered in the guest"
    await stage.command(fix("c", ("4000", wished)))
    assert await stage.nics() == {"c/4000": [wished]}
    assert await stage.unmatched() == {address: "drift"}, "the guest still has the other one, and that shows"
    assert (await stage.ledger()).keys() >= {address, wished}, "G7: neither is handed out"
    await stage.tell(say.guest("c", wished))
    assert await stage.unmatched() == {}
