"""Every `patchbay …` that documents name can be typed: command, options and arguments exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.typing_commands import problems

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_TYPED = re.compile(r"^(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?patchbay(?: (.*))?$")
_INLINE = re.compile(r"`(?:\.venv/bin/)?patchbay ([^`]+)`")
_REST = re.compile(r" (?:[|>#]|&&|  ).*$")
"""What a shell does with the output is not ours; nor are remarks."""
_TARGET = re.compile(r"^(?:    )?make ([a-z-]+)(?:$|  | [A-Z]+=)|`make ([a-z-]+)", re.MULTILINE)


class Shown(NamedTuple):
    """One command of a page. `whole` when it is to be typed as it stands, not only spoken of."""

    line: int
    text: str
    whole: bool


def shown(page: str) -> Iterator[Shown]:
    """The commands of a page: whole in blocks of code, mentioned in sentences."""
    fenced = False
    lines = page.splitlines()
    for number, line in enumerate(lines, 1):
        fenced ^= line.startswith("```")
        if (fenced or line.startswith("    ")) and (found := _TYPED.match(line.strip())):
            yield Shown(number, _REST.sub("", _continued(lines, number, found[1] or "")), whole=True)
    for found in _INLINE.finditer(page):
        yield Shown(page.count("\n", 0, found.start()) + 1, " ".join(found[1].split()), whole=False)


def _continued(lines: list[str], number: int, text: str) -> str:
    while text.endswith("\\"):
        text = text[:-1] + lines[number].strip()
        number += 1
    return text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_page_can_be_typed(page: Path) -> None:
    wrong = [
        f"{page.relative_to(ROOT)}:{command.line}: patchbay {command.text}: {problem}"
        for command in shown(page.read_text())
        for problem in problems(command.text, whole=command.whole)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {first or second for first, second in _TARGET.findall(page.read_text())}
    assert named - targets == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vm lst", "there is no command 'lst'"),
        ("vm list --vcentre lab", "No such option: --vcentre"),
        ("vm why", "why needs which"),
        ("vm why a b", "why takes no 'b'"),
        ("subnet create a 10.0.0.0/24 --wire", "requires an argument"),
    ],
)
def test_what_nobody_can_type_is_found(text: str, said: str) -> None:
    assert [said in problem for problem in problems(text, whole=True)] == [True]


def test_sentences_may_leave_arguments_out() -> None:
    assert problems("vm why", whole=False) == []
    assert problems("conflict list|show", whole=False) == []
    assert problems("conflict list|shwo", whole=False) == ["there is no command 'shwo'"]
    assert problems("place … --nic subnet=web", whole=False) == []
    assert problems("place … --nics web", whole=False) == ["place has no option --nics"]
