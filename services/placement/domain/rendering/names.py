"""Host names that guests take."""

from __future__ import annotations

from uuid import UUID

LONGEST = 63
LONGEST_ON_WINDOWS = 15
"""NetBIOS; longer computer names are cut by Windows itself, two VMs into one."""


def hostname(wanted: str | None, name: str, reservation: UUID) -> str:
    """The host name asked for, else the VM's name made fit to be one (letters, digits, inner hyphens)."""
    text = (wanted or name).partition(".")[0]
    fit = "".join(c if c.isascii() and c.isalnum() else "-" for c in text).strip("-")
    return fit[:LONGEST].rstrip("-") or _nameless(reservation)


def windows_name(name: str, reservation: UUID) -> str:
    """`name` as a computer name: one that is too long keeps its beginning, told apart by the reservation.

    A name of digits alone is an address to Windows.
    """
    if len(name) > LONGEST_ON_WINDOWS:
        name = f"{name[:10].rstrip('-')}-{str(reservation)[:4]}"
    return _nameless(reservation) if name.isdigit() else name


def _nameless(reservation: UUID) -> str:
    return f"vm-{str(reservation)[:8]}"
