"""Facts on their way out: numbered, put into envelopes, published until they are confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import stamina
import structlog

from services.collector.composing import Composer, time_text
from services.collector.domain.mirror import News
from services.collector.domain.stamp import Stamp
from services.collector.domain.wording import wording
from services.collector.metrics import FACTS
from shared.bus.port import Bus, Message, PublishFailed, Unroutable
from shared.events.base import Fact
from shared.events.codec import Unreadable
from shared.runtime.errors import TransientError

F = TypeVar("F", bound=Fact)
log = structlog.get_logger(__name__)


class Outgoing:
    """The facts of one epoch. Ids and sequences are fixed when a fact is numbered; repeats change neither."""

    def __init__(self, bus: Bus, stamp: Stamp, name: str) -> None:
        self.stamp = stamp
        self._bus = bus
        self._name = name
        self._composer = Composer(stamp)
        self._sequence = 0

    async def publish(self, facts: Sequence[Fact], at: datetime) -> None:
        """Return when the bus has confirmed all, however long that takes. `at`: when they were observed."""
        await self._publish([(fact, wording(fact, self.stamp)) for fact in facts], at)

    async def publish_news(self, news: Sequence[News], at: datetime) -> None:
        """Like `publish`, with the words that the mirror found already."""
        await self._publish([(item.fact, item.words or wording(item.fact, self.stamp)) for item in news], at)

    async def _publish(self, facts: Sequence[tuple[Fact, bytes]], at: datetime) -> None:
        if not facts:
            return
        time = time_text(at)
        rest = [message for fact, words in facts if (message := self._message(fact, words, time)) is not None]
        async for attempt in stamina.retry_context(
            on=(TransientError, Unroutable), attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0
        ):
            with attempt:
                rest = await self._publish_once(rest)
        for kind, number in Counter(fact.TYPE for fact, _ in facts).items():
            FACTS.labels(self._name, kind).inc(number)

    async def _publish_once(self, messages: list[Message]) -> list[Message]:
        try:
            await self._bus.publish(messages)
        except PublishFailed as failed:
            messages[:] = [messages[index] for index in failed.unconfirmed]
            raise
        except Unroutable as refused:
            messages[:] = [messages[index] for index in refused.indices]
            log.warning("facts unroutable", vcenter=self._name, error=str(refused))
            raise
        return []

    def _message(self, fact: Fact, words: bytes, at: str) -> Message | None:
        self._sequence += 1
        try:
            return self._composer.message(fact, words, sequence=self._sequence, at=at)
        except Unreadable as error:
            # Too large for anybody to read. The rest must not wait for it (G8).
            log.warning("fact not published", vcenter=self._name, reason=error.reason, detail=error.detail)
            return None


def about_vcenter(model: Callable[..., F], stamp: Stamp, name: str, **fields: object) -> F:
    """A fact about the vCenter itself, without its sequence."""
    return model(vcenter=stamp.vcenter, epoch=stamp.epoch, sequence=1, name=name, **fields)
