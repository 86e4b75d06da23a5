"""Where a vCenter's password is kept: never here, only the reference to it (G9)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import typer
from pydantic import SecretStr

from services.cli.applying import Account
from services.cli.outcome import Misused
from services.collector.credentials import resolve

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def environment_reference(name: str) -> str:
    """The reference to an environment variable. Raises `Misused` when `name` cannot be one."""
    if not _NAME.fullmatch(name):
        raise Misused(
            "--password-env takes the name of an environment variable, not the password itself",
            hint="For example: --password-env VCENTER_PASSWORD",
        )
    return f"env:{name}"


def file_reference(path: Path) -> str:
    """The reference to a file. Raises `Misused` when it cannot be read or is empty."""
    path = path.expanduser().absolute()
    try:
        content = path.read_text()
    except OSError as error:
        raise Misused(f"cannot read the password file {path}: {error.strerror or error}") from None
    if not content.strip():
        raise Misused(f"the password file {path} is empty")
    return f"file:{path}"


def account(user: str | None, password_env: str | None, password_file: Path | None) -> Account | None:
    """Who is to create VMs; the password is asked for when neither place is named. None without `user`.

    Raises `Misused` for a password without a user, and for two.
    """
    if user is None:
        if password_env or password_file:
            raise Misused("whose password is it? Give --as-user")
        return None
    if password_env and password_file:
        raise Misused("give --password-env or --password-file, not both")
    if password_env:
        return Account(user, resolve(environment_reference(password_env), what=f"the password of {user}"))
    if password_file:
        return Account(user, resolve(file_reference(password_file), what=f"the password of {user}"))
    return Account(user, SecretStr(typer.prompt(f"Password of {user}", hide_input=True, err=True)))


def keep_password(folder: Path, vcenter: str, password: str) -> str:
    """Write a typed password to `folder`, readable by its owner alone, and give the reference to it."""
    if not password:
        raise Misused("an empty password is not kept; give --password-env or --password-file instead")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', vcenter)}.password"
    # Made under a private name first: the mode holds from the first byte, and a crash leaves the old one.
    fresh = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(password + "\n")
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return f"file:{path.absolute()}"


def forget_password(folder: Path, reference: str) -> bool:
    """Remove a password file that `keep_password` wrote to `folder`; others are not ours to remove."""
    kind, _, name = reference.partition(":")
    path = Path(name)
    if kind != "file" or path.parent != folder.absolute():
        return False
    path.unlink(missing_ok=True)
    return True
