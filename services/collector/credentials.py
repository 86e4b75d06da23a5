"""Secrets by reference: what is stored says where the secret is, never what it is (G9).

From what is registered to what a session needs: an endpoint with its proxy, and credentials.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from services.collector.vsphere.endpoint import Credentials, Endpoint, behind, is_loopback
from services.collector.vsphere.proxies import DIRECT, Proxy, parse_proxy, proxy_of_environment
from shared.runtime.errors import PermanentError

_HINT = "write it as env:NAME or file:/path"


def check_reference(reference: str, *, what: str, secret: bool) -> str:
    """The reference. Raises `PermanentError` for anything but env: and file: and, unless `secret`, text:."""
    kind, _, rest = reference.partition(":")
    allowed = {"env", "file"} if secret else {"env", "file", "text"}
    if kind not in allowed or not rest:
        # The value is not quoted: it may be the secret itself, given by mistake.
        raise PermanentError(f"{what} is no reference", code="vcenter_credentials", hint=_HINT)
    if kind == "file" and not Path(rest).is_absolute():
        raise PermanentError(
            f"{what} names the relative path {rest!r}", code="vcenter_credentials", hint=_HINT
        )
    return reference


def resolve(reference: str, *, what: str) -> SecretStr:
    """What the reference stands for now. Raises `PermanentError`, naming the place and not the content."""
    kind, _, rest = reference.partition(":")
    if kind == "text":
        return SecretStr(rest)
    if kind == "env":
        value = os.environ.get(rest)
        if value is None:
            raise PermanentError(
                f"{what} is to come from the environment variable {rest}, which is not set",
                code="vcenter_credentials",
                hint=f"set {rest} for the collector's process",
            )
        return SecretStr(value)
    try:
        return SecretStr(Path(rest).read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            f"{what} is to come from the file {rest}, which can't be read: {type(error).__name__}",
            code="vcenter_credentials",
            hint=f"let the collector's user read {rest}",
        ) from None


def check_proxy(reference: str | None) -> None:
    """Raise `PermanentError` for what is neither "direct" nor a reference to a proxy's URL."""
    if reference is None or reference == DIRECT:
        return
    check_reference(reference, what="the proxy", secret=False)
    kind, _, rest = reference.partition(":")
    if kind == "text":
        parse_proxy(rest, secret=False)


def proxy_for(endpoint: Endpoint, reference: str | None) -> Proxy | None:
    """The proxy to use. Raises `PermanentError` when it can't be told."""
    if reference == DIRECT:
        return None
    if reference is not None:
        url = resolve(reference, what="the proxy").get_secret_value().strip()
        return parse_proxy(url, secret=not reference.startswith("text:"))
    if is_loopback(endpoint.host):
        return None
    return proxy_of_environment(endpoint.scheme, endpoint.host, endpoint.port)


def reach(endpoint: Endpoint, proxy: str | None) -> Endpoint:
    """The endpoint by the way to it. Raises `PermanentError`."""
    return behind(endpoint, proxy_for(endpoint, proxy))


def log_in_with(user_ref: str, password_ref: str) -> Credentials:
    """Who logs in. Raises `PermanentError`."""
    return Credentials(
        resolve(user_ref, what="the user").get_secret_value(), resolve(password_ref, what="the password")
    )
