"""One line for each event about what people decide on wires, and what is offered to them."""

from __future__ import annotations

from collections.abc import Sequence

from services.cli.rendering.sentences import sentence
from shared.events import wire_decisions
from shared.events.wire_decisions import WireUse


@sentence.register
def _(event: wire_decisions.WireRebindOffered) -> str:
    pair = f"{event.wire.name} ({event.wire.network}) for {event.instead_of.network}"
    return f"{pair}, which {_named(event.uses)} still names"


@sentence.register
def _(event: wire_decisions.WireRebound) -> str:
    pair = f"{event.wire.name} ({event.wire.network}) for {event.instead_of.network}"
    return f"{pair} by {event.by}: {_named(event.uses)}"


@sentence.register
def _(event: wire_decisions.WireMappingChanged) -> str:
    pinned = f", {len(event.pinned)} wires pinned" if event.pinned else ""
    return f"{event.vcenter_name}: a wire is a {event.mapping}, was a {event.before}, by {event.by}{pinned}"


def _named(uses: Sequence[WireUse]) -> str:
    return ", ".join(use.subnet_name for use in uses)
