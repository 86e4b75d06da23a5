"""A fact's words: its JSON from behind the sequence on. Equal words say the same; they are sent as is."""

from __future__ import annotations

import json
from functools import lru_cache
from uuid import UUID

from services.collector.domain.stamp import UNNUMBERED, Stamp
from shared.events.base import Fact
from shared.model.identifiers import DEFAULT_SCOPE_NAME


@lru_cache(maxsize=64)
def opening(stamp: Stamp) -> str:
    """How the JSON of every fact of an epoch begins, up to its sequence."""
    scope = json.dumps(stamp.scope, ensure_ascii=False)
    return f'{{"vcenter":"{stamp.vcenter}","scope":{scope},"epoch":{stamp.epoch},"sequence":'


def wording(fact: Fact, stamp: Stamp) -> bytes:
    """The JSON of an unnumbered fact from behind its sequence on. Its scope is set as it is sent."""
    written = fact.__pydantic_serializer__.to_json(fact, exclude_none=True)
    return written[_length_of_opening(stamp.epoch) :]


@lru_cache(maxsize=64)
def _length_of_opening(epoch: int) -> int:
    """Of an unnumbered fact, which says nothing of its scope."""
    return len(opening(Stamp(UUID(int=0), epoch, DEFAULT_SCOPE_NAME))) + len(str(UNNUMBERED))
