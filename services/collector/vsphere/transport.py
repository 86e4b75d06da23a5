"""pyVmomi's SOAP stub on connections of our own: with time-outs, checked certificates, and a way to cut them.

pyVmomi compares a pinned thumbprint only after an ordinary verification failed, reads the list of API
versions without a time-out, and keeps the connection of a running call to itself; hence this.
"""

from __future__ import annotations

import contextlib
import socket
import weakref
from http.client import HTTPConnection, HTTPException
from typing import Any

from lxml import etree
from pyVmomi.SoapAdapter import SoapStubAdapter
from pyVmomi.VmomiSupport import GetServiceVersions, versionIdMap

from services.collector.vsphere.endpoint import Endpoint, connection_to, ssl_context

OLDEST = "vim.version.version9"
"""API 5.5: spoken where the server does not list its versions."""
_MAX_VERSIONS_BYTES = 1024 * 1024


class Transport:
    """Connections to one vCenter. `seconds` bounds every single wait for its bytes."""

    def __init__(self, endpoint: Endpoint, seconds: float) -> None:
        self._endpoint = endpoint
        self._seconds = seconds
        self._context = ssl_context(endpoint) if endpoint.scheme == "https" else None
        self._connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()

    def stub(self) -> Any:
        """A SOAP stub for the newest API version that both sides know. Blocks."""
        port = self._endpoint.port if self._endpoint.scheme == "https" else -self._endpoint.port
        stub: Any = SoapStubAdapter(  # type: ignore[no-untyped-call]
            host=self._endpoint.host,
            port=port,
            path=self._endpoint.path,
            version=self._negotiated(),
            sslContext=self._context,
        )
        stub.scheme = self._connect
        return stub

    def cut(self) -> None:
        """End all connections at once, so that a thread that waits on one of them gets an error now."""
        for connection in list(self._connections):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _connect(self, **_: object) -> HTTPConnection:
        connection = connection_to(self._endpoint, self._context, self._seconds)
        self._connections.add(connection)
        return connection

    def _negotiated(self) -> str:
        offered = self._offered()
        known: list[str] = GetServiceVersions("vim25")  # type: ignore[no-untyped-call]
        return next((version for version in known if versionIdMap[version] in offered), OLDEST)

    def _offered(self) -> set[str]:
        connection = self._connect()
        try:
            connection.request("GET", f"{self._endpoint.path}/vimServiceVersions.xml")
            response = connection.getresponse()
            body = response.read(_MAX_VERSIONS_BYTES)
        finally:
            connection.close()
        if response.status != 200:
            return set()
        # No entities, no network: the document comes from whoever answers at that address.
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        try:
            return {version.text or "" for version in etree.fromstring(body, parser).iter("version")}
        except etree.XMLSyntaxError:
            raise HTTPException("what answers there is not a vCenter") from None
