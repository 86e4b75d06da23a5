"""Requests answered on a real PostgreSQL: what is held, what is said, and the same answer again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.placement.dry_run import dry_run
from services.placement.queries import explain, find_reservation, list_placements
from services.placement.settings import PlacementSettings
from shared.events.placement import NicRequest, VmCreatePlaced, VmCreateRefused
from shared.ipam.ledger import Claim, Holder, occupy
from shared.model.identifiers import reservation_id, scope_id
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool, transaction
from tests.integration.placement.conftest import Placement, held, request
from tests.integration.placement.inventory import START, VCENTER, Inventory

pytestmark = pytest.mark.postgres


async def test_a_request_gets_host_port_group_address_and_guest_configuration(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    wire = await inventory.portgroup(1, [1, 2])
    subnet = await inventory.subnet(1, wire, gateway="10.0.1.1", mtu=9000)
    asked = request(lease_seconds=600)
    answer = await placement.place(asked)
    assert (answer.vcenter, answer.host, answer.resource_pool) == (VCENTER, "host-1", "resgroup-1")
    assert answer.annotation == f"patchbay-reservation: {reservation_id(asked.request_id)}"
    assert answer.expires_at == START + timedelta(seconds=600)
    [nic] = answer.nics
    assert (nic.wire.id, nic.wire.network, nic.wire.portgroup_key) == (wire, "dvportgroup-1", "dvportgroup-1")
    assert nic.mac is not None
    assert nic.mac.startswith("00:50:56:")
    [address] = nic.addresses
    assert (address.address, address.prefix, address.gateway) == ("10.0.1.2", 24, "10.0.1.1")
    assert (address.subnet, address.mtu, address.dns) == (subnet.id, 9000, ("10.0.0.53",))
    assert await held(pool) == [("10.0.1.2", "reservation")]
    rules = {(ruling.kind, ruling.rule) for ruling in answer.explanation}
    assert {
        ("host", "chosen"),
        ("host", "alternative"),
        ("wire", "chosen"),
        ("address", "next_free"),
    } <= rules


async def test_the_answer_is_replied_and_published_with_the_same_id(
    inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    asked = placement.received(request(), "answers")
    await placement.handlers.requests([asked])
    [(event, published)] = await placement.sent()
    [(reply, sent)] = await placement.sent(to_queue=True)
    assert event == reply
    assert published["message_id"] == sent["message_id"]
    assert (sent["routing_key"], sent["correlation_id"]) == ("answers", f"c-{asked.envelope.id}")
    assert published["routing_key"].startswith(f"vm.create.placed.{VCENTER}.")


async def test_the_same_request_gets_the_same_answer_and_no_second_event(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """Also within one batch, and after the reservation ended."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    asked = request()
    first, second = await placement.ask(asked, asked)
    placement.pass_time(60)
    [third] = await placement.ask(asked)
    placement.pass_time(5000)
    await placement.expire()
    [fourth] = await placement.ask(asked)
    assert first == second == third == fourth
    placed = [event for event, _ in await placement.sent() if isinstance(event, VmCreatePlaced)]
    assert len(placed) == 1
    assert await pool.fetchval("SELECT count(*) FROM placement.reservation") == 1


async def test_a_refusal_is_kept_as_well(inventory: Inventory, placement: Placement) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    asked = request(memory_mb=10_000_000)
    first = await placement.refuse(asked)
    await inventory.host(1, memory_mb=20_000_000)
    assert await placement.refuse(asked) == first


