"""All that a request may ask, answered on a real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.placement.settings import PlacementSettings
from shared.events.base import Event
from shared.events.commands import CommandReplied, ReservationCancel, ReservationConfirm, ReservationExtend
from shared.events.inventory import ForeignNetwork, VlanId, VlanUnknown
from shared.events.placement import (
    Backing,
    Disk,
    NicRequest,
    Peer,
    VmCreateBatchAnswered,
    VmCreateBatchRequested,
    VmCreateExtended,
    VmCreatePlaced,
    VmCreateRefused,
    Where,
)
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool
from tests.integration.placement.conftest import Placement, held, request
from tests.integration.placement.inventory import START, VCENTER, Inventory

pytestmark = pytest.mark.postgres


def addresses(answer: VmCreatePlaced) -> list[list[str]]:
    return [[item.address for item in nic.addresses] for nic in answer.nics]


async def test_one_nic_gets_an_address_of_each_family(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    wire = await inventory.portgroup(1, [1])
    await inventory.subnet(1, wire)
    await inventory.subnet(2, wire, prefix="2001:db8:2::/64")
    await inventory.subnet(3, await inventory.portgroup(3, [1]), prefix="2001:db8:3::/64")
    answer = await placement.place(request(NicRequest(subnet="net-1", family="dual", suffix=17)))
    assert addresses(answer) == [["10.0.1.17", "2001:db8:2::11"]]
    assert len(await held(pool)) == 2
    apart = NicRequest(subnet="net-1", family="dual", second_subnet="net-3")
    refusal = await placement.refuse(request(apart))
    assert "no wire carries a subnet of either family" in refusal.reason


async def test_what_is_asked_for_by_name_is_not_given_to_another_nic_first(
    inventory: Inventory, placement: Placement
) -> None:
    """G1: the next free address of the first NIC would be the one that the second asks for."""
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    answer = await placement.place(request(NicRequest(), NicRequest(address="10.0.1.1")))
    assert addresses(answer) == [["10.0.1.2"], ["10.0.1.1"]]


async def test_labels_choose_the_subnet_and_the_host(
    tmp_path: Path, pool: Pool, inventory: Inventory
) -> None:
    wire = await inventory.portgroup(1, [1, 2])
    await inventory.subnet(1, wire)
    await inventory.subnet(2, wire, labels={"zone": "dmz"})
    policy = tmp_path / "policy.yaml"
    policy.write_text("labels: {hosts: {esx-2: {disk: nvme}}, clusters: {blue: {tier: gold}}}")
    placement = Placement(pool, PlacementSettings(policy_file=policy))
    nic = NicRequest(labels={"zone": "dmz"})
    answer = await placement.place(
        request(nic, where=Where(required_labels={"disk": "nvme", "tier": "gold"}))
    )
    assert (answer.host, answer.nics[0].addresses[0].subnet_name) == ("host-2", "net-2")
    answer = await placement.place(request(where=Where(preferred_labels={"disk": "nvme"})))
    assert answer.host == "host-2"
    refusal = await placement.refuse(request(where=Where(required_labels={"disk": "tape"})))
    assert refusal.reason == "none of 2 hosts can offer subnet net-1; 2 lack a required label"


@pytest.mark.parametrize(
    "text", ["weights: {memory: -1}", "weight: {}", "labels: [", "overcommit: {cpu: much}"]
)
def test_a_policy_file_with_a_mistake_says_where(tmp_path: Path, text: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    with pytest.raises(
        PermanentError, match=r"policy\.yaml: (weights\.memory|weight|not YAML|overcommit\.cpu)"
    ):
        PlacementSettings(policy_file=policy).policy()


async def test_a_port_group_without_a_free_port_takes_no_more(
    inventory: Inventory, placement: Placement
) -> None:
    """Early binding with two ports: one has a VM, one is reserved, the third request is refused."""
    wire = await inventory.portgroup(1, [1, 2], binding="early", ports=2, auto_expand=False)
    await inventory.subnet(1, wire)
    fact = inventory.vm_fact("vm-1")
    port = {"key": 4000, "label": "n", "adapter": "vmxnet3", "connected": True, "network": "dvportgroup-1"}
    await inventory.show(type(fact).model_validate(fact.model_dump() | {"ports": [port]}))
    answer = await placement.place(request())
    refusal = await placement.refuse(request())
    assert refusal.reason == "2 hosts see subnet net-1; 2 have no free port"
    await placement.ask(ReservationCancel(reservation=answer.reservation))
    assert isinstance((await placement.ask(request()))[0], VmCreatePlaced)


async def test_where_a_switch_is_the_network_its_other_port_groups_serve_too(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """G6: a port group of the same VLAN beside the default one, once an operator decided so."""
    vlan = VlanId(id=101)
    await inventory.subnet(1, await inventory.portgroup(1, [1], vlan=vlan))
    await inventory.portgroup(2, [1, 2], vlan=vlan)
    wanted = request(memory_mb=40 * 1024)
    assert (await placement.place(wanted)).nics[0].wire.name == "pg-1"
    assert "1 host sees subnet net-1" in (await placement.refuse(request(memory_mb=40 * 1024))).reason
    await pool.execute(
        "INSERT INTO inventory.wire_mapping (vcenter_id, mapping, since, by) VALUES ($1, 'switch', $2, 'me')",
        VCENTER, START,
    )  # fmt: skip
    placement.pass_time(1)
    other = await placement.place(request(memory_mb=40 * 1024))
    assert (other.host, other.nics[0].wire.name) == ("host-2", "pg-2")
    [why] = [ruling for ruling in other.explanation if ruling.kind == "wire" and ruling.passed]
    assert "additional wire (mapped) of subnet net-1" in why.because


async def test_an_opaque_network_is_answered_with_its_backing(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """From NSX's segment as the collector tells it to the device that a provisioner makes."""
    segment = ForeignNetwork(id="5f2c", type="nsx.LogicalSwitch")
    opaque = {"kind": "opaque", "key": None, "switch": None, "switch_uuid": None, "vlan": VlanUnknown()}
    told = await inventory.portgroup(1, [1, 2], moid="network-o1", foreign=segment, **opaque)
    untold = await inventory.portgroup(2, [1, 2], moid="network-o2", **opaque)
    await inventory.subnet(1, told)
    await inventory.subnet(2, untold)
    [nic] = (await placement.place(request())).nics
    assert nic.backing == Backing(
        type="VirtualEthernetCardOpaqueNetworkBackingInfo",
        opaque_network_id="5f2c",
        opaque_network_type="nsx.LogicalSwitch",
    )
    refused = await placement.refuse(request(NicRequest(subnet="net-2")))
    assert {ruling.rule for ruling in refused.rulings} == {"backing", "wire"}
    assert len(await held(pool)) == 1


