"""What a guest is told, as data and as a vSphere customization."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from pyVmomi import vim

from services.cli.provisioning.customizing import specification
from services.placement.domain.rendering import guest_configuration
from shared.events.inventory import VlanId
from shared.events.placement import Guest, PlacedAddress, PlacedNic, PlacedWire, VmCreatePlaced
from tests.unit.placement.worlds import NOW, VCENTER

_custom: Any = vim.vm.customization


def address(text: str, prefix: int = 24, **values: Any) -> PlacedAddress:
    return PlacedAddress(address=text, prefix=prefix, subnet=uuid4(), subnet_name="net", **values)


def placed(
    *nics: tuple[PlacedAddress, ...], guest: Guest | None = None, name: str = "web-1"
) -> VmCreatePlaced:
    wire = PlacedWire(id=uuid4(), network="dvportgroup-1", name="pg", kind="distributed", vlan=VlanId(id=5))
    return VmCreatePlaced(
        request_id="order-1",
        reservation=UUID(int=7),
        name=name,
        vcenter=VCENTER,
        host="host-1",
        host_name="esx-1",
        cpus=1,
        memory_mb=1024,
        nics=tuple(
            PlacedNic(index=index, wire=wire, mac=f"00:50:56:00:00:0{index}", addresses=addresses)
            for index, addresses in enumerate(nics)
        ),
        guest=guest or Guest(),
        expires_at=NOW,
        annotation="",
        explanation=(),
        facts_as_of=NOW,
    )


def test_an_ipv4_adapter() -> None:
    first = address(
        "10.0.1.5", 22, gateway="10.0.0.1", dns=("10.0.0.53",), domain="a.test", mtu=9000, ntp=("10.0.0.123",)
    )
    told = guest_configuration(placed((first,), guest=Guest(search_domains=("b.test",))))
    [adapter] = told.adapters
    [addressing] = adapter.addresses
    assert (addressing.netmask, addressing.gateway, adapter.mtu) == ("255.255.252.0", "10.0.0.1", 9000)
    assert (told.hostname, told.domain, told.dns, told.ntp) == (
        "web-1",
        "a.test",
        ("10.0.0.53",),
        ("10.0.0.123",),
    )
    assert told.search_domains == ("b.test", "a.test")


def test_one_default_route_per_family() -> None:
    nics = (
        (address("10.0.1.5", gateway="10.0.1.1"),),
        (address("10.0.2.5", gateway="10.0.2.1"),),
        (address("2001:db8::5", 64, gateway="2001:db8::1"),),
    )
    told = guest_configuration(placed(*nics))
    gateways = [item.gateway for adapter in told.adapters for item in adapter.addresses]
    assert gateways == ["10.0.1.1", None, "2001:db8::1"]


@pytest.mark.parametrize(
    ("name", "hostname", "expected"),
    [
        ("web-1", "chosen", "chosen"),
        ("My VM (copy)", None, "My-VM--copy"),
        ("web.example.test", None, "web"),
        ("x" * 80, None, "x" * 63),
        ("日本", None, "vm-00000000"),
    ],
)
def test_the_host_name_is_one(name: str, hostname: str | None, expected: str) -> None:
    answer = placed((address("10.0.1.5"),), guest=Guest(hostname=hostname), name=name)
    assert guest_configuration(answer).hostname == expected


def test_a_linux_customization() -> None:
    nics = (
        (address("10.0.1.5", gateway="10.0.1.1", dns=("10.0.0.53",), domain="a.test"),),
        (address("2001:db8::5", 64, gateway="2001:db8::1"),),
    )
    spec = specification(guest_configuration(placed(*nics)))
    assert isinstance(spec.identity, _custom.LinuxPrep)
    assert (spec.identity.hostName.name, spec.identity.domain) == ("web-1", "a.test")
    first, second = spec.nicSettingMap
    assert (first.adapter.ip.ipAddress, first.adapter.subnetMask) == ("10.0.1.5", "255.255.255.0")
    assert list(first.adapter.gateway) == ["10.0.1.1"]
    assert first.macAddress == "00:50:56:00:00:00"
    assert isinstance(second.adapter.ip, _custom.DisableIpV4)
    [ipv6] = second.adapter.ipV6Spec.ip
    assert (ipv6.ipAddress, ipv6.subnetMask) == ("2001:db8::5", 64)


def test_a_windows_customization_has_a_name_that_windows_takes() -> None:
    answer = placed((address("10.0.1.5"),), guest=Guest(os="windows", hostname="a-very-long-host-name"))
    spec = specification(guest_configuration(answer))
    assert isinstance(spec.identity, _custom.Sysprep)
    assert spec.identity.userData.computerName.name == "a-very-long-hos"