async def test_another_request_under_the_same_id_is_refused_to_its_sender_alone(
    inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    asked = request()
    placed, refused = await placement.ask(asked, asked.model_copy(update={"cpus": 2}))
    assert isinstance(placed, VmCreatePlaced)
    assert isinstance(refused, VmCreateRefused)
    assert refused.rulings[0].rule == "request_id re-used with different content"
    assert await placement.ask(asked) == [placed]
    assert [type(event) for event, _ in await placement.sent()] == [VmCreatePlaced]


async def test_a_refusal_explains_itself(inventory: Inventory, placement: Placement) -> None:
    """G6."""
    await inventory.host(3, link=False)
    await inventory.host(4)
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2, 3]))
    answer = await placement.refuse(request(memory_mb=64 * 1024 + 1))
    assert answer.reason == (
        "3 hosts see subnet net-1; 1 has no live uplink; 2 lack 64.0 GiB of memory; 1 further host is out"
    )
    ruled = {ruling.name: ruling.rule for ruling in answer.rulings if ruling.kind == "host"}
    assert ruled == {"esx-1": "memory", "esx-2": "memory", "esx-3": "uplink", "esx-4": "reach"}


async def test_configured_vms_take_room_and_templates_do_not(
    inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    await inventory.show(inventory.vm_fact("vm-1", memory_mb=60 * 1024, power="off"))
    await inventory.show(inventory.vm_fact("vm-2", memory_mb=60 * 1024, template=True))
    await inventory.show(inventory.vm_fact("vm-3", memory_mb=60 * 1024), removed=True)
    assert isinstance((await placement.ask(request(memory_mb=4096)))[0], VmCreatePlaced)
    assert isinstance((await placement.ask(request(memory_mb=4096)))[0], VmCreateRefused)


async def test_a_full_subnet_gives_way_to_the_next_one(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    wire = await inventory.portgroup(1, [1])
    await inventory.subnet(1, wire, prefix="10.0.1.0/30")
    await inventory.subnet(2, wire, prefix="10.0.2.0/30")
    asks = [request(NicRequest()) for _ in range(5)]
    answers = await placement.ask(*asks)
    placed = [answer for answer in answers if isinstance(answer, VmCreatePlaced)]
    assert sorted(answer.nics[0].addresses[0].address for answer in placed) == [
        "10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2",
    ]  # fmt: skip
    [refused] = [answer for answer in answers if isinstance(answer, VmCreateRefused)]
    assert {ruling.name for ruling in refused.rulings} >= {"net-1", "net-2"}
    assert len(await held(pool)) == 4


async def test_a_wanted_address_or_a_refusal_that_names_its_holder(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """G7: what a live VM is seen with is never handed out, asked for or not."""
    subnet = await inventory.subnet(1, await inventory.portgroup(1, [1]))
    async with transaction(pool) as conn:
        claim = Claim("10.0.1.1", Holder("sighting", subnet.id), START)
        await occupy(conn, scope_id("default"), [claim])
    answer = await placement.place(request())
    assert answer.nics[0].addresses[0].address == "10.0.1.2"
    wanted = await placement.place(request(NicRequest(address="10.0.1.9")))
    assert wanted.nics[0].addresses[0].address == "10.0.1.9"
    for address, rule in (("10.0.1.1", "address_taken"), ("10.0.1.255", "address_not_allocatable")):
        refused = await placement.refuse(request(NicRequest(subnet="net-1", address=address)))
        assert [ruling.rule for ruling in refused.rulings] == [rule]
        assert address in refused.reason


async def test_a_request_of_many_nics_is_all_or_nothing(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    wire = await inventory.portgroup(1, [1])
    await inventory.subnet(1, wire)
    await inventory.subnet(6, wire, prefix="2001:db8::/64")
    await inventory.subnet(2, wire, prefix="10.0.2.0/30")
    both = request(NicRequest(subnet="net-1"), NicRequest(subnet="net-6"))
    answer = await placement.place(both)
    assert [nic.addresses[0].address for nic in answer.nics] == ["10.0.1.1", "2001:db8::1"]
    before = await held(pool)
    three = request(NicRequest(subnet="net-1"), *[NicRequest(subnet="net-2")] * 3)
    refused = await placement.refuse(three)
    assert "net-2" in refused.reason
    assert await held(pool) == before


async def test_a_mac_in_use_is_refused(inventory: Inventory, placement: Placement) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    mac = "00:50:56:01:02:03"
    await placement.place(request(NicRequest(subnet="net-1", mac=mac)))
    again = await placement.refuse(request(NicRequest(subnet="net-1", mac=mac)))
    assert again.rulings[0].rule == "mac"


async def test_a_dry_run_gives_the_answer_and_keeps_nothing(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    asked = request()
    trial = await dry_run(pool, asked, now=START)
    assert isinstance(trial, VmCreatePlaced)
    assert (await held(pool), await list_placements(pool)) == ([], [])
    answer = await placement.place(asked)
    assert (answer.host, answer.nics[0].addresses) == (trial.host, trial.nics[0].addresses)
    refused = await dry_run(pool, request(memory_mb=10_000_000), now=START)
    assert isinstance(refused, VmCreateRefused)


async def test_what_was_answered_can_be_looked_up(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    answer = await placement.place(request(name="shop"))
    refused = await placement.refuse(request(name="giant", memory_mb=10_000_000))
    rows = {row.name: row for row in await list_placements(pool)}
    assert (rows["shop"].state, rows["shop"].addresses) == ("held", ("10.0.1.1",))
    assert rows["giant"].reason == refused.reason
    for text in (answer.request_id, str(answer.reservation), "shop"):
        explained = await explain(pool, text)
        assert explained is not None
        assert explained.answer == answer
        assert explained.reservation is not None
    assert await explain(pool, "nobody") is None


async def test_a_reservation_is_found_by_what_people_have_at_hand(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    old = await placement.place(request(name="shop", lease_seconds=60))
    placement.pass_time(61)
    await placement.expire()
    new = await placement.place(request(name="shop"))
    for text, wanted in (
        (old.request_id, old),
        (str(old.reservation).upper(), old),
        (str(new.reservation)[:8], new),
        ("shop", new),
    ):
        found = await find_reservation(pool, text)
        assert found is not None
        assert found.id == wanted.reservation
    assert await find_reservation(pool, "nobody") is None
    await placement.place(request(name="shop"))
    with pytest.raises(PermanentError, match="2 held reservations answer to 'shop'"):
        await find_reservation(pool, "shop")


async def test_a_shortened_answer_is_explained_in_full(pool: Pool, inventory: Inventory) -> None:
    """G6: a message has its limits, the explanation has none."""
    placement = Placement(pool, PlacementSettings(max_rulings=3))
    for number in range(3, 11):
        await inventory.host(number, memory_mb=512)
    await inventory.subnet(1, await inventory.portgroup(1, range(1, 11)))
    answer = await placement.place(request())
    assert [ruling.rule for ruling in answer.explanation[-2:]] == ["chosen", "shortened"]
    explained = await explain(pool, answer.request_id)
    assert explained is not None
    assert {ruling.name for ruling in explained.rulings if ruling.rule == "memory"} == {
        f"esx-{number}" for number in range(3, 11)
    }


async def test_an_event_of_another_type_is_a_permanent_error(placement: Placement) -> None:
    """G8: so the consuming loop moves it to the dead letters."""
    stray = VmCreateRefused(request_id="x", reason="no", rulings=())
    with pytest.raises(PermanentError, match=r"does not answer vm\.create\.refused"):
        await placement.handlers.requests([placement.received(stray, None)])


async def test_a_transaction_that_fails_leaves_nothing(
    pool: Pool, inventory: Inventory, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: reservation, addresses, answer and events commit together or not at all."""
    await inventory.subnet(1, await inventory.portgroup(1, [1]))

    async def crash(*_: object, **__: object) -> None:
        raise RuntimeError("killed before the commit")

    asked = request()
    with monkeypatch.context() as patched:
        patched.setattr("services.placement.replying.enqueue", crash)
        with pytest.raises(RuntimeError):
            await placement.ask(asked)
    assert await held(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM placement.request") == 0
    await placement.place(asked)
