"""Where the broker is and how to log in there, as it is at the moment of connecting.

The URL's query holds what the client library knows (`cafile`, `certfile`, `keyfile`, `no_verify_ssl`, `auth`)
and two parameters of ours: `password_file` and `group_size`. Files are read at each connect. Certificates are
verified unless `no_verify_ssl` says otherwise (G9).
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from shared.runtime.addresses import GROUP_SIZE, without_query
from shared.runtime.errors import PermanentError
from shared.runtime.secret_files import PASSWORD_FILE, read_login

_FILES = {"cafile": "CA_FILE", "certfile": "CERTIFICATE_FILE", "keyfile": "KEY_FILE"}


@dataclass(frozen=True)
class BrokerAddress:
    """A broker's URL without our parameters, and those. Its text has no secret in logs: it is not logged."""

    url: str
    password_file: Path | None = None
    group_size: int | None = None

    @classmethod
    def of(cls, text: str) -> BrokerAddress:
        """From a URL with everything in it."""
        url, ours = without_query(text, PASSWORD_FILE, GROUP_SIZE)
        file, size = ours.get(PASSWORD_FILE), ours.get(GROUP_SIZE)
        return cls(url, Path(file) if file else None, int(size) if size else None)

    def now(self) -> URL:
        """The URL to connect to now, with user and password.

        Without a user but with a certificate, the certificate is the login. Raises `PermanentError` when a
        file can't be read.
        """
        url = URL(self.url)
        for name, setting in _FILES.items():
            if (path := url.query.get(name)) is not None and not os.access(path, os.R_OK):
                raise PermanentError(
                    f"{path} can't be read, which is to hold what PATCHBAY_AMQP__{setting} is for",
                    code="broker_tls",
                    hint=f"name a PEM file that we may read in PATCHBAY_AMQP__{setting}",
                )
        if self.password_file is not None:
            login = read_login(self.password_file)
            return url.with_user(login.user or url.user or "guest").with_password(login.password)
        if "certfile" in url.query and url.user is None and "auth" not in url.query:
            return url.update_query(auth="external")
        return url


def untrusted(error: ssl.SSLError) -> PermanentError:
    """Why TLS came to nothing, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(
            f"the broker's certificate is not trusted: {error.verify_message}",
            code="broker_tls",
            hint="name the CA that signed it in PATCHBAY_AMQP__CA_FILE, and the broker by a name that is in"
            " its certificate",
        )
    return PermanentError(
        f"no TLS with the broker: {error.reason or error}",
        code="broker_tls",
        hint="check that the port is one for TLS (5671), and whether the broker wants a certificate of ours:"
        " PATCHBAY_AMQP__CERTIFICATE_FILE and PATCHBAY_AMQP__KEY_FILE",
    )
