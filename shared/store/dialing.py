"""One connection attempt: with the password of now, and with certificates verified.

In: a PostgreSQL URL, which may say `password_file`. Out: a connection, or why not. Certificates are verified
unless the URL's `sslmode` says otherwise (G9); the driver alone would take any.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from shared.runtime.addresses import without_query
from shared.runtime.errors import PermanentError
from shared.runtime.secret_files import PASSWORD_FILE, read_login

Connected: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def dial(url: str, **options: Any) -> Connected:
    """As `asyncpg.connect`. Raises what that raises, and `PermanentError` about files and certificates."""
    dsn, ours = without_query(url, PASSWORD_FILE)
    if PASSWORD_FILE in ours:
        options["password"] = read_login(Path(ours[PASSWORD_FILE])).password
    if not _is_ours_to_verify(dsn):
        return await _connect(dsn, options)
    context = _context(dsn)
    try:
        return await _connect(dsn, options | {"ssl": context})
    except ConnectionError as error:
        if "rejected SSL upgrade" not in str(error):
            raise
    if "sslrootcert" in _query(dsn):
        raise PermanentError(
            "the database has a CA set, and its server does not offer TLS",
            code="database_tls",
            hint="switch TLS on there (ssl = on), or unset PATCHBAY_DATABASE__CA_FILE",
        )
    return await _connect(dsn, options | {"ssl": False})


async def _connect(dsn: str, options: dict[str, Any]) -> Connected:
    try:
        return await asyncpg.connect(dsn, **options)
    except ssl.SSLCertVerificationError as error:
        raise PermanentError(
            f"the database's certificate is not trusted: {error.verify_message}",
            code="database_tls",
            hint="name the CA that signed it in PATCHBAY_DATABASE__CA_FILE; or say sslmode=require in"
            " PATCHBAY_DATABASE_URL to encrypt without knowing with whom",
        ) from None


def _is_ours_to_verify(dsn: str) -> bool:
    """Not where a person said how (`sslmode`), nor where nothing leaves the machine."""
    query = _query(dsn)
    if "sslmode" in query or os.environ.get("PGSSLMODE"):
        return False
    if "sslrootcert" in query:
        return True
    host = urlsplit(dsn).hostname or query.get("host", "")
    if not host or host.startswith("/") or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _query(dsn: str) -> dict[str, str]:
    return dict(parse_qsl(dsn.partition("?")[2]))


def _context(dsn: str) -> ssl.SSLContext:
    """Made at each attempt, so that certificates can be changed without a restart."""
    query = _query(dsn)
    try:
        context = ssl.create_default_context(cafile=query.get("sslrootcert"))
        if "sslcert" in query:
            context.load_cert_chain(query["sslcert"], query.get("sslkey"))
    except OSError as error:
        files = ", ".join(query[name] for name in ("sslrootcert", "sslcert", "sslkey") if name in query)
        raise PermanentError(
            f"the database's TLS files can't be used ({files}): {error.strerror or error}",
            code="database_tls",
            hint="check PATCHBAY_DATABASE__CA_FILE, __CERTIFICATE_FILE and __KEY_FILE: PEM, readable by us",
        ) from None
    return context
