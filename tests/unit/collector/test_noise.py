"""Changes that say nothing: no fact, and the reason counted."""

from __future__ import annotations

from services.collector.domain.changes import Change
from services.collector.domain.mirror import Mirror
from services.collector.domain.raw import GuestIp, GuestNic, Vswitch
from tests.unit.collector.making import MAC, STAMP, card, nic, vm_change

OWN = nic("10.0.0.4", "10.0.0.5")
TEMPORARY = nic("10.0.0.4", "10.0.0.5", GuestIp("2001:db8::9", 64, "random", "preferred"))
LOCAL = nic("10.0.0.4", "10.0.0.5", GuestIp("fe80::9", 64, "linklayer", "preferred"))
BRIDGE = GuestNic(-1, "02:42:00:00:00:01", True, (GuestIp("172.17.0.1", 16),))


def noise(*reports: tuple[GuestNic, ...]) -> dict[str, int]:
    """What is counted when a guest says one after the other, all making the same fact."""
    mirror = Mirror(STAMP)
    mirror.apply([vm_change(guest_nics=reports[0], tools="guestToolsRunning")])
    assert len(list(mirror.news())) == 2
    for report in reports[1:]:
        mirror.apply([vm_change(action="modify", guest_nics=report)])
        assert list(mirror.news()) == []
    return dict(mirror.suppressed)


def test_each_kind_of_noise_is_counted_as_what_it_is() -> None:
    assert noise((OWN,), (nic("10.0.0.5", "10.0.0.4"),)) == {"reordered": 1}
    assert noise((OWN, BRIDGE), (BRIDGE, OWN)) == {"reordered": 1}
    assert noise((OWN,), (OWN, BRIDGE), (OWN,)) == {"foreign_device": 2}
    assert noise((OWN,), (TEMPORARY,), (TEMPORARY, BRIDGE)) == {"temporary_address": 1, "foreign_device": 1}
    assert noise((TEMPORARY,), (LOCAL,)) == {"link_local": 1}
    assert noise((OWN,), (OWN,)) == {"unchanged": 1}
    loud = GuestNic(4000, MAC.replace(":", "-"), True, OWN.addresses)
    assert noise((OWN,), (loud,)) == {"spelling": 1}


def test_free_ports_of_a_switch_are_noise() -> None:
    mirror = Mirror(STAMP)

    def say(free: int) -> int:
        switches = (Vswitch("vSwitch0", (), 64, free),)
        mirror.apply([Change("modify", "host", "host-1", "", {"vswitches": switches})])
        return len(list(mirror.news()))

    mirror.apply([Change("enter", "host", "host-1", "", {"name": "esx"})])
    assert len(list(mirror.news())) == 1
    assert [say(60), say(59), say(58)] == [1, 0, 0]
    assert dict(mirror.suppressed) == {"ports_available": 2}


def test_who_may_not_be_told_of_yet_is_told_of_later_with_everything() -> None:
    mirror = Mirror(STAMP)
    mirror.apply([vm_change("vm-1"), vm_change("vm-2")])
    list(mirror.news())
    mirror.apply([vm_change("vm-1", "modify", name="a"), vm_change("vm-2", "modify", name="b")])
    assert [item.moid for item in mirror.news(lambda moid: moid != "vm-1")] == ["vm-2"]
    mirror.apply([vm_change("vm-1", "modify", cards=(card(mac="00:50:56:00:00:09"),))])
    told = list(mirror.news())
    assert [item.moid for item in told if item.kind == "vm" and item.name == "a"] == ["vm-1"]
    mirror.apply([vm_change("vm-1", "modify", name="c")])
    assert list(mirror.news(lambda _: False)) == []
    mirror.apply([Change("leave", "vm", "vm-1")])
    assert [item.gone for item in mirror.news(lambda _: False)] == [True]
