"""The broker topology, as data: one topic exchange, a queue per consumer, one dead-letter queue, one log.

Both bus adapters declare exactly this. Names are part of the contract: operators bind to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

EXCHANGE = "patchbay"
DEAD_LETTER_EXCHANGE = "patchbay.dead"
DEAD_LETTER_QUEUE = "patchbay.dead-letter"
LOG = "patchbay.log"

DELIVERY_LIMIT = 5
"""How often one message may come back before it is dead-lettered: it is delivered once more than that.
Stated always: 3.10 has no default, 4.x has 20."""


@dataclass(frozen=True)
class Queue:
    """A durable queue. `bindings` are topic patterns on the exchange ("*" one word, "#" any number).

    `ordered`: one active consumer at a time (single active consumer), for queues whose order matters more
    than their spread. `dead_letter`: where rejected and exhausted messages go.
    """

    name: str
    bindings: tuple[str, ...] = ()
    kind: Literal["quorum", "stream"] = "quorum"
    exchange: str = EXCHANGE
    ordered: bool = False
    delivery_limit: int | None = DELIVERY_LIMIT
    dead_letter: str | None = DEAD_LETTER_EXCHANGE
    max_age_hours: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Topology:
    """Everything a broker must have before a service starts."""

    exchange: str = EXCHANGE
    dead_letter_exchange: str = DEAD_LETTER_EXCHANGE
    queues: tuple[Queue, ...] = field(default=())

    def queue(self, name: str) -> Queue:
        """The queue called `name`. Raises KeyError when there is none."""
        for queue in self.queues:
            if queue.name == name:
                return queue
        raise KeyError(f"no queue {name!r} in the topology; known: {', '.join(q.name for q in self.queues)}")


ALLOCATOR_FACTS = "allocator.facts"
ALLOCATOR_COMMANDS = "allocator.commands"
PLACEMENT_REQUESTS = "placement.requests"
PLACEMENT_FACTS = "placement.facts"
COLLECTOR_COMMANDS = "collector.commands"

TOPOLOGY = Topology(
    queues=(
        Queue(
            DEAD_LETTER_QUEUE,
            bindings=("#",),
            exchange=DEAD_LETTER_EXCHANGE,
            delivery_limit=None,
            dead_letter=None,
        ),
        Queue(
            LOG,
            bindings=("#",),
            kind="stream",
            delivery_limit=None,
            dead_letter=None,
            max_age_hours=24 * 14,
            max_bytes=20 * 1024**3,
        ),
        Queue(
            ALLOCATOR_FACTS,
            bindings=(
                "vcenter.#",
                "inventory.#",
                "guest.#",
                "vm.create.confirmed.#",
                # What an ended reservation held may be in use by somebody whose sighting was parked for it.
                "vm.create.cancelled.#",
                "vm.create.expired.#",
            ),
        ),
        Queue(
            ALLOCATOR_COMMANDS,
            bindings=("command.subnet.#", "command.address.#", "command.wire.#", "command.vm.#"),
        ),
        Queue(
            PLACEMENT_REQUESTS,
            bindings=("vm.create.requested.#", "vm.create.batch.requested.#", "command.reservation.#"),
        ),
        Queue(PLACEMENT_FACTS, bindings=("inventory.vm.#",)),
        Queue(COLLECTOR_COMMANDS, bindings=("command.vcenter.#",)),
    )
)
