"""Facts on their way out: numbered, put into envelopes, published until they are confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import stamina
import structlog

from services.collector.domain.stamp import Stamp
from services.collector.metrics import FACTS
from shared.bus.port import Bus, Message, PublishFailed, Unroutable
from shared.events.base import Fact
from shared.events.codec import Unreadable
from shared.events.envelope import event_id, wrap
from shared.runtime.errors import TransientError
from shared.runtime.publishing import message_of

F = TypeVar("F", bound=Fact)
log = structlog.get_logger(__name__)


class Outgoing:
    """The facts of one epoch. Ids and sequences are fixed when a fact is numbered; repeats change neither."""

    def __init__(self, bus: Bus, stamp: Stamp, name: str) -> None:
        self.stamp = stamp
        self._bus = bus
        self._name = name
        self._sequence = 0

    async def publish(self, facts: Sequence[Fact], at: datetime) -> None:
        """Return when the bus has confirmed all, however long that takes. `at`: when they were observed."""
        if not facts:
            return
        rest = [message for fact in facts if (message := self._message(fact, at)) is not None]
        async for attempt in stamina.retry_context(
            on=(TransientError, Unroutable), attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0
        ):
            with attempt:
                rest = await self._publish_once(rest)
        for fact in facts:
            FACTS.labels(self._name, fact.TYPE).inc()

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

    def _message(self, fact: Fact, at: datetime) -> Message | None:
        self._sequence += 1
        numbered = fact.model_copy(update={"sequence": self._sequence})
        envelope = wrap(
            numbered,
            source="collector",
            time=at,
            id=event_id(numbered, self.stamp.vcenter, self.stamp.epoch, self._sequence),
        )
        try:
            return message_of(envelope)
        except Unreadable as error:
            # Too large for anybody to read. The rest must not wait for it (G8).
            log.warning("fact not published", vcenter=self._name, reason=error.reason, detail=error.detail)
            return None


def about_vcenter(model: Callable[..., F], stamp: Stamp, name: str, **fields: object) -> F:
    """A fact about the vCenter itself, without its sequence."""
    return model(vcenter=stamp.vcenter, epoch=stamp.epoch, sequence=1, name=name, **fields)
