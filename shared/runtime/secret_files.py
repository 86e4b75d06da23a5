"""Logins in files, read at every connect: who changes the file changes the login without a restart (G9)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from shared.runtime.errors import PermanentError

PASSWORD_FILE = "password_file"  # noqa: S105  the name of a parameter
"""The query parameter of our URLs that names such a file."""


class Login(NamedTuple):
    """A password, and a user where the file holds a whole URL."""

    user: str | None
    password: str


def read_login(path: Path) -> Login:
    """What the file holds now: a password, or a URL with user and password in it.

    Raises `PermanentError`, which names the file and nothing of its content.
    """
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise PermanentError(
            f"the password is to come from {path}, which can't be read: {reason}",
            code="password_file",
            hint="let the user that Patchbay runs as read it",
        ) from None
    if "://" not in text:
        return Login(None, text)
    try:
        parts = urlsplit(text.strip())
        user, password = parts.username, parts.password
    except ValueError:
        user = password = None
    if not password:
        raise PermanentError(
            f"the URL in {path} has no password",
            code="password_file",
            hint="write it as scheme://user:password@host/…",
        )
    return Login(unquote(user) if user else None, unquote(password))
