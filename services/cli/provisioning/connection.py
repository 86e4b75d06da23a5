"""A login for creating VMs: with the collector's way of trusting certificates, and a thread of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from pydantic import SecretStr
from pyVmomi import vim, vmodl

from services.cli.provisioning.tasks import ProvisioningFailed
from services.collector.credentials import reach
from services.collector.domain.sight import SightLost
from services.collector.vsphere.endpoint import Credentials, TlsMode, parse_endpoint
from services.collector.vsphere.session import Patience, Session, open_session
from shared.runtime.errors import PatchbayError, TransientError

T = TypeVar("T")


class VcenterOutOfSight(TransientError):
    """The vCenter does not answer, or not in a way that can be read."""


class VcenterConnection:
    """Blocking vSphere calls, one at a time, away from the event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def call(self, ask: Callable[[], T]) -> T:
        """The result of a call. Raises `ProvisioningFailed` with its fault, or `VcenterOutOfSight`."""

        def attempt() -> T | ProvisioningFailed:
            # Caught here, in the thread: faults say what the vCenter refused, not that it is out of sight.
            try:
                return ask()
            except (vmodl.MethodFault, vim.fault.VimFault) as fault:
                return ProvisioningFailed.of(fault)

        try:
            result = await self._session.call(attempt)
        except SightLost as lost:
            raise _in_our_words(lost) from lost
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
    proxy: str | None = None,
) -> AsyncIterator[VcenterConnection]:
    """Log in at a vCenter ("https://vc.example.net/sdk"); log out on leaving.

    `tls` and `tls_detail` say how its certificate is trusted, `proxy` how it is reached, as for a registered
    vCenter. Plain http is for this machine only. Raises `PermanentError` for an address that is none,
    `ProvisioningFailed` for a refused login, `VcenterOutOfSight` when there is no answer.
    """
    secret = password if isinstance(password, SecretStr) else SecretStr(password)
    endpoint = reach(parse_endpoint(url, tls, tls_detail), proxy)
    credentials = Credentials(user, secret)
    opening = open_session(endpoint, credentials, patience=Patience(), name="provisioning")
    async with AsyncExitStack() as stack:
        try:
            session = await stack.enter_async_context(opening)
        except SightLost as lost:
            raise _in_our_words(lost) from lost
        yield VcenterConnection(session)


def _in_our_words(lost: SightLost) -> PatchbayError:
    if lost.cause == "rejected_login":
        return ProvisioningFailed(f"the vCenter refused the login: {lost.detail}", code="rejected_login")
    return VcenterOutOfSight(f"the vCenter is out of sight ({lost.cause}): {lost.detail}")
