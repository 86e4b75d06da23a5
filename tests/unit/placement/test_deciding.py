"""Each rule of a decision, and how a refusal explains itself (G6)."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

import pytest

from services.placement.domain.deciding import Choice, Refusal, decide
from services.placement.domain.policy import Policy
from services.placement.domain.targets import Exclusion
from services.placement.domain.world import HostKey, Load, World
from shared.events.inventory import ForeignNetwork, VlanTrunk
from shared.events.placement import NicRequest, VmCreateRequested, Where
from tests.unit.placement.worlds import (
    DOWN,
    NOW,
    OTHER_VCENTER,
    VCENTER,
    host,
    request,
    subnet,
    vcenter,
    wire,
    world,
)

POLICY = Policy()


def choose(asked: VmCreateRequested, known: World, **options: object) -> Choice:
    verdict = decide(asked, known, POLICY, NOW, **options)  # type: ignore[arg-type]
    assert isinstance(verdict, Choice), verdict
    return verdict


def refuse(asked: VmCreateRequested, known: World, **options: object) -> Refusal:
    verdict = decide(asked, known, POLICY, NOW, **options)  # type: ignore[arg-type]
    assert isinstance(verdict, Refusal), verdict
    return verdict


def rules(verdict: Choice | Refusal, kind: str) -> dict[str, str]:
    return {finding.name: finding.rule for finding in verdict.findings if finding.kind == kind}


def small_world(**values: object) -> World:
    pg = wire(1, [1, 2, 3])
    return world([host(1), host(2), host(3)], [pg], [subnet(1, pg)], **values)  # type: ignore[arg-type]


def test_the_host_with_most_room_left_is_chosen_and_says_why() -> None:
    loads = {HostKey(VCENTER, "host-1"): Load(8, 32768), HostKey(VCENTER, "host-3"): Load(1, 8192)}
    verdict = choose(request(), small_world(loads=loads))
    assert verdict.host.name == "esx-2"
    chosen = next(finding for finding in verdict.findings if finding.rule == "chosen")
    assert chosen.because == "best of 3 hosts; score 0.953: 94% of memory and 97% of CPU stay free"
    alternatives = [finding.name for finding in verdict.findings if finding.rule == "alternative"]
    assert alternatives == ["esx-3", "esx-1"]


def test_equal_hosts_tie_by_id() -> None:
    assert choose(request(), small_world()).host.name == "esx-1"


@pytest.mark.parametrize(
    ("values", "rule", "because"),
    [
        ({"connection": "not_responding"}, "connection", "it is not_responding"),
        ({"maintenance": True}, "maintenance", "it is in maintenance mode"),
        ({"memory_mb": 2048}, "memory", "needs 4 GiB, 2 GiB of 2 GiB are free"),
        ({"memory_mb": None}, "capacity_known", "the vCenter does not tell its memory or CPU cores"),
        ({"links": DOWN}, "uplink", "no live uplink for subnet net-1: pg-1 (vmnic0 and vmnic1 without link)"),
    ],
)
def test_a_host_is_ruled_out_by_its_state(values: dict[str, object], rule: str, because: str) -> None:
    pg = wire(1, [1])
    verdict = refuse(request(), world([host(1, **values)], [pg], [subnet(1, pg)]))  # type: ignore[arg-type]
    finding = next(finding for finding in verdict.findings if finding.kind == "host")
    assert (finding.rule, finding.because) == (rule, because)


def test_cpu_is_counted_with_its_ratio() -> None:
    pg = wire(1, [1])
    known = world([host(1)], [pg], [subnet(1, pg)], loads={HostKey(VCENTER, "host-1"): Load(63, 0)})
    verdict = refuse(request(), known)
    assert verdict.reason == "1 host sees subnet net-1; 1 lacks 2 CPUs"
    assert verdict.findings[-1].because == "needs 2 CPUs, 1 of 64 are free (16 cores at ratio 4)"


def test_a_refusal_counts_hosts_by_what_ruled_them_out() -> None:
    pg = wire(1, range(1, 13))
    hosts = [host(n, memory_mb=32 * 1024) for n in range(1, 10)]
    hosts += [host(n, links=DOWN) for n in range(10, 13)]
    hosts += [host(13), host(14, maintenance=True)]
    verdict = refuse(request(memory_mb=64 * 1024), world(hosts, [pg], [subnet(1, pg)]))
    assert verdict.reason == (
        "12 hosts see subnet net-1; 3 have no live uplink; 9 lack 64 GiB of memory; 2 further hosts are out"
    )
    assert len([finding for finding in verdict.findings if finding.kind == "host"]) == 14


def test_no_host_sees_the_subnet() -> None:
    pg = wire(1, [9])
    verdict = refuse(request(), world([host(1), host(2, maintenance=True)], [pg], [subnet(1, pg)]))
    expected = "none of 2 hosts can offer subnet net-1; 1 is in maintenance; 1 has no port group of it"
    assert verdict.reason == expected


def test_an_empty_inventory_is_said() -> None:
    pg = wire(1, [1])
    assert refuse(request(), world([], [pg], [subnet(1, pg)])).reason.startswith("no host is known yet")


@pytest.mark.parametrize(
    ("where", "hosts"),
    [
        (Where(vcenter=OTHER_VCENTER), ["far-1"]),
        (Where(cluster="blue"), ["esx-1"]),
        (Where(cluster="domain-c2"), ["esx-2"]),
        (Where(host="esx-2"), ["esx-2"]),
        (Where(datacenter="west"), ["far-1"]),
    ],
)
def test_where_restricts_by_id_or_name(where: Where, hosts: list[str]) -> None:
    here, there = wire(1, [1, 2]), wire(1, [1], vcenter=OTHER_VCENTER)
    far = host(
        1, vcenter=OTHER_VCENTER, name="far-1", datacenter_name="west", cluster=None, cluster_name=None
    )
    near = [host(1), host(2, cluster="domain-c2", cluster_name="green")]
    both = subnet(1, {here.id: "default", there.id: "pinned"})
    verdict = choose(request(where=where), world([*near, far], [here, there], [both]))
    assert [verdict.host.name] == hosts


def test_a_vcenter_out_of_sight_places_nothing() -> None:
    stale = vcenter(as_of=NOW - timedelta(seconds=121))
    verdict = refuse(request(), small_world(vcenters=[stale]))
    assert verdict.findings[0].because == "facts of vCenter vc-a are 121 s old, the limit is 120 s"
    lost = refuse(request(), small_world(vcenters=[vcenter(state="lost")]))
    assert lost.findings[0].because == "sight of vCenter vc-a is lost"
    assert "3 belong to a vCenter out of sight" in lost.reason


def test_a_vcenter_that_was_never_read_places_nothing_and_is_no_fifty_years_old() -> None:
    pg = wire(1, [1])
    verdict = refuse(request(), world([host(1)], [pg], [subnet(1, pg)], vcenters=[vcenter(as_of=None)]))
    assert rules(verdict, "host") == {"esx-1": "in_sight"}
    assert "vCenter vc-a was not read to the end yet" in str(verdict.findings)


def test_unknown_uplinks_rule_nothing_out_and_are_said() -> None:
    pg = wire(1, [1])
    verdict = choose(request(), world([host(1, distributed_links={})], [pg], [subnet(1, pg)]))
    finding = next(finding for finding in verdict.findings if finding.kind == "wire")
    assert finding.because == "default wire of subnet net-1; state of its uplinks is not known"


def test_default_wire_before_pinned_before_detected() -> None:
    first, second, third = wire(1, [1]), wire(2, [1]), wire(3, [1])
    for roles, name in (
        ({first.id: "detected", second.id: "pinned", third.id: "default"}, "pg-3"),
        ({first.id: "detected", second.id: "pinned"}, "pg-2"),
    ):
        known = world([host(1)], [first, second, third], [subnet(1, roles)])  # type: ignore[arg-type]
        assert choose(request(), known).options[0].wire.name == name


def test_a_dead_default_wire_gives_way_to_a_live_additional_one() -> None:
    first, second = wire(1, [1]), wire(2, [1], switch_uuid="other")
    hosts = [host(1, distributed_links={"other": host(1).distributed_links["50 2c 7a"], "50 2c 7a": DOWN})]
    known = world(hosts, [first, second], [subnet(1, {first.id: "default", second.id: "detected"})])
    assert choose(request(), known).options[0].wire.name == "pg-2"


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"retired": True}, "retired"),
        ({"uplink": True}, "uplink_portgroup"),
        ({"kind": "opaque"}, "backing"),
        ({"portgroup_key": None}, "backing"),
        ({"vlan": VlanTrunk(ranges=((0, 4094),))}, "trunk"),
    ],
)
def test_wires_that_no_nic_is_put_on(values: dict[str, object], rule: str) -> None:
    pg = wire(1, [1], **values)  # type: ignore[arg-type]
    verdict = refuse(request(), world([host(1)], [pg], [subnet(1, pg)]))
    assert rules(verdict, "wire") == {"pg-1": rule}


def test_an_opaque_network_is_used_once_its_id_and_type_are_known() -> None:
    segment = ForeignNetwork(id="5f2c", type="nsx.LogicalSwitch")
    told = wire(1, [1], kind="opaque", switch_uuid=None, portgroup_key=None, foreign=segment)
    assert choose(request(), world([host(1)], [told], [subnet(1, told)])).options[0].wire == told
    untold = wire(1, [1], kind="opaque", foreign=ForeignNetwork(id="5f2c"))
    refusal = refuse(request(), world([host(1)], [untold], [subnet(1, untold)]))
    assert rules(refusal, "wire") == {"pg-1": "backing"}
    assert "the id and type of the opaque network" in str(refusal.findings)


def test_a_trunk_is_used_when_it_is_named() -> None:
    pg = wire(1, [1], vlan=VlanTrunk(ranges=((0, 4094),)))
    known = world([host(1)], [pg], [subnet(1, pg)])
    assert choose(request(NicRequest(wire="pg-1")), known).options[0].wire == pg


def test_a_denied_wire_is_never_used() -> None:
    default, denied = wire(1, [2]), wire(2, [1])
    known = world([host(1)], [default, denied], [subnet(1, {default.id: "default", denied.id: "denied"})])
    assert rules(refuse(request(), known), "wire") == {"pg-2": "denied"}


def test_a_subnet_by_id_name_and_scope() -> None:
    pg = wire(1, [1])
    mine, other = subnet(1, pg), subnet(2, pg, scope="lab", name="net-1")
    known = world([host(1)], [pg], [mine, other])
    assert choose(request(NicRequest(subnet="net-1")), known).options[0].subnet == mine
    assert choose(request(NicRequest(subnet="net-1", scope="lab")), known).options[0].subnet == other
    assert choose(request(NicRequest(subnet=str(other.id))), known).options[0].subnet == other
    verdict = refuse(request(NicRequest(subnet="net-9")), known)
    expected = "NIC 0: subnet net-9: net-9 is not known in scope 'default', which has net-1"
    assert verdict.reason == expected


def test_any_subnet_means_auto_allocating_with_room_of_the_family() -> None:
    pg = wire(1, [1])
    subnets = [
        subnet(1, pg, auto_allocate=False),
        subnet(2, pg),
        subnet(3, pg, prefix=ip_network("2001:db8::/64")),
        subnet(4, pg),
    ]
    known = world([host(1)], [pg], subnets, free={subnets[1].id: 0})
    verdict = choose(request(NicRequest(family="ipv4")), known)
    assert verdict.options[0].subnet.name == "net-4"
    expected = {"net-1": "auto_allocate", "net-2": "subnet_full", "net-3": "family"}
    assert rules(verdict, "subnet") == expected
    assert choose(request(NicRequest(family="ipv6")), known).options[0].subnet.name == "net-3"


def test_a_full_subnet_is_a_refusal_that_names_it() -> None:
    pg = wire(1, [1])
    net = subnet(1, pg)
    verdict = refuse(request(), world([host(1)], [pg], [net], free={net.id: 0}))
    assert verdict.reason == ("NIC 0: subnet net-1 cannot be used: net-1: no address of 10.0.1.0/24 is free")


def test_what_the_ledger_turned_down_is_not_tried_again_and_is_quoted() -> None:
    pg = wire(1, [1])
    first, second = subnet(1, pg), subnet(2, pg)
    known = world([host(1)], [pg], [first, second])
    excluded = [Exclusion(0, first.id, "subnet_full", "10.0.1.0/24 has 0 free")]
    verdict = choose(request(NicRequest()), known, excluded=excluded)
    assert verdict.options[0].subnet == second
    assert ("net-1", "subnet_full", "10.0.1.0/24 has 0 free") in [
        (finding.name, finding.rule, finding.because) for finding in verdict.findings
    ]


def test_a_wanted_address_finds_its_subnet() -> None:
    pg = wire(1, [1])
    known = world([host(1)], [pg], [subnet(1, pg), subnet(2, pg)])
    verdict = choose(request(NicRequest(address="10.0.2.9")), known)
    assert verdict.options[0].subnet.name == "net-2"
    outside = refuse(request(NicRequest(subnet="net-1", address="10.0.2.9")), known)
    assert "10.0.2.9 is not within 10.0.1.0/24" in outside.reason


def test_one_address_for_two_nics_is_refused() -> None:
    nic = NicRequest(address="10.0.1.9")
    assert refuse(request(nic, nic), small_world()).findings[0].rule == "asked_once"


def test_every_nic_must_be_connected_on_the_same_host() -> None:
    first, second = wire(1, [1, 2]), wire(2, [2, 3])
    known = world([host(n) for n in (1, 2, 3)], [first, second], [subnet(1, first), subnet(2, second)])
    asked = request(NicRequest(subnet="net-1"), NicRequest(subnet="net-2"))
    verdict = choose(asked, known, everything=True)
    assert verdict.host.name == "esx-2"
    assert [option.wire.name for option in verdict.options] == ["pg-1", "pg-2"]
    assert rules(verdict, "host") == {"esx-1": "reach", "esx-2": "chosen", "esx-3": "reach"}