async def test_a_subnet_of_another_vlan_is_not_used_on_the_wire(
    inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]), vlan=999)
    refusal = await placement.refuse(request())
    assert any(ruling.rule == "vlan" for ruling in refusal.rulings)


async def test_members_of_a_group_that_keeps_apart_go_to_different_hosts(
    inventory: Inventory, placement: Placement
) -> None:
    """Also within one batch of requests; the third finds no host."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]))
    apart = {"groups": ("web",), "where": Where(anti_affinity=(Peer(group="web"),))}
    found = await placement.ask(*[request(**apart) for _ in range(3)])
    hosts = {answer.host for answer in found if isinstance(answer, VmCreatePlaced)}
    assert hosts == {"host-1", "host-2"}
    [refusal] = [answer for answer in found if isinstance(answer, VmCreateRefused)]
    assert refusal.reason == "2 hosts see subnet net-1; 2 have a VM it has to be far from"
    near = await placement.place(request(where=Where(affinity=(Peer(group="web"),), host="host-2")))
    assert near.host == "host-2"
    unknown = await placement.refuse(request(where=Where(affinity=(Peer(vm="nobody"),))))
    assert unknown.reason == "VM nobody of the affinity is not known"


async def test_priority_goes_first_and_a_deadline_that_is_over_refuses(
    inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]), prefix="10.0.1.0/30")
    low = [request(priority=1) for _ in range(2)]
    high = request(priority=9)
    answers = await placement.ask(*low, high)
    assert [type(answer) for answer in answers] == [VmCreatePlaced, VmCreateRefused, VmCreatePlaced]
    late = await placement.refuse(request(deadline=placement.now - timedelta(seconds=1)))
    assert late.rulings[0].rule == "deadline"


async def test_what_facts_do_not_tell_is_passed_through_and_said(
    inventory: Inventory, placement: Placement
) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    nic = NicRequest(subnet="net-1", adapter="sriov", physical_function="0000:3b:00.0")
    where = Where(folder="group-v3", resource_pool="resgroup-99")
    answer = await placement.place(request(nic, disks=(Disk(size_gb=40, datastore="fast"),), where=where))
    assert (answer.folder, answer.resource_pool, answer.disks[0].datastore) == (
        "group-v3",
        "resgroup-99",
        "fast",
    )
    assert (answer.nics[0].adapter, answer.nics[0].physical_function) == ("sriov", "0000:3b:00.0")
    backing = answer.nics[0].backing
    assert backing is not None
    assert backing.portgroup_key == "dvportgroup-1"
    passed = {ruling.id for ruling in answer.explanation if ruling.rule == "passed_through"}
    assert passed == {"disks", "where.folder", "where.resource_pool"}


async def reply_to(placement: Placement, command: Event) -> CommandReplied:
    [reply] = await placement.ask(command)
    assert isinstance(reply, CommandReplied)
    return reply


async def test_an_older_token_confirms_extends_and_cancels_nothing(
    inventory: Inventory, placement: Placement
) -> None:
    """Whoever extends with its token holds the reservation under a new one; repeats are answered alike."""
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    answer = await placement.place(request())
    later = answer.expires_at + timedelta(minutes=5)
    takeover = ReservationExtend(reservation=answer.reservation, until=later, token=answer.token)
    first, again = [await reply_to(placement, takeover) for _ in range(2)]
    assert first.result is not None
    assert first.result == again.result
    newest = first.result["token"]
    assert newest > answer.token
    extended = [event for event, _ in await placement.sent() if isinstance(event, VmCreateExtended)]
    assert [event.token for event in extended] == [newest]
    old = answer.token
    for command in (
        ReservationExtend(reservation=answer.reservation, until=later + timedelta(minutes=5), token=old),
        ReservationConfirm(reservation=answer.reservation, vm="vm-1", token=old),
        ReservationCancel(reservation=answer.reservation, token=old),
    ):
        reply = await reply_to(placement, command)
        assert reply.complaint is not None
        assert reply.complaint.code == "stale_token"
    reply = await reply_to(placement, ReservationCancel(reservation=answer.reservation, token=newest))
    assert reply.result is not None
    assert reply.result["state"] == "cancelled"


async def test_tokens_only_grow(inventory: Inventory, placement: Placement) -> None:
    await inventory.subnet(1, await inventory.portgroup(1, [1]))
    tokens = [(await placement.place(request())).token for _ in range(5)]
    assert tokens == sorted(set(tokens))


def batch(*requests: object, mode: str = "all_or_nothing") -> VmCreateBatchRequested:
    return VmCreateBatchRequested.model_validate(
        {"batch_id": "rollout-1", "mode": mode, "requests": [r.model_dump() for r in requests]}  # type: ignore[attr-defined]
    )


async def answered(placement: Placement, asked: VmCreateBatchRequested) -> VmCreateBatchAnswered:
    [answer] = await placement.ask(asked)
    assert isinstance(answer, VmCreateBatchAnswered)
    return answer


async def test_a_batch_is_placed_whole_or_not_at_all(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """G2: nothing is held for a batch that does not fit; the same batch gets the same answer."""
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), prefix="10.0.1.0/29")
    whole = batch(*[request() for _ in range(4)])
    answer = await answered(placement, whole)
    assert (len(answer.placed), len(answer.refused), answer.reason) == (4, 0, "4 of 4 VMs placed")
    assert await answered(placement, whole) == answer
    too_many = batch(*[request() for _ in range(3)])
    answer = await answered(placement, too_many)
    assert (len(answer.placed), len(answer.refused)) == (0, 3)
    assert len(await held(pool)) == 4
    assert "all or nothing" in answer.refused[0].reason
    as_many = batch(*[request() for _ in range(3)], mode="as_many_as_fit")
    answer = await answered(placement, as_many)
    assert (len(answer.placed), len(answer.refused)) == (2, 1)
    assert len(await held(pool)) == 6
    events = [event for event, _ in await placement.sent() if isinstance(event, VmCreatePlaced)]
    assert len(events) == 6
    assert {event.batch for event in events} == {"rollout-1"}


async def test_what_was_taken_by_another_process_meanwhile_is_not_given_twice(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """The world is up to a second old; what was chosen on it is checked again under its locks."""
    wire = await inventory.portgroup(1, [1, 2])
    await inventory.subnet(1, wire)
    await placement.place(request())
    other = Placement(pool)
    big = {"memory_mb": 60 * 1024}
    hosts = [(await other.place(request(**big))).host, (await placement.place(request(**big))).host]
    assert sorted(hosts) == ["host-1", "host-2"]
    await inventory.host(1, memory_mb=1)
    await pool.execute("UPDATE inventory.wire SET retired = true WHERE id = $1", wire)
    refusal = await placement.refuse(request())
    assert "its port group is gone" in str(refusal.rulings)
