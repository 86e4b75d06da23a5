"""Recognising the VM a reservation waited for, and its ports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.placement.domain.recognising import Expected, bind, recognise
from shared.events.inventory import VlanId, VmChanged, VmPort
from shared.events.placement import PlacedAddress, PlacedNic, PlacedWire
from shared.model.identifiers import wire_id
from tests.unit.placement.worlds import NOW, OTHER_VCENTER, VCENTER

MAC = "00:50:56:00:00:01"
OTHER_MAC = "00:50:56:00:00:02"


def nic(index: int, network: str = "dvportgroup-1", mac: str | None = MAC) -> PlacedNic:
    pg = PlacedWire(
        id=wire_id(VCENTER, network), network=network, name="pg", kind="distributed", vlan=VlanId(id=9)
    )
    address = PlacedAddress(address=f"10.0.0.{index + 2}", prefix=24, subnet=uuid4(), subnet_name="net")
    return PlacedNic(index=index, wire=pg, mac=mac, addresses=(address,))


def port(key: int, network: str | None = "dvportgroup-1", mac: str | None = OTHER_MAC) -> VmPort:
    return VmPort(key=key, label=f"nic {key}", adapter="vmxnet3", mac=mac, network=network, connected=True)


def vm(*ports: VmPort, **values: Any) -> VmChanged:
    defaults: dict[str, Any] = {
        "vcenter": VCENTER,
        "epoch": 1,
        "sequence": 1,
        "moid": "vm-1",
        "name": "web-1",
        "power": "on",
        "connection": "connected",
        "ports": ports,
    }
    return VmChanged(**(defaults | values))


def expected(*nics: PlacedNic, **values: Any) -> Expected:
    defaults: dict[str, Any] = {
        "id": UUID(int=1),
        "request_id": "order-1",
        "state": "held",
        "vcenter": VCENTER,
        "name": "web-1",
        "name_was_free": True,
        "created_at": NOW,
        "nics": nics or (nic(0),),
    }
    return Expected(**(defaults | values))


def how(seen: VmChanged, *waiting: Expected) -> str | None:
    found = recognise(seen, NOW, waiting)
    return found[1] if found else None


def test_by_annotation_whatever_else_differs() -> None:
    seen = vm(port(4000, "dvportgroup-9"), name="other", reservation=UUID(int=1))
    assert how(seen, expected()) == "annotation"


def test_by_extra_config_whatever_else_differs() -> None:
    seen = vm(port(4000, "dvportgroup-9"), name="other", extra_config_reservation=UUID(int=1))
    assert how(seen, expected()) == "extra_config"
    both = seen.model_copy(update={"reservation": UUID(int=1)})
    assert how(both, expected()) == "annotation"


@pytest.mark.parametrize("fresh", ["reservation", "extra_config_reservation"])
@pytest.mark.parametrize("state", ["confirmed", "cancelled", "expired"])
def test_a_clone_whose_maker_replaced_one_of_its_sources_ids(fresh: str, state: str) -> None:
    ids = {"reservation": UUID(int=1), "extra_config_reservation": UUID(int=1), fresh: UUID(int=2)}
    clone = expected(id=UUID(int=2), request_id="order-2")
    found = recognise(vm(port(4000), **ids), NOW, [expected(state=state), clone])
    assert found is not None
    assert found[0].id == UUID(int=2)


def test_of_two_ids_that_both_wait_the_mac_decides() -> None:
    ids = {"reservation": UUID(int=1), "extra_config_reservation": UUID(int=2)}
    waiting = [
        expected(nic(0, mac="00:50:56:00:00:09")),
        expected(nic(0), id=UUID(int=2), request_id="order-2"),
    ]
    assert how(vm(port(4000), **ids), *waiting) is None
    found = recognise(vm(port(4000, mac=MAC), **ids), NOW, waiting)
    assert found is not None
    assert (found[0].id, found[1]) == (UUID(int=2), "mac")


@pytest.mark.parametrize("where", ["reservation", "extra_config_reservation"])
def test_a_name_says_nothing_beside_an_id_of_another(where: str) -> None:
    assert how(vm(port(4000), **{where: UUID(int=77)}), expected()) is None
    assert how(vm(port(4000, mac=MAC), **{where: UUID(int=77)}), expected()) == "mac"


def test_by_mac() -> None:
    assert how(vm(port(4000, mac=MAC), name="other"), expected()) == "mac"


def test_by_name_and_port_groups() -> None:
    assert how(vm(port(4000)), expected()) == "name"
    assert how(vm(port(4000, "dvportgroup-2")), expected()) is None
    assert how(vm(port(4000), port(4001)), expected()) is None


def test_a_name_says_nothing_where_a_vm_had_it_before() -> None:
    assert how(vm(port(4000)), expected(name_was_free=False)) is None


def test_a_name_says_nothing_in_a_fact_from_before_the_reservation() -> None:
    assert how(vm(port(4000)), expected(created_at=NOW + timedelta(seconds=1))) is None


def test_a_name_that_two_reservations_share_is_ambiguous() -> None:
    twin = expected(id=UUID(int=2), request_id="order-2")
    assert how(vm(port(4000)), expected(), twin) is None


def test_another_vcenter_is_another_vm() -> None:
    seen = vm(port(4000, mac=MAC), vcenter=OTHER_VCENTER, reservation=UUID(int=1))
    assert how(seen, expected()) is None


def test_a_template_answers_nothing() -> None:
    assert how(vm(port(4000, mac=MAC), template=True, reservation=UUID(int=1)), expected()) is None


def test_a_clone_with_its_sources_annotation_is_known_by_its_own_mac() -> None:
    source = expected(nic(0, mac="00:50:56:00:00:09"), state="confirmed")
    clone = expected(id=UUID(int=2), request_id="order-2")
    seen = vm(port(4000, mac=MAC), reservation=UUID(int=1))
    found = recognise(seen, NOW, [source, clone])
    assert found is not None
    assert (found[0].id, found[1]) == (UUID(int=2), "mac")


def test_an_expired_reservation_is_known_by_annotation_and_mac_but_not_by_name() -> None:
    late = expected(state="expired")
    assert how(vm(port(4000), reservation=UUID(int=1)), late) == "annotation"
    assert how(vm(port(4000, mac=MAC)), late) == "mac"
    assert how(vm(port(4000)), late) is None


def test_a_mac_that_is_held_again_belongs_to_who_waits() -> None:
    again = expected(id=UUID(int=2), request_id="order-2")
    found = recognise(vm(port(4000, mac=MAC)), NOW, [expected(state="expired"), again])
    assert found is not None
    assert found[0].id == UUID(int=2)


def test_ports_are_bound_by_mac_across_their_order() -> None:
    nics = [nic(0, mac=MAC), nic(1, mac=OTHER_MAC)]
    binding = bind(vm(port(4000, mac=OTHER_MAC), port(4001, mac=MAC)), nics)
    assert [(bound.index, bound.device_key) for bound in binding.ports] == [(0, 4001), (1, 4000)]


def test_ports_are_bound_by_port_group_in_the_order_of_their_keys() -> None:
    nics = [nic(0, "dvportgroup-2", None), nic(1, "dvportgroup-1", None), nic(2, "dvportgroup-1", None)]
    seen = vm(port(4002), port(4001), port(4000, "dvportgroup-2"))
    binding = bind(seen, nics)
    assert [(bound.index, bound.device_key) for bound in binding.ports] == [(0, 4000), (1, 4001), (2, 4002)]
    assert [bound.mac for bound in binding.ports] == [OTHER_MAC] * 3


def test_what_the_vm_lacks_stays_unbound() -> None:
    binding = bind(vm(port(4000, mac=MAC)), [nic(0), nic(1, "dvportgroup-2", OTHER_MAC)])
    assert [bound.index for bound in binding.ports] == [0]
    assert [left.index for left in binding.unbound] == [1]


def test_a_port_connected_elsewhere_is_reported_where_it_is() -> None:
    binding = bind(vm(port(4000, "dvportgroup-7", MAC)), [nic(0)])
    assert binding.ports[0].wire == wire_id(VCENTER, "dvportgroup-7")
