"""Answered requests: in a list, one as it stands, one with its reasons."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator.sight import Sight
from services.cli.rendering.answers import render_alternates, render_answer, render_rulings, sights_in
from services.cli.rendering.sight import age, with_sight
from services.cli.rendering.tables import add, facts, table
from services.placement.queries import Explained, PlacementRow
from services.placement.reservations import Reservation
from shared.events.placement import NicRequest, VmCreatePlaced, VmCreateRequested

STATES = {
    "held": "cyan",
    "confirmed": "green",
    "expired": "red",
    "cancelled": "bright_black",
    "verified": "green",
    "drifted": "yellow",
}


def state_text(state: str | None) -> Text:
    """A reservation's state, or what Tools made of it, in its colour."""
    return Text(state or "-", style=STATES.get(state or "", "bright_black"))


def render_list(rows: Sequence[PlacementRow]) -> RenderableType:
    """A line for each answered request."""
    if not rows:
        return Text("nothing was asked for yet; ask with: patchbay place NAME --nic SUBNET")
    grid = table("answered", "request", "vm", "answer", "host", "addresses", "reservation")
    for row in rows:
        answer = Text("placed", style="green")
        if row.outcome == "refused":
            answer = Text(f"refused: {row.reason}", style="yellow")
        state = state_text(row.state)
        add(grid, row.answered_at, row.request_id, row.name, answer, row.host_name, row.addresses, state)
    return grid


def render_shown(found: Explained) -> RenderableType:
    """The answer without its reasons, and what became of it."""
    parts: list[RenderableType] = [render_answer(found.answer, dry=False, why=False)]
    if found.reservation is not None:
        parts += [Text(), render_reservation(found.reservation)]
    return Group(*parts)


def render_reservation(row: Reservation) -> RenderableType:
    """What is held, or what became of it, with both sides of a difference."""
    verdict = state_text(row.verdict)
    if row.verdict == "drifted":
        verdict.append(_differences(row))
    return facts(
        reservation=row.id,
        state=state_text(row.state),
        expires=row.expires_at if row.state == "held" else None,
        ended=row.ended_at,
        vm=f"{row.vm_moid}, recognised by {row.recognised_by}" if row.vm_moid else None,
        tools_say=verdict if row.state == "confirmed" else None,
        groups=row.groups,
        note=row.note,
    )


def _differences(row: Reservation) -> str:
    return "".join(
        f"; NIC {check.index}: reserved {', '.join(check.reserved) or 'nothing'}, "
        f"seen {', '.join(check.seen) or 'nothing'}"
        for check in row.seen
        if not set(check.reserved) <= set(check.seen)
    )


def render_explained(found: Explained) -> RenderableType:
    """The request, the answer in a line, every ruling, and the next best hosts."""
    answer = found.answer
    sights: list[Sight] = []
    if isinstance(answer, VmCreatePlaced):
        line = Text(f"placed on {answer.host_name}", style="green")
        old, more = f"{age(answer.facts_age_seconds)} old", render_alternates(answer)
    else:
        sights = sights_in(answer)
        line, old, more = Text(f"refused: {answer.reason}", style="yellow"), None, []
    return Group(
        _request(found.request),
        Text(),
        line,
        facts(answered=found.answered_at, **({"facts_were": old} if old else {})),
        Text(),
        *more,
        with_sight(render_rulings(found.rulings), sights),
    )


def _request(request: VmCreateRequested) -> RenderableType:
    where = request.where.model_dump(exclude_defaults=True, mode="json")
    return facts(
        request=request.request_id,
        vm=request.name,
        size=f"{request.cpus} CPUs, {request.memory_mb} MiB",
        nics=[_nic(nic) for nic in request.nics],
        where=[f"{name} {value}" for name, value in where.items()],
        lease=f"{request.lease_seconds} s",
    )


def _nic(nic: NicRequest) -> str:
    said = nic.model_dump(exclude_defaults=True, mode="json")
    return " ".join(f"{name}={value}" for name, value in said.items()) or "any"
