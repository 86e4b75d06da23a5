"""Declaring queues and bindings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.bus.port import Bus, QueueState, TopologyMismatch
from shared.events.topology import TOPOLOGY, Queue, Topology
from shared.runtime.errors import PermanentError
from tests.contract.bus.conftest import OpenBus
from tests.contract.bus.samples import SMALL, WORK, job, numbers, take


async def test_declaring_twice_changes_nothing(bus: Bus, open_bus: OpenBus) -> None:
    await bus.publish([job(1)])
    await bus.declare(SMALL)
    other = await open_bus()
    await other.declare(SMALL)
    async with other.consume(WORK) as consumer:
        assert numbers(await take(consumer, 1)) == [1]


async def test_the_topology_of_patchbay_can_be_declared(open_bus: OpenBus) -> None:
    bus = await open_bus()
    await bus.declare(TOPOLOGY)
    await bus.declare(TOPOLOGY)


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        ("delivery.limit", {"delivery_limit": 7}),
        ("dead.letter", {"dead_letter": None}),
        ("ordered|single-active", {"ordered": True}),
    ],
)
async def test_a_queue_with_other_arguments_is_refused_by_name(
    bus: Bus, argument: str, change: dict[str, object]
) -> None:
    other = Topology(queues=(replace(Queue(WORK, ("job.#",), delivery_limit=2), **change),))  # type: ignore[arg-type]
    with pytest.raises(TopologyMismatch, match=argument) as caught:
        await bus.declare(other)
    assert WORK in str(caught.value)
    assert caught.value.hint is not None
    await bus.declare(SMALL)


async def test_a_binding_can_be_added(bus: Bus) -> None:
    await bus.declare(Topology(queues=(Queue(WORK, ("extra.*",), delivery_limit=2),)))
    await bus.publish([job(1, "extra.x"), job(2)])
    async with bus.consume(WORK) as consumer:
        assert numbers(await take(consumer, 2)) == [1, 2]


async def test_an_unknown_queue_is_a_clear_error(bus: Bus) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        await bus.state("nowhere")
    with pytest.raises(PermanentError, match="nowhere"):
        async with bus.consume("nowhere"):
            pass
    assert await bus.state("asked") == QueueState(0, 0)
