"""The HTTP proxy on the way to a vCenter: as registered, or as the environment says."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic import SecretStr

from shared.runtime.errors import PermanentError

DIRECT = "direct"
"""In the place of a proxy: none, whatever the environment says."""
_HINT = "write it like http://proxy.example.net:3128"


@dataclass(frozen=True)
class Proxy:
    """A proxy that tunnels (CONNECT). What logs in there shows in no representation."""

    host: str
    port: int
    login: SecretStr | None = None

    def headers(self) -> Mapping[str, str]:
        """What a CONNECT to it carries."""
        if self.login is None:
            return {}
        encoded = b64encode(self.login.get_secret_value().encode()).decode()
        return {"Proxy-Authorization": f"Basic {encoded}"}


def parse_proxy(url: str, *, secret: bool) -> Proxy:
    """The proxy at `url`. Raises `PermanentError`, quoting nothing: there may be a password in it.

    `secret`: whether `url` comes from a place for secrets, and so may carry credentials.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or 3128
    except ValueError:
        raise PermanentError("the proxy's port is no number", code="vcenter_proxy", hint=_HINT) from None
    if parts.scheme != "http" or not host or parts.path not in {"", "/"}:
        raise PermanentError("the proxy is not the URL of an HTTP proxy", code="vcenter_proxy", hint=_HINT)
    if parts.username is None:
        return Proxy(host, port)
    if not secret:
        raise PermanentError(
            "the proxy's URL carries credentials",
            code="vcenter_proxy",
            hint="keep the URL in a file or an environment variable and give file:/path or env:NAME",
        )
    return Proxy(host, port, SecretStr(f"{unquote(parts.username)}:{unquote(parts.password or '')}"))


def proxy_of_environment(scheme: str, host: str, port: int) -> Proxy | None:
    """What HTTPS_PROXY (http_proxy for plain http) and NO_PROXY ask for."""
    url = getproxies().get(scheme)
    if not url or proxy_bypass(f"{host}:{port}") or proxy_bypass(host):
        return None
    return parse_proxy(url, secret=True)
