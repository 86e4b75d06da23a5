"""MAC addresses for new VMs, from the range VMware sets aside for addresses given by hand.

Deterministic, so that a request that is decided again gets the same ones; with a further attempt where one is
taken already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from uuid import UUID

from shared.events.placement import NicRequest

STATIC_RANGE = 0x00_50_56_00_00_00
"""00:50:56:00:00:00 to 00:50:56:3f:ff:ff; vCenter refuses others as manual addresses of 00:50:56."""
SIZE = 0x40_00_00
ATTEMPTS = 8


def generated(reservation: UUID, index: int) -> Iterator[str]:
    """Candidates for NIC `index` of a reservation, in the order they are to be tried."""
    for attempt in range(ATTEMPTS):
        digest = sha256(f"{reservation}/{index}/{attempt}".encode()).digest()
        number = STATIC_RANGE + int.from_bytes(digest[:4], "big") % SIZE
        text = f"{number:012x}"
        yield ":".join(text[i : i + 2] for i in range(0, 12, 2))


def candidates(reservation: UUID, nics: Sequence[NicRequest]) -> list[str]:
    """Every MAC that `chosen` may look at: what has to be known about those in use."""
    found: list[str] = []
    for index, nic in enumerate(nics):
        if nic.mac == "generated":
            found += generated(reservation, index)
        elif nic.mac != "vcenter":
            found.append(nic.mac)
    return found


def chosen(
    reservation: UUID, nics: Sequence[NicRequest], in_use: Collection[str]
) -> list[str | None] | tuple[int, str]:
    """The MAC of each NIC (None where vCenter chooses), or the index and MAC that cannot be had."""
    taken = {*in_use}
    macs: list[str | None] = []
    # What was asked for by name goes first: a generated one gives way.
    for index, nic in enumerate(nics):
        if nic.mac not in {"generated", "vcenter"}:
            if nic.mac in taken:
                return index, nic.mac
            taken.add(nic.mac)
    for index, nic in enumerate(nics):
        if nic.mac == "vcenter":
            macs.append(None)
        elif nic.mac != "generated":
            macs.append(nic.mac)
        else:
            mac = next((mac for mac in generated(reservation, index) if mac not in taken), None)
            if mac is None:
                return index, next(generated(reservation, index))
            taken.add(mac)
            macs.append(mac)
    return macs
