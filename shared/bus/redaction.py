"""Addresses of brokers and databases without their secrets (G9)."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s]*@", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r"(?P<name>\b(?:password|passwd|sslpassword|token|secret)=)[^&\s;'\"]+", re.IGNORECASE
)


def without_secrets(text: object) -> str:
    """`text` with user and password taken out of every URL in it, and password parameters blanked."""
    shown = _USERINFO.sub(lambda found: found["scheme"], str(text))
    return _SECRET_PARAMETER.sub(lambda found: found["name"] + "…", shown)
