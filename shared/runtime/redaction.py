"""Keeps secrets out of logs and pages (G9): by the name of what is shown, and by what URLs look like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretBytes, SecretStr

from shared.bus.redaction import without_secrets

SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|pwd|secret|token|credential|authorization|cookie|api_?key|private_?key",
    re.IGNORECASE,
)
HIDDEN = "…"
DEPTH = 6
"""How deep to look into what is logged; what is deeper is not shown."""


def redact(name: str, value: Any, depth: int = 0) -> Any:
    """`value` as it may be shown under `name`: secrets hidden, also those deep inside and in URLs."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, SecretStr | SecretBytes) or SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, str):
        return without_secrets(value) if "=" in value or "@" in value else value
    if depth >= DEPTH:
        return HIDDEN  # as a text it would show what is inside, secrets and all
    if isinstance(value, Mapping):
        return {key: redact(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(name, inner, depth + 1) for inner in value]
    return without_secrets(value)
