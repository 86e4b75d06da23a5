"""Carries out operators' wishes to read something again: its facts are told anew, within the epoch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from services.collector import wishes
from services.collector.domain.mirror import Mirror, News
from services.collector.domain.sight import judge_signs
from services.collector.orders import Orders
from services.collector.vsphere.rereading import Rereading
from services.collector.vsphere.session import Session
from shared.store.pool import Pool

log = structlog.get_logger(__name__)
Publish = Callable[[Sequence[News], datetime], Awaitable[None]]


class Rereader:
    """Takes over what is wished, between two questions for changes."""

    def __init__(
        self, *, session: Session, pool: Pool, orders: Orders, mirror: Mirror, publish: Publish, objects: int
    ) -> None:
        self._session = session
        self._pool = pool
        self._orders = orders
        self._mirror = mirror
        self._publish = publish
        self._objects = objects
        self._datacenters: dict[str, str] | None = None

    async def carry_out(self) -> None:
        """Do what is wished now, if anything. Raises `SightLost`."""
        vcenter = self._orders.vcenter
        if not vcenter.rereads:
            return
        # Taken before it is done: a collector that dies in between is followed by one that reads everything.
        taken = await wishes.take_rereads(self._pool, vcenter)
        self._orders.vcenter = replace(vcenter, rereads=())
        for wish in taken:
            told = await self._reread(wish)
            log.info("read again", vcenter=vcenter.name, what=wish, facts=told)

    async def note_datacenters(self) -> None:
        """Keep the names by which an operator may ask for a datacenter."""
        names = self._mirror.datacenters()
        if names != self._datacenters:
            await wishes.set_datacenters(self._pool, self._orders.vcenter, names)
            self._datacenters = names

    async def _reread(self, wish: str) -> int:
        reading = Rereading(self._session.content, wish, self._session.unsupported, self._objects)
        told = 0
        while (page := await self._session.call(reading.next)) is not None:
            lost = judge_signs(page.signs)
            if lost is not None:
                raise lost
            self._mirror.apply_again(page.changes)
            news = [item for item in self._mirror.news() if not item.gone]
            await self._publish(news, page.received_at)
            told += len(news)
            if not page.truncated:
                break
        return told
