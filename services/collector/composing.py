"""A fact as a message, written once: the bytes that the mirror compared are the bytes that are sent."""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import TypeAdapter

from services.collector.domain.stamp import Stamp
from services.collector.domain.wording import opening
from shared.bus.port import Message
from shared.events.base import Fact
from shared.events.codec import MAX_BODY_BYTES, Unreadable
from shared.events.envelope import CONTENT_TYPE, event_id, routing_key, schema_urn

_TIME = TypeAdapter(datetime)


class Composer:
    """Makes the messages of one epoch, the same that `shared.events` would make: a test holds it to that."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._starts: dict[str, str] = {}

    def message(self, fact: Fact, wording: bytes, *, sequence: int, at: str) -> Message:
        """The message about `fact`, in its `wording`, with a sequence. `at` comes from `time_text`.

        Raises `Unreadable` ("oversized") when it is too large for anybody to read.
        """
        stamp = self._stamp
        identity = event_id(fact, stamp.vcenter, stamp.epoch, sequence)
        subject = fact.subject_of()
        head = (
            f'{{"specversion":"1.0","id":"{identity}",{self._start(fact)}"time":{at},'
            f'"subject":{json.dumps(subject)},"datacontenttype":"application/json",'
            f'"dataschema":"{schema_urn(fact)}","vcenter":"{stamp.vcenter}","data":'
            f"{opening(stamp)}{sequence}"
        )
        body = b"%b%b}" % (head.encode(), wording)
        if len(body) > MAX_BODY_BYTES:
            raise Unreadable("oversized", f"{fact.TYPE} {subject}: {len(body)} bytes, limit {MAX_BODY_BYTES}")
        return Message(
            body=body,
            routing_key=routing_key(fact),
            message_id=identity,
            type=fact.TYPE,
            subject=subject,
            content_type=CONTENT_TYPE,
        )

    def _start(self, fact: Fact) -> str:
        start = self._starts.get(fact.TYPE)
        if start is None:
            source = f"/patchbay/collector/{self._stamp.vcenter}"
            start = self._starts[fact.TYPE] = f'"source":"{source}","type":"{fact.TYPE}",'
        return start


def time_text(at: datetime) -> str:
    """A point in time as it stands in JSON, quotes included."""
    return _TIME.dump_json(at).decode()
