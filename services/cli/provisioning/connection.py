"""A login for creating VMs: with the collector's way of trusting certificates, and a thread of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pydantic import SecretStr
from pyVmomi import vim, vmodl

from services.cli.provisioning.tasks import ProvisioningFailed
from services.collector.vsphere.endpoint import Credentials, TlsMode, parse_endpoint
from services.collector.vsphere.session import Patience, Session, open_session

T = TypeVar("T")


class VcenterConnection:
    """Blocking vSphere calls, one at a time, away from the event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def call(self, ask: Callable[[], T]) -> T:
        """The result of a call. Raises `ProvisioningFailed` with the vCenter's fault, or `SightLost`."""

        def attempt() -> T | ProvisioningFailed:
            # Caught here, in the thread: faults say what the vCenter refused, not that it is out of sight.
            try:
                return ask()
            except (vmodl.MethodFault, vim.fault.VimFault) as fault:
                return ProvisioningFailed.of(fault)

        result = await self._session.call(attempt)
        if isinstance(result, ProvisioningFailed):
            raise result
        return result

    @property
    def collector(self) -> Any:
        """The vCenter's property collector."""
        return self._session.content.propertyCollector

    def object(self, kind: Any, moid: str) -> Any:
        """The managed object of this kind and id; nothing is asked yet."""
        return kind(moid, self.collector._stub)


@asynccontextmanager
async def connect(
    url: str,
    *,
    user: str,
    password: SecretStr | str,
    tls: TlsMode = "verify",
    tls_detail: str | None = None,
) -> AsyncIterator[VcenterConnection]:
    """Log in at a vCenter ("https://vc.example.net/sdk"); log out on leaving.

    `tls` and `tls_detail` say how its certificate is trusted, as for a registered vCenter. Plain http is for
    this machine only. Raises `PermanentError` for an address that is none, `SightLost` without a login.
    """
    secret = password if isinstance(password, SecretStr) else SecretStr(password)
    endpoint = parse_endpoint(url, tls, tls_detail)
    credentials = Credentials(user, secret)
    async with open_session(endpoint, credentials, patience=Patience(), name="provisioning") as session:
        yield VcenterConnection(session)
