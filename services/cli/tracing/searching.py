"""Finds a chain in the log. What one look missed, a cause that stands earlier, the next look finds."""

from __future__ import annotations

import re
from collections.abc import Callable

from services.cli.rebuilding.playing import pieces
from services.cli.rendering.sentences import sentence
from services.cli.tracing.chains import Chain, Hop
from shared.bus.port import Bus, LogEntry, LogStart
from shared.events.codec import Unreadable, decode

LOOKS = 8
"""Times that the log is read at most; each look goes one conversation further back."""
SHORTEST = 8
"""Characters of an id that may stand for it."""

_CAUSE = re.compile(rb'"causationid":"([^"]*)"')
Looked = Callable[[LogEntry, int], None]


async def find_chain(bus: Bus, identity: str, start: LogStart, looked: Looked) -> Chain | None:
    """The chain around the event whose id is, or begins with, `identity`; None where it is not in the log."""
    chain = Chain.about(identity)
    for _ in range(LOOKS):
        before = len(chain.hops)
        async for piece in pieces(bus, start):
            for entry in piece:
                _look_at(chain, entry, identity)
            looked(piece[-1], len(piece))
        if not chain.hops:
            return None
        if len(chain.hops) == before:
            break
    return chain


def _look_at(chain: Chain, entry: LogEntry, identity: str) -> None:
    message = entry.message
    if message.message_id in chain.hops:
        return
    found = _CAUSE.search(message.body)
    cause = found[1].decode() if found else None
    if not chain.hops and len(identity) >= SHORTEST and message.message_id.startswith(identity):
        chain.wanted = {message.message_id}
    if not chain.belongs(message.message_id, cause, message.correlation_id):
        return
    try:
        envelope = decode(message.body)
    except Unreadable:
        return
    chain.offer(
        Hop(
            offset=entry.offset,
            id=envelope.id,
            type=envelope.type,
            subject=envelope.subject,
            source=envelope.source,
            time=envelope.time,
            logged=entry.time,
            cause=envelope.causationid,
            conversation=envelope.correlationid,
            traceparent=envelope.traceparent,
            said=sentence(envelope.data),
        )
    )
