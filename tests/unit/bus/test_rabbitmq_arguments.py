"""Arguments of queues: only what RabbitMQ 3.10 knows and 4.x still knows."""

from __future__ import annotations

import pytest

from shared.bus.rabbitmq_topology import SEGMENT_BYTES, arguments_of
from shared.bus.rabbitmq_versions import UNLIMITED_DELIVERIES
from shared.events.topology import DEAD_LETTER_QUEUE, LOG, TOPOLOGY, Queue


def test_a_work_queue_dead_letters_at_least_once() -> None:
    assert arguments_of(Queue("work", delivery_limit=5, ordered=True)) == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 5,
        "x-single-active-consumer": True,
        "x-dead-letter-exchange": "patchbay.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def test_the_dead_letter_queue_may_be_looked_at_without_end() -> None:
    assert arguments_of(TOPOLOGY.queue(DEAD_LETTER_QUEUE)) == {
        "x-queue-type": "quorum",
        "x-delivery-limit": UNLIMITED_DELIVERIES,
    }


def test_the_log_is_a_stream_bounded_by_age_and_size() -> None:
    assert arguments_of(TOPOLOGY.queue(LOG)) == {
        "x-queue-type": "stream",
        "x-stream-max-segment-size-bytes": SEGMENT_BYTES,
        "x-max-age": "336h",
        "x-max-length-bytes": 20 * 1024**3,
    }


def test_a_quorum_queue_with_an_age_is_refused() -> None:
    with pytest.raises(ValueError, match="only a stream"):
        arguments_of(Queue("work", max_age_hours=1))
