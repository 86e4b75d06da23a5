"""A message as a line of an event file, and back: JSON that people can search, with nothing lost. Pure.

The event stands in the line as it is; a body that would not come back byte for byte that way (foreign,
broken) stands in it as base64.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from shared.bus.port import LogEntry, Message

FORMAT = "patchbay.events"
VERSION = 1
_FIELDS = ("routing_key", "message_id", "type", "subject", "content_type", "correlation_id", "reply_to")


class BadLine(ValueError):
    """A line that is no message; the text says what is wrong with it."""


def head_line(about: dict[str, Any]) -> bytes:
    """The first line of a file: what it is, and where it is from."""
    return _dumped({"format": FORMAT, "version": VERSION, **about}).encode() + b"\n"


def read_head(line: bytes) -> dict[str, Any]:
    """What the first line says. Raises `BadLine` when this is no event file of ours."""
    try:
        head = json.loads(line)
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise BadLine(
            "it does not begin like a file of events; those are made by patchbay events replay --file PATH"
        )
    if head.get("version") != VERSION:
        raise BadLine(f"it is of version {head.get('version')}; this release reads version {VERSION}")
    return head


def line_of(entry: LogEntry) -> bytes:
    """The line of an entry."""
    message = entry.message
    said: dict[str, Any] = {"offset": entry.offset, "time": entry.time.isoformat()}
    said |= {name: value for name in _FIELDS if (value := getattr(message, name))}
    if message.headers:
        said["headers"] = dict(message.headers)
    event = _as_json(message.body)
    if event is None:
        said["body"] = base64.b64encode(message.body).decode()
        return _dumped(said).encode() + b"\n"
    # The body's own text, not read and written anew.
    return _dumped(said).encode()[:-1] + b',"event":' + message.body + b"}\n"


def entry_of(line: bytes) -> LogEntry:
    """The entry in a line. Raises `BadLine`."""
    try:
        said = json.loads(line)
        if not isinstance(said, dict):
            raise BadLine(f"not a JSON object but {type(said).__name__}")
        body = (
            _dumped(said["event"]).encode()
            if "event" in said
            else base64.b64decode(said["body"], validate=True)
        )
        values = {name: said[name] for name in _FIELDS if name in said}
        message = Message(
            **{"routing_key": "", "message_id": "", **values}, body=body, headers=said.get("headers", {})
        )
        return LogEntry(int(said["offset"]), datetime.fromisoformat(said["time"]), message)
    except KeyError as missing:
        raise BadLine(f"{missing} is missing") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadLine(f"not JSON: {error}") from None
    except (TypeError, ValueError, binascii.Error) as error:
        raise BadLine(str(error)) from None


def _as_json(body: bytes) -> object | None:
    """The event, where reading and writing it gives the same bytes again."""
    try:
        event = json.loads(body)
        return event if isinstance(event, dict) and _dumped(event).encode() == body else None
    except (ValueError, RecursionError):
        return None


def _dumped(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
