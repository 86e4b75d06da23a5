"""The decoder's door: an answer's bytes in, a page out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from services.collector.domain.changes import Page
from services.collector.vsphere.decoding.documents import VIM, Unfamiliar, parse_answer
from services.collector.vsphere.decoding.scanning import Scan
from services.collector.vsphere.decoding.tally import Tally
from services.collector.vsphere.decoding.unfamiliar import whole_answer
from services.collector.vsphere.decoding.walking import Walk
from services.collector.vsphere.reading import read_page

WHOLE = "answer"
"""Under this key an answer is counted that was left to pyVmomi as a whole."""


def decode_page(
    body: bytes, received_at: datetime | None = None, *, strays: Counter[str] | None = None
) -> Page | None:
    """The page in the body of an answer to WaitForUpdatesEx; None when it says that nothing changed in time.

    What is left to pyVmomi is added to `strays`, by "Type.path". Raises the fault in the body as pyVmomi's
    exception, `Unreadable` for what is no answer of a vCenter, and what pyVmomi raises over an answer of
    which even the frame is strange. Blocks for some milliseconds per hundred VMs.
    """
    at = received_at or datetime.now(UTC)
    ways: tuple[Callable[[bytes, datetime, Tally], Page | None], ...] = (by_scan, by_tree, by_pyvmomi)
    for decode in ways:
        tally = Tally()
        try:
            page = decode(body, at, tally)
        except Unfamiliar:
            continue
        if strays is not None:
            strays.update(tally.strays)
        return page
    raise AssertionError("pyVmomi knows no Unfamiliar")


def by_scan(body: bytes, at: datetime, tally: Tally) -> Page:
    """The quick way, for answers written as vCenters write them. Raises `Unfamiliar` for others."""
    try:
        scan = Scan(body.decode("utf-8"), tally)
    except UnicodeDecodeError:
        raise Unfamiliar from None
    scan.update_set()
    return _page(scan, at, tally)


def by_tree(body: bytes, at: datetime, tally: Tally) -> Page | None:
    """The way that knows every spelling of XML. Raises `Unfamiliar` for a frame it does not know."""
    names, response = parse_answer(body)
    if response.tag != f"{{{VIM}}}WaitForUpdatesExResponse":
        raise Unfamiliar
    update_set = next(response.iterchildren(f"{{{VIM}}}returnval"), None)
    if update_set is None:
        return None
    walk = Walk(names, tally)
    walk.update_set(update_set)
    return _page(walk, at, tally)


def by_pyvmomi(body: bytes, at: datetime, tally: Tally) -> Page | None:
    """The slow way, which raises the faults."""
    tally.strays[WHOLE] += 1
    result = whole_answer(body)
    if isinstance(result, Exception):
        raise result
    return None if result is None else read_page(result, at)


def _page(found: Scan | Walk, at: datetime, tally: Tally) -> Page:
    return Page(
        version=found.version,
        truncated=found.truncated,
        changes=tuple(found.changes),
        signs=tally.signs(),
        received_at=at,
        unread=frozenset(tally.unread),
    )
