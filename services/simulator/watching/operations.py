"""Recorded changes into the changes a filter reports: pure decisions about property paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.simulator.inventory.entities import Change


def inside(path: str, outer: str) -> bool:
    """Whether `path` is `outer` or lies below it ("guest.net" is inside "guest", "a[1].b" inside "a[1]")."""
    return path == outer or (path.startswith(outer) and path[len(outer)] in ".[")


def report(changes: Iterable[Change], wanted: Sequence[str], *, partial: bool) -> list[tuple[str, str]]:
    """The (path, operation) pairs that tell a client of `changes`, oldest first, with `wanted` in its filter.

    Without `partial` every touched property is assigned whole. With it, changes below a wanted property come
    as they were recorded, collapsed: an element removed and added again is assigned, one added and removed
    again is not mentioned, and what lies below something mentioned whole is left out.
    """
    told: dict[str, str] = {}
    for change in changes:
        for path in wanted:
            if inside(path, change.path):
                _tell(told, path, "assign")
            elif inside(change.path, path):
                if partial:
                    _tell(told, change.path, change.op)
                else:
                    _tell(told, path, "assign")
    return list(told.items())


def _tell(told: dict[str, str], path: str, op: str) -> None:
    above = [other for other in told if other != path and inside(path, other)]
    if any(told[other] != "remove" for other in above):
        return
    before = told.get(path)
    for below in [other for other in told if inside(other, path)]:
        del told[below]
    if op == "remove":
        if before != "add":
            told[path] = "remove"
    elif op == "add":
        told[path] = "assign" if before in {"remove", "assign"} else "add"
    else:
        told[path] = "add" if before == "add" else "assign"
