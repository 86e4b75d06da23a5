"""Which function carries out which command: each module of commands has its own table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from shared.events.base import Event

Commands: TypeAlias = Mapping[type[Event], Callable[..., Awaitable[dict[str, Any]]]]
"""By the command's class. Called with connection, envelope, command, announcements and policy."""
