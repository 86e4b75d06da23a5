"""The ledger's decisions: is a subnet sound, what of it may be allocated, which address is next, who gets it.

In: values. Out: values. No I/O, no clock, no randomness of its own.
"""

from shared.ipam.domain.choice import Order, choose, probe
from shared.ipam.domain.claims import (
    Claim,
    Held,
    Holder,
    Release,
    Reserved,
    Settlement,
    Steps,
    release_note,
    reserved_by,
    settle,
)
from shared.ipam.domain.intervals import (
    Interval,
    contains,
    default_ranges,
    merge,
    size,
    subtract,
)
from shared.ipam.domain.mistakes import Mistake, SubnetDraft, check_subnet, why_not_allocatable

__all__ = [
    "Claim",
    "Held",
    "Holder",
    "Interval",
    "Mistake",
    "Order",
    "Release",
    "Reserved",
    "Settlement",
    "Steps",
    "SubnetDraft",
    "check_subnet",
    "choose",
    "contains",
    "default_ranges",
    "merge",
    "probe",
    "release_note",
    "reserved_by",
    "settle",
    "size",
    "subtract",
    "why_not_allocatable",
]
