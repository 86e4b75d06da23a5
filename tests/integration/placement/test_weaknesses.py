"""Where others are weak: what a new guest is told, and whether it came true (W20)."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address

import pytest

from services.placement.domain.rendering import guest_configuration, rendered
from services.placement.queries import explain
from shared.events.placement import Guest, VmCreateDrifted, VmCreateVerified
from shared.store.pool import Pool
from tests.integration.placement.conftest import Placement
from tests.integration.placement.inventory import Inventory
from tests.integration.placement.test_afterwards import confirmed, see, verify
from tests.unit.placement.rendering.answers import address, placed

pytestmark = pytest.mark.postgres
_WORD = re.compile(r"[0-9A-Fa-f:.]+")


def addresses_in(text: str) -> set[str]:
    """Every IP address that stands in `text`."""
    found = set()
    for word in _WORD.findall(text):
        try:
            found.add(str(ip_address(word.strip("."))))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("os", ["linux", "windows"])
@pytest.mark.parametrize(
    ("text", "prefix", "masks"),
    [("10.20.30.7", 24, {"255.255.255.0"}), ("2001:db8::7", 64, set())],
    ids=["IPv4", "IPv6"],
)
def test_a_guest_is_told_nothing_that_its_subnet_does_not_say(
    os: str, text: str, prefix: int, masks: set[str]
) -> None:
    """W20: no gateway, name server, domain, time server, MTU or route is made up where nobody stated one.

    But for what vSphere insists on, in its own format alone, and that is said.
    """
    bare = placed((address(text, prefix),), guest=Guest.model_validate({"os": os}))
    said = guest_configuration(bare)
    everything = said.model_dump(mode="json") | {"backing": [nic.backing for nic in rendered(bare).nics]}
    assert addresses_in(json.dumps(everything, default=str)) <= {text} | masks
    settings = said.customization["nicSettingMap"][0]["adapter"]
    assert settings.keys() <= {"_typeName", "ip", "subnetMask", "ipV6Spec"}
    assert said.customization["globalIPSettings"].keys() == {"_typeName"}
    elsewhere = json.dumps([everything["cloud_init"], everything["keyfiles"], everything["ignition"]])
    for word in ("localdomain", "nameserver", "mtu", "routes", "gateway", "ntp", "dns", "search"):
        assert word not in elsewhere.lower()
    insisted = "organisation localdomain and time zone UTC" if os == "windows" else "domain localdomain"
    assert said.notes == (f"a CustomizationSpec can't do without what nobody stated; it says {insisted}",)


async def test_what_a_new_guest_comes_up_with_is_checked_and_not_just_logged(
    pool: Pool, inventory: Inventory, placement: Placement
) -> None:
    """W20: a customization that failed in the guest is an event, and shows until it is mended."""
    answer, port = await confirmed(pool, inventory, placement)
    promised = answer.nics[0].addresses[0].address
    assert await verify(placement) == [], "silent Tools prove nothing, and condemn nothing"
    await see(pool, port, "169.254.7.7")
    assert await verify(placement) == [], "nor does a guest that has not come up yet"
    await see(pool, port, "10.0.1.99")
    [drifted] = await verify(placement)
    assert isinstance(drifted, VmCreateDrifted)
    assert (drifted.nics[0].reserved, drifted.nics[0].seen) == ((promised,), ("10.0.1.99",))
    told = await explain(pool, str(answer.reservation))
    assert told is not None
    assert told.reservation is not None
    assert told.reservation.verdict == "drifted"
    await see(pool, port, promised)
    [verified] = await verify(placement)
    assert isinstance(verified, VmCreateVerified)
