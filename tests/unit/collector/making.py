"""Raw values as a vCenter would state them."""

from __future__ import annotations

from uuid import UUID

from services.collector.domain.changes import Action, Change
from services.collector.domain.raw import Card, GuestIp, GuestNic
from services.collector.domain.stamp import Stamp
from services.collector.domain.state import Vm

STAMP = Stamp(UUID("11111111-2222-3333-4444-555555555555"), 7)
MAC = "00:50:56:80:00:01"


def card(
    key: int = 4000, mac: str = MAC, network: str | None = "network-7", group: str | None = None
) -> Card:
    """A vmxnet3 card."""
    return Card(key, f"Network adapter {key - 3999}", "VirtualVmxnet3", mac, True, network, None, group, None)


def nic(*addresses: str | GuestIp, key: int = 4000, mac: str = MAC) -> GuestNic:
    """A guest's interface; bare addresses become manual, preferred /24 ones."""
    ips = tuple(ip if isinstance(ip, GuestIp) else GuestIp(ip, 24, "manual", "preferred") for ip in addresses)
    return GuestNic(key, mac, True, ips)


def vm(*nics: GuestNic, cards: tuple[Card, ...] = (card(),), address: str | None = None) -> Vm:
    """A VM with running Tools."""
    return Vm(
        moid="vm-1",
        name="web",
        cards=cards,
        tools="guestToolsRunning",
        guest_nics=nics,
        guest_address=address,
    )


def vm_change(moid: str = "vm-1", action: Action = "enter", **fields: object) -> Change:
    """A change of a VM; on enter with a name and a card unless given."""
    given = {"name": moid, "cards": (card(),), **fields} if action == "enter" else fields
    return Change(action, "vm", moid, "", given)
