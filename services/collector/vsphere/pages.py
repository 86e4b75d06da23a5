"""Pages read ahead: while one is published the next is decoded, and the one after it is on its way.

Asking for what follows a page tells the vCenter that the page came, and it forgets it. That is done here
before the page is confirmed, and loses nothing: whoever uses pages ends the session when one of them can't
be published, a version is of no use to another session, and a session begins with everything there is.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from services.collector.domain.changes import Page

Ask = Callable[[str], Awaitable[bytes]]
Decode = Callable[[bytes, datetime], Awaitable[Page | None]]

_VERSION = re.compile(rb"<returnval><version>([^<&]+)</version>")
_TRUNCATED = b"<truncated>true</truncated></returnval>"
_HEAD, _TAIL = 2048, 512


class Pages:
    """Pages in order. At most `ahead` of them are asked for before they are wanted, and only where the
    vCenter said that there is more: the wait for news is left to who waits.
    """

    def __init__(self, ask: Ask, decode: Decode, *, ahead: int = 2) -> None:
        self._ask = ask
        self._decode = decode
        self._free = asyncio.Semaphore(ahead)
        self._coming: deque[tuple[str, asyncio.Task[Page | None]]] = deque()

    async def next(self, version: str) -> Page | None:
        """What changed since `version`. Raises what asking and decoding raise."""
        if self._coming and self._coming[0][0] == version:
            _, task = self._coming.popleft()
            try:
                return await task
            finally:
                self._free.release()
        if self._coming:
            raise ValueError(f"asked for what follows {version!r}, but {self._coming[0][0]!r} came last")
        return await self._read(version)

    async def close(self) -> None:
        """Wait no more for what is coming."""
        while self._coming:
            _, task = self._coming.popleft()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _read(self, version: str) -> Page | None:
        body = await self._ask(version)
        received_at = datetime.now(UTC)
        following = version_before_more(body)
        if following is not None:
            self._coming.append((following, asyncio.create_task(self._read_ahead(following))))
        return await self._decode(body, received_at)

    async def _read_ahead(self, version: str) -> Page | None:
        await self._free.acquire()
        return await self._read(version)


def version_before_more(body: bytes) -> str | None:
    """The version of an answer that is not all there is; None for another, or one in an unusual spelling."""
    if _TRUNCATED not in body[-_TAIL:]:
        return None
    found = _VERSION.search(body[:_HEAD])
    return found[1].decode() if found else None
