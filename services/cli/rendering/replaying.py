"""Replays for people: a bar while one runs, what one would send, and all of them in a list."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Group, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from services.cli.outcome import aside
from services.cli.rendering.tables import add, facts, table
from shared.bus.port import LogEntry
from shared.replay import plan as replaying
from shared.replay.plan import Replay, Summary


class Looking:
    """A bar beside the answer, where there is a terminal: how much was read, and how long it still takes."""

    def __init__(self, what: str, total: int) -> None:
        console = aside()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar = self._bars.add_task(what, total=max(1, total), count="")

    def __enter__(self) -> Looking:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bars.stop()

    def at(self, place: int, count: str = "") -> None:
        """So far."""
        self._bars.update(self._bar, completed=place, count=count)


class Bar(Looking):
    """How far a replay is."""

    def __init__(self, replay: Replay) -> None:
        plan = replay.plan
        super().__init__(f"replay {replay.id}", plan.last - plan.first + 1)
        self._first = plan.first
        self.show(replay.progress)

    def __enter__(self) -> Bar:
        super().__enter__()
        return self

    def show(self, progress: replaying.Progress) -> None:
        """So far."""
        self.at(progress.next - self._first, f"{progress.sent} sent")


def plain_replay(replay: Replay, progress: replaying.Progress | None = None) -> dict[str, Any]:
    """A replay for programs."""
    at = progress or replay.progress
    plan = replay.plan
    return {
        "id": replay.id,
        "state": replay.standing,
        "source": plan.file or "log",
        "target": plan.target.model_dump(exclude_none=True),
        "selection": plan.selection.model_dump(mode="json", exclude_defaults=True),
        "first": plan.first,
        "last": plan.last,
        "next": at.next,
        "read": at.read,
        "sent": at.sent,
        "with_commands": plan.with_commands,
        "by": replay.by,
        "started_at": replay.started_at,
        "changed_at": replay.changed_at,
        "problem": replay.problem,
    }


def render_replays(replays: list[Replay]) -> RenderableType:
    """All replays."""
    if not replays:
        return Text("no replays yet; begin one with: patchbay events replay --from … --file …")
    grid = table("id", "state", "from", "to", "done", "sent", "by", "changed", right=("done", "sent"))
    for replay in replays:
        at = replay.progress
        add(
            grid,
            *(replay.id, _state(replay), replay.plan.source, str(replay.plan.target)),
            *(_share(replay), at.sent, replay.by, replay.changed_at),
        )
    return grid


def _share(replay: Replay) -> str:
    whole = replay.plan.last - replay.plan.first + 1
    return f"{100 * (replay.progress.next - replay.plan.first) // max(1, whole)} %"


def _state(replay: Replay) -> Text:
    colours = {
        "done": "green",
        "running": "cyan",
        "paused": "yellow",
        "interrupted": "yellow",
        "failed": "red",
    }
    return Text(replay.standing, style=colours[replay.standing])


def plain_summary(found: Summary) -> dict[str, Any]:
    """What a replay would send, for programs."""
    return {
        "read": found.read,
        "count": found.sent,
        "first": _plain_entry(found.first),
        "last": _plain_entry(found.last),
        "types": dict(found.types.most_common()),
        "left_out": {"commands": found.commands, "not_for_the_queue": found.not_for_queue},
        "sample": [_plain_entry(entry) for entry in found.sample],
    }


def render_summary(found: Summary, target: str) -> RenderableType:
    """What a replay would send: count, span, types, a sample."""
    if found.first is None or found.last is None:
        return Group(Text(f"nothing would be sent to {target}"), *_left_out(found))
    span = facts(
        would_send=f"{found.sent} events to {target}, of {found.read} read",
        first=f"offset {found.first.offset}, {found.first.time.astimezone():%Y-%m-%d %H:%M:%S}",
        last=f"offset {found.last.offset}, {found.last.time.astimezone():%Y-%m-%d %H:%M:%S}",
    )
    types = table("type", "events", right=("events",))
    for name, count in found.types.most_common():
        add(types, name, count)
    sample = table("offset", "time", "type", "subject", right=("offset",))
    for entry in found.sample:
        add(sample, entry.offset, entry.time, entry.message.type, entry.message.subject)
    return Group(span, Text(), types, Text(), sample, *_left_out(found))


def _left_out(found: Summary) -> list[Text]:
    lines = []
    if found.not_for_queue:
        lines.append(Text(f"left out, since this queue is not bound to them: {found.not_for_queue}"))
    if found.commands:
        lines.append(
            Text(
                f"left out, since a service would do them a second time: {found.commands} commands and "
                "requests (--with-commands sends them)"
            )
        )
    return lines


def _plain_entry(entry: LogEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    message = entry.message
    return {
        "offset": entry.offset,
        "time": entry.time,
        "id": message.message_id,
        "type": message.type,
        "subject": message.subject,
    }
