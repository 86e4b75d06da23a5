"""Questions that an operator's check asks a vCenter."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from services.collector.vsphere.endpoint import Endpoint, connection_to, ssl_context, thumbprint

NEEDED = ("System.Anonymous", "System.View", "System.Read")
"""What the built-in role "Read-only" has; it has to be given at the top and to propagate."""


def certificate_thumbprint(endpoint: Endpoint, seconds: float) -> str:
    """SHA-256 of the certificate that the server shows, trusted or not. Blocks; raises OSError."""
    unchecked = replace(endpoint, tls="insecure")
    connection = connection_to(unchecked, ssl_context(unchecked), seconds)
    try:
        connection.connect()
        if not isinstance(connection.sock, ssl.SSLSocket):
            raise ssl.SSLError("plain http")
        return thumbprint(connection.sock.getpeercert(binary_form=True) or b"")
    finally:
        connection.close()


def shake_hands(endpoint: Endpoint, seconds: float) -> None:
    """Connect as a session would, certificate checked. Blocks; raises OSError, ssl.SSLError included."""
    connection = connection_to(endpoint, ssl_context(endpoint), seconds)
    try:
        connection.connect()
    finally:
        connection.close()


def lacking_privileges(content: Any) -> list[str] | None:
    """Privileges of `NEEDED` that the user lacks at the root folder; None when it can't be asked. Blocks."""
    session = content.sessionManager.currentSession
    try:
        [answer] = content.authorizationManager.HasPrivilegeOnEntities(
            [content.rootFolder], session.key, list(NEEDED)
        )
    except (vmodl.fault.NotSupported, vmodl.fault.MethodNotFound, vmodl.RuntimeFault):
        return None
    held = {privilege.privId for privilege in answer.privAvailability if privilege.isGranted}
    return [privilege for privilege in NEEDED if privilege not in held]


def visible_objects(content: Any) -> dict[str, int]:
    """How many hosts, networks and VMs the user sees. Blocks."""
    counts = {}
    for name, kind in (("hosts", vim.HostSystem), ("networks", vim.Network), ("VMs", vim.VirtualMachine)):
        view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
        counts[name] = len(view.view)
        view.DestroyView()
    return counts
