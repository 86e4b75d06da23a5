"""Answers to render."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.events.inventory import VlanId
from shared.events.placement import Guest, PlacedAddress, PlacedNic, PlacedWire, VmCreatePlaced
from shared.events.subnet import Route
from tests.unit.placement.worlds import NOW, VCENTER

RESERVATION = UUID("71081531-ae9b-5b93-8511-db00bd7971b8")
WIRE = PlacedWire(
    id=UUID(int=3),
    network="dvportgroup-27",
    name="web-a",
    kind="distributed",
    vlan=VlanId(id=5),
    switch_uuid="50 2d 8b 3c",
    portgroup_key="dvportgroup-27",
)


def address(text: str, prefix: int = 24, **values: Any) -> PlacedAddress:
    """An address with what its subnet says."""
    return PlacedAddress(address=text, prefix=prefix, subnet=UUID(int=4), subnet_name="net", **values)


def placed(
    *nics: tuple[PlacedAddress, ...],
    guest: Guest | None = None,
    name: str = "web-1",
    macs: bool = True,
) -> VmCreatePlaced:
    """An answer with these addresses on its NICs; without `macs` vCenter chooses them."""
    return VmCreatePlaced(
        request_id="order-1",
        reservation=RESERVATION,
        name=name,
        vcenter=VCENTER,
        host="host-1",
        host_name="esx-1",
        cpus=1,
        memory_mb=1024,
        nics=tuple(
            PlacedNic(
                index=index,
                wire=WIRE,
                mac=f"00:50:56:00:00:{index:02x}" if macs else None,
                addresses=addresses,
            )
            for index, addresses in enumerate(nics)
        ),
        guest=guest or Guest(),
        expires_at=NOW,
        annotation="",
        explanation=(),
        facts_as_of=NOW,
    )


WEB = (
    address(
        "10.20.30.18",
        gateway="10.20.30.1",
        dns=("10.20.0.53", "10.20.0.54"),
        domain="web.example.org",
        ntp=("ntp1.example.org",),
        mtu=9000,
        routes=(Route(to="10.99.0.0/16", via="10.20.30.254"),),
    ),
    address(
        "2001:db8:20::18",
        64,
        gateway="2001:db8:20::1",
        dns=("2001:db8::53",),
        domain="web.example.org",
        routes=(Route(to="2001:db8:99::/48", via="2001:db8:20::fe"),),
    ),
)
STORAGE = (address("10.30.0.18", 22, gateway="10.30.0.1", domain="san.example.org"),)
BACKUP = (address("2001:db8:40::18", 64, gateway="2001:db8:40::1"),)
