"""How messages of versions that no model reads any more become messages of the next version.

An entry under (type, n) takes the `data` of version n, as JSON, and returns that of version n + 1. The codec
applies one after the other until there is none, so that the log and old golden messages stay readable for
ever. Entries are never removed. A new field gets the value that was true when it did not exist; if there is
none, the field is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Must not fail on data that fits the old schema; on other data it may: KeyError, TypeError, ValueError."""

UPCASTS: Mapping[tuple[str, int], Upcast] = MappingProxyType({})
