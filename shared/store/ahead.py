"""A connection on which a statement may run while whoever asked for it goes on.

In: statements whose result nobody waits for, such as rows written half-way through a transaction. Out: the
same order of statements as ever. While the server works on one, the caller gets the next ready; the next
statement on the connection, and the end of its transaction, wait for it and raise its error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from shared.store.pool import Connection


class AheadConnection(asyncpg.Connection):
    """The driver's connection, with `begin`. Statements and fetches wait for what was begun.

    A cursor or a copy does not: `settle` first, or the driver refuses it while something runs.
    """

    _running: asyncio.Task[str] | None = None

    async def begin(self, query: str, *args: Any) -> None:
        """Send a statement; return before it is done."""
        await self.settle()
        self._running = asyncio.create_task(super().execute(query, *args))
        # One turn of the loop, in which the driver encodes and sends it.
        await asyncio.sleep(0)

    async def settle(self) -> None:
        """Wait for what was begun. Raises its error."""
        if (running := self._running) is not None:
            try:
                await running
            finally:
                if running.done():
                    self._running = None

    async def abandon(self) -> None:
        """End what was begun: its transaction is rolled back."""
        if (running := self._running) is not None:
            self._running = None
            running.cancel()
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """As the driver's."""
        if query.startswith("ROLLBACK"):
            await self.abandon()
        else:
            await self.settle()
        return await super().execute(query, *args, **options)

    async def executemany(self, command: str, args: Any, **options: Any) -> None:
        """As the driver's."""
        await self.settle()
        await super().executemany(command, args, **options)

    async def fetch(self, query: str, *args: Any, **options: Any) -> list[Any]:
        """As the driver's."""
        await self.settle()
        rows: list[Any] = await super().fetch(query, *args, **options)
        return rows

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        """As the driver's."""
        await self.settle()
        return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        """As the driver's."""
        await self.settle()
        return await super().fetchval(query, *args, **options)


async def begin(conn: Connection, query: str, *args: Any) -> None:
    """Send a statement whose result nobody waits for, as the next one of the connection's transaction.

    Its error comes with the next statement, or with the end of the transaction. `args` must not be changed
    any more. A connection that is not of a pool of ours waits for it at once.
    """
    start = getattr(conn, "begin", conn.execute)
    await start(query, *args)


async def settle(conn: Connection) -> None:
    """Wait for what was begun on the connection. Raises its error."""
    wait = getattr(conn, "settle", None)
    if wait is not None:
        await wait()
