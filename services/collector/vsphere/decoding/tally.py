"""What is counted while a page is read: the signs of its health, and what was not understood."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any, Literal

from pyVmomi import vim, vmodl

from services.collector.domain.changes import Signs
from services.collector.vsphere.decoding.documents import VIM, Element, TypeNames
from services.collector.vsphere.decoding.unfamiliar import type_named

_FAULT = f"{{{VIM}}}fault"
Absence = Literal["gone", "not_authenticated", "other"]


@lru_cache(maxsize=256)
def absence_of(fault_type: str | None) -> Absence:
    """What a fault of that name means; one that nobody knows is one of the others."""
    known: Any = type_named(fault_type or "")
    if known is not None and issubclass(known, vmodl.fault.ManagedObjectNotFound):
        return "gone"
    if known is not None and issubclass(known, vim.fault.NotAuthenticated):
        return "not_authenticated"
    return "other"


def absence(names: TypeNames, missing: Element) -> Absence:
    """Why a property or an object is missing."""
    localized = next(missing.iterchildren(_FAULT), missing)
    fault = next(localized.iterchildren(_FAULT), None)
    return absence_of(None if fault is None else names.of(fault))


class Tally:
    """Counts of `Signs` while they grow. `strays` counts what was left to pyVmomi, by "Type.path"."""

    def __init__(self) -> None:
        self.unread: set[str] = set()
        self.strays: Counter[str] = Counter()
        self._namesed = self._blind = self._not_authenticated = self._essentials = self._hollow = 0

    def essential(self, size: int) -> None:
        """An array came that is never truly empty."""
        self._essentials += 1
        self._hollow += not size

    def object(self, *, readable: bool, absences: list[Absence]) -> None:
        """An object came, with properties or without, and these were missing."""
        if "gone" in absences:
            return  # gone between change and answer: the next answer says so
        self._namesed += 1
        self._blind += not readable
        self._not_authenticated += absences.count("not_authenticated")

    def missing_object(self, why: Absence) -> None:
        """An object did not come."""
        self.object(readable=False, absences=[why])

    def signs(self) -> Signs:
        """The counts so far."""
        return Signs(self._namesed, self._blind, self._not_authenticated, self._essentials, self._hollow)
