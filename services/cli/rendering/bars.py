"""Bars and short numbers."""

from __future__ import annotations

from rich.text import Text

_EIGHTHS = " ▏▎▍▌▋▊▉"


def use_bar(taken: int, capacity: int, width: int) -> Text:
    """How full a subnet is, `width` columns wide: green, yellow from 75 %, red from 90 %."""
    share = min(1.0, taken / capacity) if capacity else 0.0
    # Something that is in use shows, however large the subnet: the first eighth is never rounded away.
    eighths = max(round(share * width * 8), 1 if taken else 0)
    full, rest = divmod(eighths, 8)
    drawn = ("█" * full + (_EIGHTHS[rest] if rest else ""))[:width]
    colour = "red" if share >= 0.9 else "yellow" if share >= 0.75 else "green"
    bar = Text(drawn, style=colour)
    bar.append("·" * (width - len(drawn)), style="bright_black")
    return bar


def short_count(number: int) -> str:
    """A count in at most five characters: 1024, 65k, 16.7M, and 2^64 where it is that large."""
    if number < 10_000:
        return str(number)
    if number < 1_000_000:
        return f"{number // 1000}k"
    if number < 1_000_000_000:
        return f"{number / 1_000_000:.1f}M"
    return f"2^{number.bit_length() - 1 if number & (number - 1) == 0 else number.bit_length()}"


def milliseconds(seconds: float | None) -> str:
    """A latency for people."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
