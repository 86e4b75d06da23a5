"""Settings about a server as one URL: what it does not say goes into its query, for adapters to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

GROUP_SIZE = "group_size"
"""The query parameter of our AMQP URLs that says how many nodes hold a queue that is made."""


def with_query(url: str, values: Mapping[str, str | Path | None]) -> str:
    """`url` with these parameters, save those that are None. What the URL itself says goes first."""
    parts = urlsplit(url)
    query = {name: str(value) for name, value in values.items() if value is not None}
    query |= dict(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit(parts._replace(query=urlencode(query, safe="/:,")))


def without_query(url: str, *names: str) -> tuple[str, dict[str, str]]:
    """`url` without these parameters, and those of them that it had. All else stays as it was written."""
    head, mark, query = url.partition("?")
    taken = {name: value for name, value in parse_qsl(query) if name in names}
    left = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] not in names)
    return f"{head}{mark if left else ''}{left}", taken
