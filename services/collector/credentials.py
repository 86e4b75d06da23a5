"""Secrets by reference: what is stored says where the secret is, never what it is (G9)."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

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
