"""What an operator does past the bus, put on record all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.cli.asking import operator, origin
from shared.audit.recording import note
from shared.store.pool import Pool


async def noted(
    pool: Pool, kind: str, subject: str, asked: dict[str, Any], result: dict[str, Any] | None = None
) -> None:
    """Put on record that `kind` was done to `subject`. Secrets are never in `asked`, references may be."""
    now = datetime.now(UTC)
    await note(pool, kind, subject, at=now, by=operator(), origin=origin(), asked=asked, result=result)
