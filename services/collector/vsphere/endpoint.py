"""Where a vCenter is, how its certificate is trusted, and who logs in."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from services.collector.vsphere.proxies import Proxy
from shared.runtime.errors import PermanentError

TlsMode = Literal["verify", "ca_file", "thumbprint", "insecure"]
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")


class ThumbprintMismatch(ssl.SSLError):
    """The server shows another certificate than the pinned one."""


@dataclass(frozen=True)
class Endpoint:
    """A vCenter's address. `tls_detail` is the CA bundle's path or the pinned SHA-256 thumbprint."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    path: str = "/sdk"
    tls: TlsMode = "verify"
    tls_detail: str | None = None
    proxy: Proxy | None = None

    @property
    def url(self) -> str:
        """The address as text."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and port as URLs have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Credentials:
    """Who logs in; the password shows in no representation."""

    user: str
    password: SecretStr


def parse_endpoint(url: str, tls: TlsMode = "verify", tls_detail: str | None = None) -> Endpoint:
    """The endpoint of `url`: "https://vc.example.net/sdk", or just "vc.example.net".

    Raises `PermanentError` for what is no such address, for credentials in it, for plain http to another
    machine unless `tls` is "insecure", and for a thumbprint that is no SHA-256.
    """
    parts = urlsplit(url if "://" in url else f"https://{url}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.username or parts.password:
        raise PermanentError(
            "the address carries credentials",
            code="vcenter_url",
            hint="give user and password as references, such as env:NAME or file:/path",
        )
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == -1:
        raise PermanentError(
            f"{url!r} is not the address of a vCenter",
            code="vcenter_url",
            hint="write it like https://vcenter.example.net/sdk",
        )
    if parts.scheme == "http" and tls != "insecure" and not is_loopback(parts.hostname):
        raise PermanentError(
            f"{url!r} would send the password in clear text",
            code="vcenter_url",
            hint="use https, or say that this vCenter is insecure",
        )
    path = parts.path.rstrip("/") or "/sdk"
    scheme: Literal["https", "http"] = "http" if parts.scheme == "http" else "https"
    port = port or (443 if scheme == "https" else 80)
    return Endpoint(scheme, parts.hostname, port, path, tls, _checked_detail(tls, tls_detail))


def _checked_detail(tls: TlsMode, detail: str | None) -> str | None:
    if tls == "thumbprint":
        bare = (detail or "").replace(":", "").replace(" ", "").lower()
        if not _HEX_SHA256.fullmatch(bare):
            raise PermanentError(
                "the thumbprint is no SHA-256 one",
                code="vcenter_thumbprint",
                hint="give 64 hexadecimal digits; 'patchbay vcenter check NAME' shows the server's",
            )
        return bare
    if tls == "ca_file" and not detail:
        raise PermanentError("the path of the CA bundle is missing", code="vcenter_ca_file")
    return detail


def behind(endpoint: Endpoint, proxy: Proxy | None) -> Endpoint:
    """The same endpoint, reached through `proxy`; None: directly."""
    return replace(endpoint, proxy=proxy)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ssl_context(endpoint: Endpoint) -> ssl.SSLContext:
    """What the endpoint's certificate is checked against.

    Raises `PermanentError` when the CA bundle can't be read.
    """
    if endpoint.tls == "ca_file":
        try:
            return ssl.create_default_context(cafile=endpoint.tls_detail)
        except OSError as error:
            raise PermanentError(
                f"the CA bundle {endpoint.tls_detail} can't be read: {error.strerror or error}",
                code="vcenter_ca_file",
                hint="give the path of a PEM file that this process may read",
            ) from error
    context = ssl.create_default_context()
    if endpoint.tls in {"thumbprint", "insecure"}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def thumbprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, as 64 hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


class TunnelledConnection(HTTPConnection):
    """Names an IPv6 address to a proxy in brackets, which Python does from 3.13 on only."""

    _tunnel_host: str

    def _tunnel(self) -> None:
        bare = self._tunnel_host
        self._tunnel_host = f"[{bare}]" if ":" in bare else bare
        try:
            super()._tunnel()  # type: ignore[misc]  # http.client's own, which typeshed does not list
        finally:
            # As it was: the certificate is checked against it.
            self._tunnel_host = bare


class SecureConnection(TunnelledConnection, HTTPSConnection):
    """TLS, if need be inside of a tunnel."""


class PinnedConnection(SecureConnection):
    """Talks to a server with one certificate only; nothing is sent before that is sure."""

    expected: str = ""

    def connect(self) -> None:
        """Connect; raises `ThumbprintMismatch`."""
        super().connect()
        shown = thumbprint(self.sock.getpeercert(binary_form=True) or b"")
        if shown != self.expected:
            self.close()
            raise ThumbprintMismatch(f"the server's certificate has SHA-256 {shown}")


def connection_to(endpoint: Endpoint, context: ssl.SSLContext | None, seconds: float) -> HTTPConnection:
    """An unconnected HTTP(S) connection, by the proxy if there is one; every wait ends after `seconds`."""
    via = endpoint.proxy
    host, port = (endpoint.host, endpoint.port) if via is None else (via.host, via.port)
    connection: HTTPConnection
    if endpoint.scheme == "http" or context is None:
        connection = TunnelledConnection(host, port, timeout=seconds)
    elif endpoint.tls == "thumbprint":
        connection = PinnedConnection(host, port, timeout=seconds, context=context)
        connection.expected = endpoint.tls_detail or ""
    else:
        connection = SecureConnection(host, port, timeout=seconds, context=context)
    if via is not None:
        # The certificate is that of the vCenter all the same: TLS begins inside the tunnel.
        connection.set_tunnel(
            endpoint.host, endpoint.port, headers={"Host": endpoint.authority, **via.headers()}
        )
    return connection
