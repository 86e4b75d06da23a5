"""The documents name what exists: every event, every queue, every link's target."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.events.registry import EVENTS
from shared.events.topology import TOPOLOGY

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_event_and_queue_is_in_the_reference() -> None:
    """`make contract` writes the page; tests/contract/events/test_published.py says when to."""
    page = (ROOT / "docs/reference/events.md").read_text()
    missing = [event.TYPE for event in EVENTS if f"`{event.TYPE}`" not in page]
    missing += [queue.name for queue in TOPOLOGY.queues if f"`{queue.name}`" not in page]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []
