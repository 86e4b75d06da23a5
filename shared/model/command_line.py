"""Commands as messages name them, so that they can be typed as they stand."""

from __future__ import annotations

import shlex

from shared.model.identifiers import DEFAULT_SCOPE_NAME


def typed(*words: str, scope: str = DEFAULT_SCOPE_NAME) -> str:
    """`patchbay` with `words` as a shell takes them, and the address space where it is not the usual one."""
    there = () if scope == DEFAULT_SCOPE_NAME else ("--scope", scope)
    return shlex.join(("patchbay", *words, *there))
