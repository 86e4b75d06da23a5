"""Whose fact it is."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

UNNUMBERED = 1
"""Sequence of a fact that has not got its own yet: it gets one when it is known to be published."""


class Stamp(NamedTuple):
    """The vCenter, by instance UUID, the epoch that a fact belongs to, and the scope of its addresses."""

    vcenter: UUID
    epoch: int
    scope: str = "default"
