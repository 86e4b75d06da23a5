"""Answers as a server sent them, and what pyVmomi makes of the very same bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr
from pyVmomi import vim as typed_vim
from pyVmomi import vmodl as typed_vmodl

from services.collector.domain.changes import Page
from services.collector.vsphere.decoding.unfamiliar import whole_answer
from services.collector.vsphere.endpoint import Credentials, parse_endpoint
from services.collector.vsphere.fetching import fetch
from services.collector.vsphere.filters import watch_groups
from services.collector.vsphere.reading import read_page
from services.collector.vsphere.transport import Transport

vim: Any = typed_vim
vmodl: Any = typed_vmodl
NOW = datetime(2026, 1, 5, tzinfo=UTC)
SECONDS = 30.0


class Recorder:
    """A login that watches all that the collector watches. Blocks."""

    def __init__(self, url: str, user: str, password: str, *, partial: bool = False) -> None:
        self._transport = Transport(parse_endpoint(url, "insecure"), SECONDS)
        credentials = Credentials(user, SecretStr(password))
        self.content = vim.ServiceInstance("ServiceInstance", self._transport.stub()).RetrieveContent()
        self.content.sessionManager.Login(credentials.user, credentials.password.get_secret_value(), None)
        watch_groups(self.content, partial=partial)
        self.version = ""

    def answer(self, *, objects: int = 1000, wait_seconds: int = 0) -> bytes:
        """The next answer's body."""
        options = vmodl.query.PropertyCollector.WaitOptions(
            maxWaitSeconds=wait_seconds, maxObjectUpdates=objects
        )
        return fetch(self.content.propertyCollector, "WaitForUpdatesEx", self.version, options)

    def answers(self, *, objects: int = 1000) -> list[bytes]:
        """All answers that there are now."""
        bodies = []
        while (page := by_pyvmomi(body := self.answer(objects=objects))) is not None:
            bodies.append(body)
            self.version = page.version
            if not page.truncated:
                break
        return bodies

    def objects(self, kind: Any, paths: list[str]) -> bytes:
        """The answer about all objects of a type, read once."""
        view = self.content.viewManager.CreateContainerView(self.content.rootFolder, [kind], True)
        collector = vmodl.query.PropertyCollector
        through = collector.TraversalSpec(name="view", type=type(view), path="view", skip=False)
        spec = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[through])],
            propSet=[collector.PropertySpec(type=kind, all=False, pathSet=paths)],
        )
        return fetch(
            self.content.propertyCollector, "RetrievePropertiesEx", [spec], collector.RetrieveOptions()
        )

    def close(self) -> None:
        """End the connections."""
        self._transport.cut()


def by_pyvmomi(body: bytes) -> Page | None:
    """The page of what pyVmomi's deserializer makes of these bytes."""
    update_set = whole_answer(body)
    return None if update_set is None else read_page(update_set, NOW)
