"""Every `patchbay …` that documents and messages name can be typed: command, options and arguments exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
import typer

from services.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
COMMANDS: Any = typer.main.get_command(app)

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


def problems(text: str, *, whole: bool) -> list[str]:
    """What is wrong with the words after `patchbay`. `a|b` stands for either in sentences."""
    words = shlex.split(text, posix=True)
    if whole:
        return list(_wrong(words, whole=True))
    either = product(*(word.split("|") if re.fullmatch(r"[-\w|]+", word) else [word] for word in words))
    return [wrong for version in either for wrong in _wrong(list(version), whole=False)]


def _wrong(words: list[str], *, whole: bool) -> Iterator[str]:
    command = COMMANDS
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] == "…":
            return
        if words[0] not in command.commands:
            yield f"there is no command {words[0]!r}"
            return
        command = command.commands[words.pop(0)]
    context = command.make_context("patchbay", [], resilient_parsing=True)
    if whole and "…" not in words:
        yield from _unparsable(command, context, words)
    else:
        known = {option for parameter in command.get_params(context) for option in _options(parameter)}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        yield from (f"{command.name} has no option {option}" for option in sorted(given - known))


def _options(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def _unparsable(command: Any, context: Any, words: list[str]) -> Iterator[str]:
    context.resilient_parsing = False
    try:
        values, rest, _order = command.make_parser(context).parse_args(list(words))
    except Exception as error:  # noqa: BLE001  the class is private to typer
        yield getattr(error, "message", None) or repr(error)
        return
    if rest and not hasattr(command, "commands"):
        yield f"{command.name} takes no {rest[0]!r}"
    for parameter in command.get_params(context):
        value = values.get(parameter.name)
        if parameter.required and value in (None, (), []):
            yield f"{command.name} needs {parameter.name}"
        several = value if isinstance(value, list | tuple) else [value]
        if value is not None and (choices := _choices(parameter)):
            yield from (f"{one!r} is none of {', '.join(choices)}" for one in several if one not in choices)


def _choices(parameter: Any) -> list[str]:
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return [str(choice) for choice in get_args(kind)] if get_origin(kind) is Literal else []


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


SOURCES = sorted([*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")])
_TOLD = re.compile(r"\bpatchbay ((?:[a-z][a-z-]+)(?: [^ ,;.)`]+)*)")


def told(source: str) -> Iterator[str]:
    """The commands that a program's messages name; what it fills in stands as `…`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            yield from _TOLD.findall("".join(str(part) for part in parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _TOLD.findall(node.value)


def test_every_command_that_a_message_names_can_be_typed() -> None:
    wrong = [
        f"{source.relative_to(ROOT)}: patchbay {text}: {problem}"
        for source in SOURCES
        for text in told(source.read_text())
        for problem in problems(text.replace("'", ""), whole=False)
    ]
    assert not wrong, "\n".join(wrong)


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
