"""Reads some objects once more, beside the stream of changes and without disturbing it."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from services.collector.domain.changes import Page
from services.collector.vsphere.filters import filter_spec
from services.collector.vsphere.paths import GROUPS
from services.collector.vsphere.reading import read_page

_Collector: Any = vmodl.query.PropertyCollector
WAIT_SECONDS = 5
"""The first answer is there at once, but for an empty datacenter."""


class Rereading:
    """One VM, or all that is watched below a datacenter, page by page. Every method blocks.

    Ends by itself. Given up half-way, what it made at the vCenter ends with the session.
    """

    def __init__(self, content: Any, wish: str, unsupported: frozenset[str], objects: int) -> None:
        """`wish`: "vm/<managed object id>" or "datacenter/<managed object id>"; `objects` a page."""
        kind, _, moid = wish.partition("/")
        self._content = content
        target_type = vim.VirtualMachine if kind == "vm" else vim.Datacenter
        self._target = target_type(moid, content.rootFolder._stub)
        self._unsupported = set(unsupported)
        self._options = _Collector.WaitOptions(maxWaitSeconds=WAIT_SECONDS, maxObjectUpdates=objects)
        self._version = ""
        self._collector: Any = None
        self._views: list[Any] = []

    def next(self) -> Page | None:
        """The next page; None after the last, and when the object is gone."""
        try:
            if self._collector is None:
                self._begin()
            answer = self._collector.WaitForUpdatesEx(self._version, self._options) if self._views else None
        except vmodl.fault.ManagedObjectNotFound as missing:
            if missing.obj is None or missing.obj._moId != self._target._moId:
                raise
            answer = None
        if answer is None:
            self._end()
            return None
        page = read_page(answer)
        self._version = page.version
        if not page.truncated:
            self._end()
        return page

    def _begin(self) -> None:
        self._collector = self._content.propertyCollector.CreatePropertyCollector()
        views = self._content.viewManager
        for group in GROUPS:
            if isinstance(self._target, vim.Datacenter):
                view = views.CreateContainerView(self._target, list(group.types), True)
            elif vim.VirtualMachine in group.types:
                view = views.CreateListView([self._target])
            else:
                continue
            self._views.append(view)
            self._collector.CreateFilter(filter_spec(group, view, self._unsupported), False)

    def _end(self) -> None:
        """Give back what was made, once."""
        for view in self._views:
            view.DestroyView()
        self._views = []
        if self._collector is not None:
            self._collector.DestroyPropertyCollector()
