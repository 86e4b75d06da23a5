"""Runs the SQL file beside a migration, as it is, in Alembic's transaction."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import asyncpg
from alembic import op
from sqlalchemy import text
from sqlalchemy.util import await_only

from shared.runtime.errors import PermanentError


def run_script(step: str) -> None:
    """Run `<step>.sql`, where `step` is the path of the migration's Python file.

    The script goes to the server in one piece over the simple protocol, so it may hold any number of
    statements, function bodies and comments, and needs no splitting or escaping.
    """
    file = Path(step).with_suffix(".sql")
    script = file.read_text(encoding="utf-8")
    connection = op.get_bind()
    # SQLAlchemy opens a transaction with its first statement; what goes past it, to the driver, does not.
    connection.execute(text("SELECT 1"))
    driver = connection.connection.driver_connection
    assert driver is not None, "migrations run online"  # noqa: S101  a type narrowing, not a check
    # asyncpg stumbles over a script without any statement, so there is always one.
    try:
        await_only(driver.execute(f"{script}\n;SELECT 1"))
    except asyncpg.PostgresError as error:
        error.add_note(f"in {file.name}{_line_of(error, script)}")
        raise


def _line_of(error: asyncpg.PostgresError, script: str) -> str:
    position = getattr(error, "position", None)
    return f", line {script.count(chr(10), 0, int(position)) + 1}" if position else ""


def refuse_downgrade(revision: str) -> NoReturn:
    """Steps only go forward: an earlier release can't be made to understand what a later one wrote."""
    raise PermanentError(
        f"migration {revision} can't be undone",
        code="downgrade_refused",
        hint="restore the backup taken before the upgrade",
    )
