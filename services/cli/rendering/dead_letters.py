"""Dead letters for people and for programs: in a list, and one with all that can be said of it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.rendering.tables import add, facts, table
from shared.bus.port import DeadLetter
from shared.events.codec import Unreadable, decode
from shared.replay.letters import RETRIED_HEADER, Settled, digest, key_of
from shared.replay.rules import REPLAY_HEADER

SHOWN_BYTES = 4000


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that says something."""
    if since is None:
        return "-"
    seconds = max(timedelta(), now - since).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def plain_letter(letter: DeadLetter, *, whole: bool = False) -> dict[str, Any]:
    """A dead letter for programs; `whole` with history, faults, headers and body."""
    message = letter.message
    said: dict[str, Any] = {
        "key": key_of(letter),
        "queue": letter.queue,
        "reason": letter.reason,
        "detail": letter.detail,
        "since": letter.since,
        "id": message.message_id,
        "type": message.type,
        "subject": message.subject,
        "routing_key": message.routing_key,
        "retried": message.headers.get(RETRIED_HEADER, 0),
        "bytes": len(message.body),
    }
    if not whole:
        return said
    problem = _problem(letter)
    event = _as_json(message.body)
    body = {"event": event} if event is not None else {"body": base64.b64encode(message.body).decode()}
    return {
        **said,
        "sha256": digest(letter),
        "history": list(letter.history),
        "readable_now": problem is None,
        "problem": str(problem) if problem else None,
        "faults": list(problem.faults) if problem else [],
        "correlation_id": message.correlation_id,
        "reply_to": message.reply_to,
        "headers": dict(message.headers),
        **body,
    }


def render_letters(letters: Sequence[DeadLetter], now: datetime) -> RenderableType:
    """A line each, and how many of each reason."""
    if not letters:
        return Text("no dead letters")
    grid = table("id", "age", "queue", "type", "subject", "reason", "detail", right=("age",))
    for letter in letters:
        message = letter.message
        detail = letter.detail if len(letter.detail) <= 90 else f"{letter.detail[:90]}…"
        add(
            grid,
            *(key_of(letter)[:13], age(letter.since, now), letter.queue, message.type, message.subject),
            *(letter.reason, detail),
        )
    counts = Counter(letter.reason or "(no reason)" for letter in letters)
    return Group(grid, Text(), Text(", ".join(f"{count} {reason}" for reason, count in counts.most_common())))


def render_letter(letters: Sequence[DeadLetter], now: datetime) -> RenderableType:
    """All that can be said of a message that is dead, in one queue or in several."""
    return Group(*(part for letter in letters for part in _whole(letter, now)))


def _whole(letter: DeadLetter, now: datetime) -> list[RenderableType]:
    message = letter.message
    parts: list[RenderableType] = [
        facts(
            id=key_of(letter),
            type=message.type,
            subject=message.subject,
            died_in=letter.queue,
            reason=letter.reason,
            detail=letter.detail,
            since=letter.since,
            age=age(letter.since, now),
            sent_back=f"{message.headers.get(RETRIED_HEADER, 0)} times",
            replay=message.headers.get(REPLAY_HEADER),
            size=f"{len(message.body)} bytes",
        )
    ]
    if letter.history:
        grid = table("queue", "reason", "times", "first", right=("times",))
        for death in letter.history:
            add(grid, death.queue, death.reason, death.count, death.first)
        parts += [Text(), Text("what the broker counted", style="bold"), grid]
    parts += [Text(), *_readability(letter), Text(), *_content(message.body)]
    return parts


def _readability(letter: DeadLetter) -> list[RenderableType]:
    problem = _problem(letter)
    if problem is None:
        return [
            Text("This release can read it; what was in its way may be gone: patchbay dead-letters retry")
        ]
    parts: list[RenderableType] = [Text(f"It can't be read: {problem}", style="red")]
    if problem.faults:
        grid = table("field", "the schema says", "the message has")
        for fault in problem.faults:
            add(grid, fault.field, fault.expected, fault.found)
        parts = [Text("It can't be read. Where it differs from its schema:", style="red"), grid]
    return parts


def _content(body: bytes) -> list[RenderableType]:
    event = _as_json(body)
    if event is not None:
        text = json.dumps(event, indent=2, ensure_ascii=False)
        return [Text("the event", style="bold"), Text(_cut(text))]
    try:
        return [Text("the body, which is no JSON", style="bold"), Text(_cut(body.decode()))]
    except UnicodeDecodeError:
        return [Text("the body, which is no text, in hexadecimal", style="bold"), Text(_cut(body.hex(" ")))]


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_BYTES else f"{text[:SHOWN_BYTES]}\n… all of it with --json"


def _problem(letter: DeadLetter) -> Unreadable | None:
    try:
        decode(letter.message.body)
    except Unreadable as problem:
        return problem
    return None


def _as_json(body: bytes) -> object | None:
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return None


def plain_settled(settled: Settled, done: str) -> dict[str, Any]:
    """What became of letters, for programs."""
    return {
        "done": done,
        "count": len(settled.letters),
        "letters": [plain_letter(letter) for letter in settled.letters],
        "kept": [{**plain_letter(letter), "why": why} for letter, why in settled.kept],
    }


def render_settled(settled: Settled, done: str) -> RenderableType:
    """What became of letters: a few in full, all in numbers."""
    lines = [Text(f"{len(settled.letters)} {done}")]
    lines += [
        Text(f"  {key_of(letter)}  {letter.message.type} {letter.message.subject}  {letter.queue}")
        for letter in settled.letters[:20]
    ]
    if len(settled.letters) > 20:
        lines.append(Text(f"  and {len(settled.letters) - 20} more"))
    lines += [Text(f"{key_of(letter)} stays: {why}", style="red") for letter, why in settled.kept]
    return Group(*lines)
