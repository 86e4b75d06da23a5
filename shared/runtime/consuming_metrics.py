"""What the consuming loop counts, by queue."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

HANDLED = Counter("patchbay_events_handled_total", "Events handled and acknowledged.", ["queue"])
DEAD_LETTERED = Counter(
    "patchbay_events_dead_lettered_total",
    "Events that ended in the dead-letter queue, by the reason that they have there.",
    ["queue", "reason"],
)
RETRIED = Counter(
    "patchbay_events_retried_total",
    "Times a handler was called again: conflict (at once), transient (later), defect (given back).",
    ["queue", "kind"],
)
LOST = Counter("patchbay_consumer_lost_total", "Times a consumer lost the bus and came back.", ["queue"])
BATCH = Histogram(
    "patchbay_batch_events",
    "Events per batch.",
    ["queue"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
SECONDS = Histogram(
    "patchbay_batch_seconds",
    "Time to handle and acknowledge a batch.",
    ["queue"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
