"""A page of a vCenter's answers, in plain values: what a decoder, any decoder, hands to the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from services.collector.domain.state import ObjectKind

Action = Literal["enter", "modify", "leave"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object. `fields` maps field names of its state class to new values.

    `type` is the finer kind where the state class has one ("datacenter", "distributed"), else "".
    """

    action: Action
    kind: ObjectKind
    moid: str
    type: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signs:
    """What a page tells about the sight itself: counts the classifier judges by.

    `answered` objects had properties asked of them, of `blind` ones none was readable (objects that vanished
    meanwhile count in neither). `essentials` are arrays that are never truly empty (a VM's devices, a host's
    physical adapters); `hollow` of them came empty.
    """

    answered: int = 0
    blind: int = 0
    not_authenticated: int = 0
    essentials: int = 0
    hollow: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: changes in the order the vCenter gave them, and the version that asking on acknowledges."""

    version: str
    truncated: bool
    changes: tuple[Change, ...]
    signs: Signs
    received_at: datetime
    unread: frozenset[str] = frozenset()
    """Property paths with a value that could not be understood, as "Type.path"; it was stepped over."""
