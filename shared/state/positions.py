"""From where on a log completes a state.

A state holds what was applied; facts may wait in queues still. To play one twice changes nothing (G3), so a
place that is surely early enough will do: the last moment up to which every vCenter was heard, less a
margin for deliveries that another process has in hand.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from shared.bus.port import Message
from shared.store import outbox
from shared.store.pool import Connection

MARGIN = timedelta(minutes=2)
BEGINNING = datetime.fromtimestamp(0, UTC)

_HEARD = """
SELECT count(*) AS vcenters, min(current_to) FILTER (WHERE state = 'connected') AS heard, now() AS now
FROM inventory.vcenter
"""


class Position(BaseModel):
    """A place in the log: play from `since` on. `end` is the log's last offset when the state was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime | None
    """None: from the beginning."""
    end: int | None = None


async def position_of(conn: Connection, end: int | None = None) -> Position:
    """The position of the state that `conn`'s transaction sees; `end` is the log's last offset before it."""
    row = await conn.fetchrow(_HEARD)
    assert row is not None  # noqa: S101  an aggregate has one row
    if not row["vcenters"]:
        return Position(since=None, end=end)
    heard = row["heard"] or row["now"]
    return Position(since=None if heard <= BEGINNING else heard - MARGIN, end=end)


async def unpublished(conn: Connection) -> list[Message]:
    """Events of the state that `conn`'s transaction sees which are not in the log yet, in their order."""
    found: list[Message] = []
    after = 0
    while rows := await outbox.read(conn, after=after, without=(), limit=1000):
        after = rows[-1].id
        found += [row.message for row in rows if not row.to_queue]
    return found
