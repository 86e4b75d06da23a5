"""Finding the one object a person means, and helping when the name is wrong or not unique."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

from services.cli.outcome import Refused

Row = TypeVar("Row")


def nearest(wrong: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """The known names most like `wrong`, best first; case is forgiven."""
    by_lower: dict[str, str] = {}
    for name in known:
        by_lower.setdefault(name.lower(), name)
    found = get_close_matches(wrong.lower(), by_lower, n=limit, cutoff=0.6)
    return [by_lower[name] for name in found]


def not_known(kind: str, wrong: str, known: Sequence[str]) -> Refused:
    """The refusal for a name that nothing has, with what was perhaps meant."""
    close = nearest(wrong, known)
    if close:
        hint = f"Did you mean {' or '.join(map(repr, close))}?"
    elif known:
        shown = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
        hint = f"Known: {shown}."
    else:
        hint = f"There is no {kind} at all yet."
    return Refused(
        f"no {kind} {wrong!r}",
        hint=hint,
        data={"error": {"code": f"unknown_{kind}", "message": f"no {kind} {wrong!r}", "nearest": close}},
    )


def pick(
    kind: str,
    wanted: str,
    rows: Sequence[Row],
    *,
    name: Callable[[Row], str],
    keys: Callable[[Row], Iterable[str]],
    where: Callable[[Row], str],
) -> Row:
    """The one row whose key (id, managed object id) or name is `wanted`.

    An id wins over a name. Raises `Refused` when none has it, or when several have the name: then it lists
    each with its id and `where` it is.
    """
    by_key = [row for row in rows if wanted in keys(row)]
    if len(by_key) == 1:
        return by_key[0]
    found = by_key or [row for row in rows if name(row) == wanted]
    if len(found) == 1:
        return found[0]
    if not found:
        raise not_known(kind, wanted, sorted({name(row) for row in rows}))
    choices = [f"{next(iter(keys(row)))}  {where(row)}" for row in found]
    raise Refused(
        f"{len(found)} {kind}s are called {wanted!r}; say which by its id:",
        hint="\n".join(f"  {choice}" for choice in choices),
        data={
            "error": {"code": f"ambiguous_{kind}", "message": f"{wanted!r} is ambiguous", "choices": choices}
        },
    )
