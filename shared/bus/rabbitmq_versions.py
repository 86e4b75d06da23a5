"""RabbitMQ 3.10 to 4.x: every difference that we know of, and what we do so that it makes none.

| since | what | what we do |
| --- | --- | --- |
| 3.10 | at-least-once dead-lettering, streams with all we ask of them | older ones are refused, see below |
| 3.10 | the port is open before streams are found again | publishing waits for them (`rabbitmq_publishing`) |
| 3.11 to 3.13 | feature flags become required step by step | all stable ones are enabled before an upgrade |
| 3.12 | classic queues of version 2, lazy mode gone | none are declared, save exclusive reply queues |
| 4.0 | default delivery limit of 20 for quorum queues; 3.10 has none | one is stated for every queue |
| 4.0 | delivery limit -1 is "none"; 3.10 would take it at its word | a number that is never reached |
| 4.0 | messages of more than 16 MiB are refused, 128 MiB before | events of more than 4 MiB are refused |
| 4.0 | classic mirrored queues gone | none are used |
| 4.0 | `x-death` of who publishes is no longer read by the broker | our copies carry our own headers |
| 4.0 | `x-acquired-count` beside `x-delivery-count` | only the second is read, the first is left out |
| 4.0 | non-exclusive transient queues, global prefetch deprecated | none; prefetch is per consumer |
| 4.3 | `basic.cancel` by the broker wants an answer | the client library gives it |

Policies and users are the same in all of them. docs/explanation/rabbitmq.md is for operators.
"""

from __future__ import annotations

import re

from shared.runtime.errors import PermanentError

OLDEST = (3, 10)

UNLIMITED_DELIVERIES = 2_000_000_000
"""For queues without a delivery limit. Left out, 4.x would take 20 and then drop; 4.x reads -1 as "no limit",
but 3.10 would take it at its word."""


def check_version(text: object) -> None:
    """Raise `PermanentError` for a broker too old to keep our promises. What says no version is let in."""
    found = re.match(r"(\d+)\.(\d+)", text.decode() if isinstance(text, bytes) else str(text or ""))
    if found is None:
        return
    if (int(found[1]), int(found[2])) < OLDEST:
        raise PermanentError(
            f"the broker is RabbitMQ {found[0]}, which can't keep dead letters safe",
            code="broker_version",
            hint="use RabbitMQ 3.10 or newer",
        )
