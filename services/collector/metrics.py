"""What the collector counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

FACTS = Counter("patchbay_collector_facts_total", "Facts confirmed by the bus", ["vcenter", "type"])
SUPPRESSED = Counter(
    "patchbay_collector_suppressed_total", "Changes that said nothing new, by reason", ["vcenter", "reason"]
)
DECODE = Counter("patchbay_collector_decode_seconds_total", "CPU time spent on decoding answers", ["vcenter"])
TRANSLATE = Counter(
    "patchbay_collector_translate_seconds_total", "CPU time spent on making facts of changes", ["vcenter"]
)
REMEMBER = Counter(
    "patchbay_collector_remember_seconds_total", "Time spent on noting which objects exist", ["vcenter"]
)
PUBLISH = Counter(
    "patchbay_collector_publish_seconds_total", "Time from facts remembered to facts confirmed", ["vcenter"]
)
STRAYS = Counter(
    "patchbay_collector_strays_total", "Values that only pyVmomi's slow reader understood", ["vcenter"]
)
REREAD = Counter(
    "patchbay_collector_read_whole_total", "Objects read whole: a change was not understood", ["vcenter"]
)
PAGES = Counter("patchbay_collector_pages_total", "Answers with changes", ["vcenter"])
LOST = Counter("patchbay_collector_lost_total", "Losses of sight, by cause", ["vcenter", "cause"])
LAG = Gauge(
    "patchbay_collector_lag_seconds", "From receiving the newest change to its confirmation", ["vcenter"]
)
CLOCK_SKEW = Gauge(
    "patchbay_collector_clock_skew_seconds",
    "How far the vCenter's clock is ahead of ours, at login",
    ["vcenter"],
)
EPOCH = Gauge("patchbay_collector_epoch", "Number of the current login", ["vcenter"])
OBJECTS = Gauge("patchbay_collector_objects", "Objects in sight, by kind", ["vcenter", "kind"])
SNAPSHOT = Histogram(
    "patchbay_collector_snapshot_seconds",
    "From login to a completed snapshot",
    ["vcenter"],
    buckets=(0.5, 1, 2, 5, 10, 20, 60, 180, 600),
)
