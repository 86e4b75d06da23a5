"""How many messages to hold while some of them may kill the process that handles them. Pure.

A process that dies gives back all it holds, and the queue counts that against each of them: at the limit a
message becomes a dead letter, the killer and its neighbours alike. So who sees messages that came back takes
fewer at a time, and in the end one: then only the guilty one is counted on (G8). An innocent message is given
back once out of a full batch, once out of a few, and never again by a process that began with care.
"""

from __future__ import annotations

FEW = 20
ALONE = 1


def size_for(attempt: int, batch: int) -> int:
    """How many messages to handle together when one of them is delivered for the `attempt`-th time."""
    if attempt <= 1:
        return batch
    return min(batch, FEW) if attempt == 2 else ALONE


def prefetch_for(size: int, batch: int) -> int:
    """How many to hold while `size` at a time are handled.

    With full batches twice as many: the next batch is on its way while one is handled. With care no more
    than are handled.
    """
    return 2 * batch if size >= batch else size
