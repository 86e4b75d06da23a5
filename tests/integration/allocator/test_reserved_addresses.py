"""Addresses reserved for nobody, and those bound to a MAC: what operators say holds, whatever is seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.allocator.explaining import why
from shared.events import address_commands as ask
from shared.events import commands as cmd
from shared.events.subnet import AddressRange
from shared.ipam.ledger import holders
from shared.ipam.reserving import reserved_at
from shared.model.identifiers import scope_id
from shared.store.pool import Pool
from tests.integration.allocator.story import START, Stage, Teller

pytestmark = pytest.mark.postgres

SCOPE = scope_id("default")
FOUR, SIX = "10.0.0.9", "2001:db8::9"
BOTH = pytest.mark.parametrize("address", [FOUR, SIX])
OTHER_MAC = "00:50:56:00:00:99"


async def staged(pool: Pool) -> tuple[Stage, Teller, str]:
    """Both families on one wire, VM a whose MAC is returned, VM b."""
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"))
    await stage.subnet("four", "10.0.0.0/24", "web", gateway="10.0.0.1")
    await stage.subnet("six", "2001:db8::/64", "web")
    await stage.tell(say.vm("a", "pg-1"), say.vm("b", "pg-1"))
    mac = await pool.fetchval("SELECT mac FROM inventory.port WHERE vm_moid = 'vm-a'")
    await stage.told()
    return stage, say, str(mac)


def span(first: str, last: str | None = None) -> tuple[AddressRange, ...]:
    return (AddressRange(first=first, last=last or first),)


async def done(stage: Stage, command: cmd.Command) -> dict[str, Any]:
    answer = await stage.command(command)
    assert answer.complaint is None, answer.complaint
    assert answer.result is not None
    return answer.result


async def refused(stage: Stage, command: cmd.Command) -> tuple[str, str]:
    """Code and message of the complaint; nothing may have changed."""
    before = await stage.dump()
    answer = await stage.command(command)
    assert answer.complaint is not None, answer
    assert await stage.dump() == before
    assert await stage.types() == []
    return answer.complaint.code, answer.complaint.message


@BOTH
async def test_g5_a_reserved_address_that_is_seen_gets_no_record_until_it_is_released(
    pool: Pool, address: str
) -> None:
    stage, say, _ = await staged(pool)
    await done(stage, ask.AddressReserve(ranges=span(address), note="printer", by="joe"))
    (told,) = await stage.told()
    assert told.type == "address.reserved"
    assert (told.data.first, told.data.last, told.data.note, told.data.by) == (
        address, address, "printer", "joe",
    )  # fmt: skip
    assert told.data.subnet is not None
    await stage.tell(say.guest("b", address))
    assert await stage.nics() == {}
    assert await stage.unmatched() == {address: "reserved"}
    assert await stage.ledger() == {address: "reserved"}
    assert "reserv" in (await why(pool, "b")).ports[0].addresses[0].because
    await stage.told()
    await done(stage, ask.AddressRelease(ranges=span(address), by="joe"))
    assert await stage.nics() == {"b/4000": [address]}
    assert "address.unreserved" in await stage.types()


@BOTH
async def test_g5_g7_a_bound_address_is_recorded_for_its_mac_and_for_nobody_else(
    pool: Pool, address: str
) -> None:
    stage, say, mac = await staged(pool)
    bound = await done(stage, ask.AddressBind(address=address, mac=mac.upper(), note="db", by="joe"))
    assert bound["subnet_name"] == ("four" if address == FOUR else "six")
    (told,) = await stage.told()
    assert (told.type, told.data.mac, told.data.note, told.data.by) == ("address.bound", mac, "db", "joe")
    await stage.tell(say.guest("b", address))
    assert await stage.unmatched() == {address: "reserved"}
    await stage.tell(say.guest("a", address))
    assert await stage.nics() == {"a/4000": [address]}
    assert await stage.unmatched() == {address: "conflict"}
    await stage.tell(say.gone("b"), say.gone("a"))
    assert await stage.nics() == {}
    async with pool.acquire() as conn:
        row = (await holders(conn, SCOPE, [address]))[address]
    assert (row.holder.kind, row.note) == ("reserved", "db"), "it neither cools down nor is free"
    await done(stage, ask.AddressUnbind(address=address))
    assert await stage.ledger() == {address: "cooling"}, "now it rests since VM a went"


@BOTH
async def test_g3_binding_before_or_after_the_sightings_comes_to_the_same(pool: Pool, address: str) -> None:
    stage, say, mac = await staged(pool)
    command = ask.AddressBind(address=address, mac=mac)
    facts = [say.guest("a", address), say.guest("b", address)]
    states = []
    for before in (True, False):
        if before:
            await done(stage, command)
            await stage.each(facts)
        else:
            await stage.each(facts[:1])
            await done(stage, command)
            await stage.each(facts[1:])
        states.append((await stage.nics(), await stage.unmatched(), await stage.ledger()))
        await done(stage, ask.AddressUnbind(address=address))
        await stage.each([say.guest("a"), say.guest("b"), say.gone("a"), say.gone("b")])
        facts = [
            say.vm("a", "pg-1"), say.vm("b", "pg-1"), say.guest("a", address), say.guest("b", address),
        ]  # fmt: skip
        await stage.each(facts[:2])
        facts = facts[2:]
        await pool.execute("DELETE FROM ipam.address WHERE holder_kind = 'cooling'")
    assert states[0] == states[1]
    assert states[0][0] == {"a/4000": [address]}


async def test_a_range_is_reserved_and_released_as_a_whole_and_told_once(pool: Pool) -> None:
    stage, _, _ = await staged(pool)
    ranges = (*span("10.0.0.10", "10.0.0.19"), *span("2001:db8::a0", "2001:db8::af"))
    result = await done(stage, ask.AddressReserve(ranges=ranges, note="lab"))
    assert (result["reserved"], result["changed"]) == (26, 26)
    assert [(t.data.first, t.data.last) for t in await stage.told()] == [
        ("10.0.0.10", "10.0.0.19"), ("2001:db8::a0", "2001:db8::af"),
    ]  # fmt: skip
    again = await done(stage, ask.AddressReserve(ranges=ranges, note="lab"))
    assert again["changed"] == 0
    assert await stage.types() == [], "what is so already is told to nobody"
    await done(stage, ask.AddressReserve(ranges=span("10.0.0.12"), note="other"))
    assert await stage.types() == ["address.reserved"]
    await done(stage, ask.AddressRelease(ranges=span("10.0.0.12", "10.0.0.13")))
    await done(stage, ask.AddressRelease(ranges=span("10.0.0.0", "10.0.0.255")))
    assert [(t.data.first, t.data.last) for t in await stage.told()] == [
        ("10.0.0.12", "10.0.0.13"), ("10.0.0.10", "10.0.0.11"), ("10.0.0.14", "10.0.0.19"),
    ]  # fmt: skip
    assert set((await stage.ledger()).values()) == {"reserved"}
    assert len(await stage.ledger()) == 16


async def test_each_mistake_about_addresses_has_its_own_words_and_changes_nothing(pool: Pool) -> None:
    stage, say, mac = await staged(pool)
    await stage.tell(say.guest("a", "10.0.0.5"))
    await done(stage, ask.AddressReserve(ranges=span("10.0.0.20"), note="printer"))
    await done(stage, ask.AddressBind(address="10.0.0.30", mac=OTHER_MAC))
    await stage.told()
    reserve, bind = ask.AddressReserve, ask.AddressBind
    past = START - timedelta(days=1)
    for command, code, said in (
        (
            reserve(ranges=span("10.0.0.1", "10.0.0.9")),
            "address_taken",
            "10.0.0.5 by the NIC record of VM 'a'",
        ),
        (reserve(ranges=span("10.0.0.9", "10.0.0.2")), "range_upside_down", "write 10.0.0.2-10.0.0.9"),
        (reserve(ranges=span("10.0.0.9", "2001:db8::1")), "mixed_families", "ends in the other"),
        (reserve(ranges=span("2001:db8::", "2001:db8::1:0:0")), "range_too_large", "subnet update"),
        (reserve(ranges=span("10.0.0.40"), until=past), "until_past", "is over"),
        (reserve(ranges=span("10.0.0.40"), scope="defualt"), "scope_unknown", "did you mean 'default'"),
        (reserve(ranges=span("10.0.0.29", "10.0.0.31")), "address_bound", f"10.0.0.30 to {OTHER_MAC}"),
        (ask.AddressRelease(ranges=span("10.0.0.50")), "address_not_reserved", "patchbay address list"),
        (ask.AddressRelease(ranges=span("10.0.0.30")), "address_bound", "patchbay address unbind 10.0.0.30"),
        (bind(address="10.0.0.5", mac="00:50:56:00:00:98"), "address_taken", "NIC record of VM 'a'"),
        (bind(address="10.0.0.20", mac=mac), "address_reserved", "printer"),
        (bind(address="10.0.0.30", mac=mac), "address_bound", "patchbay address unbind"),
        (bind(address="10.0.0.31", mac=OTHER_MAC), "mac_bound", "10.0.0.30 of subnet 'four'"),
        (bind(address="10.0.0.0", mac=mac), "address_not_allocatable", "network address"),
        (bind(address="10.0.0.1", mac=mac), "address_not_allocatable", "gateway"),
        (bind(address="172.16.0.1", mac=mac), "no_subnet", "patchbay subnet create"),
        (ask.AddressUnbind(address="10.0.0.20"), "address_not_bound", "bound to no MAC"),
    ):
        got, message = await refused(stage, command)
        assert (got, said in message) == (code, True), (command, got, message)


@BOTH
async def test_g5_an_address_can_be_fixed_for_the_port_it_is_bound_to_and_for_no_other(
    pool: Pool, address: str
) -> None:
    stage, _, mac = await staged(pool)
    await done(stage, ask.AddressBind(address=address, mac=mac))
    await stage.told()
    fixes = (cmd.PortFix(port="4000", address=address),)
    code, message = await refused(stage, cmd.VmFixNics(vm="b", fixes=fixes))
    assert (code, address in message) == ("address_taken", True)
    await done(stage, cmd.VmFixNics(vm="a", fixes=fixes))
    assert await stage.nics() == {"a/4000": [address]}


async def test_binding_what_the_port_has_already_keeps_the_record(pool: Pool) -> None:
    stage, say, mac = await staged(pool)
    await stage.tell(say.guest("a", FOUR))
    await stage.told()
    await done(stage, ask.AddressBind(address=FOUR, mac=mac))
    assert await stage.types() == ["address.bound"]
    assert await stage.nics() == {"a/4000": [FOUR]}
    assert await stage.ledger() == {FOUR: "nic"}
    async with pool.acquire() as conn:
        assert (await reserved_at(conn, [FOUR]))[SCOPE, FOUR].mac == mac


async def test_what_is_tried_changes_nothing_and_tells_what_it_would(pool: Pool) -> None:
    stage, _, mac = await staged(pool)
    before = await stage.dump()
    for command in (
        ask.AddressReserve(ranges=span(FOUR), dry_run=True),
        ask.AddressBind(address=FOUR, mac=mac, dry_run=True),
    ):
        result = await done(stage, command)
        assert [event["type"].split(".")[0] for event in result["events"]] == ["address"]
    assert await stage.dump() == before
