"""Help lists commands without their modules; what it lists is what the modules have.

To write it anew: python -m tests.architecture.test_listing
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.later import LISTING, PLACES, listing

FILE = Path(__file__).parents[2] / "services" / "cli" / LISTING
RENEW = "python -m tests.architecture.test_listing"
NOUNS = [name for name, place in PLACES.items() if place.endswith(":app")]
DRIVERS = ("pyVmomi", "aio_pika", "asyncpg", "sqlalchemy", "alembic", "lxml", "aiohttp")


def text() -> str:
    """The file as it should be."""
    return json.dumps(listing(), indent=2, ensure_ascii=False) + "\n"


def test_what_help_lists_is_what_the_modules_have() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), f"renew it: {RENEW}"
    assert all(noun["help"] for noun in listing().values())


LOOK = """
import json, sys
from typer.testing import CliRunner
from services.cli.main import app
for words in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code in (0, 2), result.output
json.dump(sorted(sys.modules), sys.stdout)
"""


def imported(*typed: list[str]) -> set[str]:
    """What is imported when these commands are typed."""
    asked = [sys.executable, "-c", LOOK, json.dumps(typed)]
    return set(json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout))


def test_help_imports_no_driver_and_no_room() -> None:
    found = imported(["--help"], ["--version"], ["wrie"], *([noun, "--help"] for noun in NOUNS))
    assert {name.split(".")[0] for name in found} & {*DRIVERS, "shared"} == set()
    ours = {name for name in found if name.startswith("services.")}
    assert ours == {"services.cli", "services.cli.main", "services.cli.later", "services.cli.version"}


HEAVY = {"pyVmomi", "aio_pika", "alembic", "sqlalchemy", "lxml", "aiohttp"}


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        ("vm list", HEAVY),
        ("subnet create", HEAVY),
        ("place", HEAVY),
        ("rebuild", HEAVY),
        ("events tail", HEAVY),
        ("vcenter list", HEAVY - {"pyVmomi", "lxml"}),
    ],
)
def test_a_command_imports_only_the_drivers_that_it_may_need(words: str, spared: set[str]) -> None:
    found = {name.split(".")[0] for name in imported([*words.split(), "--help"])}
    assert found & spared == set()
    assert "asyncpg" in found


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE} written\n")
