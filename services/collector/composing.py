"""A fact as a message, written once: the bytes that the mirror compared are the bytes that are sent."""

from __future__ import annotations

from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from pydantic import TypeAdapter

from services.collector.domain.stamp import Stamp
from services.collector.domain.wording import opening
from shared.bus.port import Message
from shared.events.base import Fact
from shared.events.codec import MAX_BODY_BYTES, Unreadable
from shared.events.envelope import CONTENT_TYPE, event_id, routing_key, schema_urn
from shared.events.tracing import traceparent_of

_TIME = TypeAdapter(datetime)


class _Repeated(NamedTuple):
    """What all messages of one type and epoch have in common."""

    source: str
    schema: str
    data: str
    routing_key: str


class Composer:
    """Makes the messages of one epoch, the same that `shared.events` would make: a test holds it to that."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._vcenter = str(stamp.vcenter)
        self._repeated: dict[type[Fact], _Repeated] = {}

    def message(self, fact: Fact, wording: bytes, *, sequence: int, at: str) -> Message:
        """The message about `fact`, in its `wording`, with a sequence. `at` comes from `time_text`.

        Raises `Unreadable` ("oversized") when it is too large for anybody to read.
        """
        identity = event_id(fact, self._vcenter, self._stamp.epoch, sequence)
        subject = fact.subject_of()
        repeated = self._repeated.get(type(fact)) or self._note(fact)
        head = (
            f'{{"specversion":"1.0","id":"{identity}",{repeated.source}"time":{at},'
            f'"subject":{encode_basestring_ascii(subject)},{repeated.schema}'
            f'"traceparent":"{traceparent_of(identity)}",{repeated.data}{sequence}'
        )
        body = b"%b%b}" % (head.encode(), wording)
        if len(body) > MAX_BODY_BYTES:
            raise Unreadable("oversized", f"{fact.TYPE} {subject}: {len(body)} bytes, limit {MAX_BODY_BYTES}")
        return Message(
            body=body,
            routing_key=repeated.routing_key,
            message_id=identity,
            type=fact.TYPE,
            subject=subject,
            content_type=CONTENT_TYPE,
        )

    def _note(self, fact: Fact) -> _Repeated:
        repeated = self._repeated[type(fact)] = _Repeated(
            source=f'"source":"/patchbay/collector/{self._vcenter}","type":"{fact.TYPE}",',
            schema=(
                f'"datacontenttype":"application/json","dataschema":"{schema_urn(fact)}",'
                f'"vcenter":"{self._vcenter}",'
            ),
            data=f'"data":{opening(self._stamp)}',
            # A vCenter knows nothing of subnets, so none is in the key.
            routing_key=routing_key(fact),
        )
        return repeated


def time_text(at: datetime) -> str:
    """A point in time as it stands in JSON, quotes included."""
    return _TIME.dump_json(at).decode()
