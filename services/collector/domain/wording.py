"""A fact's words: its JSON from behind the sequence on. Equal words say the same; they are sent as is."""

from __future__ import annotations

from services.collector.domain.stamp import UNNUMBERED, Stamp
from shared.events.base import Fact


def opening(stamp: Stamp) -> str:
    """How the JSON of every fact of an epoch begins, up to its sequence."""
    return f'{{"vcenter":"{stamp.vcenter}","epoch":{stamp.epoch},"sequence":'


def wording(fact: Fact, stamp: Stamp) -> bytes:
    """The JSON of an unnumbered fact from behind its sequence on."""
    written = fact.__pydantic_serializer__.to_json(fact, exclude_none=True)
    return written[len(opening(stamp)) + len(str(UNNUMBERED)) :]
