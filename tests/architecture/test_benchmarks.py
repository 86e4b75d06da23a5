"""Each benchmark runs with nothing given; the page about them names none that is not there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import about, names

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"


@pytest.mark.parametrize("name", names())
def test_nothing_has_to_be_given(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--help"],
        cwd=ROOT,
        env={"COLUMNS": "500", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    usage = done.stdout.partition("\n")[0]
    assert usage.startswith("usage: ")
    # What may be left out stands in brackets; nested ones are options with several values.
    bare = usage.partition(".py")[2]
    while (shorter := re.sub(r"\[[^\[\]]*\]", "", bare)) != bare:
        bare = shorter
    assert not bare.strip(), f"has to be given: {bare}"


def test_the_page_lists_what_there_is_and_each_says_what_it_measures() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE))
    assert listed <= set(names())
    assert all(about(name) for name in names())
