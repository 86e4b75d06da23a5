"""Findings: what each rule said about each candidate. They become the rulings of an answer (G6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from shared.events.placement import Ruling

Kind = Literal["host", "wire", "subnet", "address", "request"]


class Finding(NamedTuple):
    """One ruling in the making; a thousand of these cost less than a thousand models."""

    kind: Kind
    id: str
    name: str
    rule: str
    passed: bool
    because: str


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """What was chosen first, then what was ruled out."""
    return [*(f for f in findings if f.passed), *(f for f in findings if not f.passed)]


def rulings(findings: Sequence[Finding], limit: int | None = None) -> tuple[Ruling, ...]:
    """Findings as they are published: what was chosen first, then what was ruled out.

    With more than `limit` the rest is summed up in a last ruling, so that no answer outgrows a message.
    """
    ordered = in_order(findings)
    kept = ordered if limit is None or len(ordered) <= limit else ordered[:limit]
    published = [Ruling(**finding._asdict()) for finding in kept]
    left = Counter((finding.kind, finding.rule) for finding in ordered[len(kept) :])
    if left:
        parts = (f"{count} by {kind} rule {rule!r}" for (kind, rule), count in sorted(left.items()))
        published.append(
            Ruling(
                kind="request",
                id="-",
                name="-",
                rule="shortened",
                passed=False,
                because=f"further rulings are kept with the request: {', '.join(parts)}",
            )
        )
    return tuple(published)


@lru_cache(4096)
def amount(memory_mb: float) -> str:
    """Memory for people: "64 GiB", "1.5 GiB", "512 MiB"."""
    if abs(memory_mb) < 1024:
        return f"{memory_mb:.0f} MiB"
    gib = memory_mb / 1024
    return f"{gib:.0f} GiB" if gib == int(gib) else f"{gib:.1f} GiB"


def counted(cpus: int) -> str:
    """CPUs for people."""
    return f"{cpus} CPU" if cpus == 1 else f"{cpus} CPUs"


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Names for people: "a, b and c", cut after `limit`."""
    if not names:
        return "none"
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
