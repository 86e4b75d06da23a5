"""Every type of event is folded by a rebuild, or named here as something that follows from others."""

from __future__ import annotations

from services.cli.rebuilding.folding import FACTS, FOLDED
from shared.events.registry import EVENTS

FOLLOWS = (
    "address.conflict.", "address.matched", "address.unmatched",
    "command.",  # asked for; what came of it is an event of its own
    "nic.", "wire.created", "wire.renamed", "wire.retired", "wire.rebind.offered",
    "wire.rebound",  # each use that it moved is an event, too

    "vm.create.batch.answered",  # its answers are events, too
    "replay.", "dead_letter.",  # about messages, not about the state
)  # fmt: skip


def test_g3_no_event_is_forgotten_by_a_rebuild() -> None:
    """A new type is a fact, a decision with an applier, or something that follows."""
    neither = {m.TYPE for m in EVENTS if m not in FOLDED and not m.TYPE.startswith(FOLLOWS)}
    assert neither == set()
    both = {m.TYPE for m in FOLDED if m.TYPE.startswith(FOLLOWS)}
    assert both == set()


def test_facts_are_what_the_allocators_queue_takes() -> None:
    """The one list of bindings decides."""
    assert {"guest.addresses.changed", "vcenter.connected", "vm.create.confirmed"} <= {m.TYPE for m in FACTS}
    assert "vm.create.placed" not in {m.TYPE for m in FACTS}
