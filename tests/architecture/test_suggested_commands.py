"""Every `patchbay …` that a message, a hint or a verdict suggests can be typed as it stands."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from uuid import UUID

import pytest

from services.allocator.domain.sentences import Ground, SubnetNamed, explain
from services.allocator.domain.ways_out import free, reach
from services.cli.commands.conflict import remedy
from shared.events.address import ConflictKind, Party, Verdict
from tests.architecture.typing_commands import FILLED_IN, problems

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")])

_WORD = r"""(?:'[^']*'|"[^"]*"|[^\s,;.)`'"]|[,;.)](?=[^\s'"`,;.)]))+"""
_QUOTED = re.compile(r"'patchbay ([^']+)'|`patchbay ([^`]+)`")
_PLAIN = re.compile(rf"(?<![\w/'`.])patchbay ([a-z][a-z-]+(?: {_WORD})*)")
_HOLE = re.compile(r"\{\w+\}")


def suggested(text: str) -> Iterator[str]:
    """The commands in a message: up to the end of the quotation, or to `,` `;` `.` `)` or two spaces."""
    for found in _QUOTED.finditer(text):
        yield found[1] or found[2]
    yield from _PLAIN.findall(_QUOTED.sub("", text))


def messages(source: str) -> Iterator[str]:
    """The commands that a module's messages suggest, with what is filled in named so."""
    tree = ast.parse(source)
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in spoken | parts:
            continue
        if isinstance(node, ast.JoinedStr | ast.Constant):
            yield from suggested(_text(node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "typed":
            words = [_text(word) for word in node.args if not isinstance(word, ast.Starred)]
            options = [w for k in node.keywords for w in (f"--{k.arg}", FILLED_IN)]
            yield shlex.join([*words, *options])


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.Constant):
        return _HOLE.sub(FILLED_IN, str(node.value))
    return FILLED_IN


def wrong(text: str) -> list[str]:
    """What is wrong with the commands that `text` suggests."""
    return [f"patchbay {c}: {p}" for c in suggested(text) for p in problems(c, whole=True)]


def test_every_command_that_a_message_suggests_can_be_typed() -> None:
    found = [
        f"{source.relative_to(ROOT)}: patchbay {text}: {problem}"
        for source in SOURCES
        for text in messages(source.read_text())
        for problem in problems(text, whole=True)
    ]
    assert not found, "\n".join(found)


def test_every_command_that_a_docstring_names_exists() -> None:
    found = [
        f"{source.relative_to(ROOT)}: {text}: {problem}"
        for source in SOURCES
        for text in re.findall(r"`patchbay ([^`]+)`", source.read_text())
        if "{" not in text
        for problem in problems(text, whole=False)
    ]
    assert not found, "\n".join(found)


NAMES = ["web", 'it\'s "the" web; $(x) & more, or less.', "web (old)", "Büro 1"]
SOMEBODY = UUID(int=7)
PARTIES = [
    Party(kind="nic", id=SOMEBODY, vm_name=name, mac=mac)
    for name in NAMES
    for mac in ("00:50:56:00:00:01", None)
] + [Party(kind=kind, id=SOMEBODY) for kind in ("nic", "sighting", "reservation", "reserved")]
SCOPES = ["default", "lab 2"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_g6_what_a_verdict_suggests_can_be_typed(verdict: Verdict, name: str) -> None:
    for scope, rival, here, key in itertools.product(SCOPES, [None, *PARTIES], (True, False), (4000, None)):
        for bound_to in ("00:50:56:00:00:02", None):
            named = [SubnetNamed(name, "10.0.0.0/24", "w", scope, here=here)] * 2
            ground = Ground(
                verdict, "10.0.0.5", name, "NIC 1", key, scope, name, named, rival, bound_to, 1, 2, ()
            )
            assert wrong(explain(ground)) == [], explain(ground)


@pytest.mark.parametrize("name", NAMES)
def test_g6_what_a_refused_fix_suggests_can_be_typed(name: str) -> None:
    for scope, here in itertools.product(SCOPES, (True, False)):
        subnet = SubnetNamed(name, "10.0.0.0/24", "w", scope, here=here)
        for verdict, around in itertools.product(get_args(Verdict), (None, subnet)):
            assert wrong(reach(verdict, name, [subnet, subnet], around, scope)) == []
        for party, mac in itertools.product(PARTIES, ("00:50:56:00:00:02", None)):
            assert wrong(free(party, "2001:db8::5", scope, mac)) == []


@pytest.mark.parametrize("kind", get_args(ConflictKind))
def test_g6_what_a_conflict_suggests_can_be_typed(kind: ConflictKind) -> None:
    for party, scope in itertools.product(PARTIES, SCOPES):
        assert wrong(remedy(kind, "10.0.0.5", scope, party)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run: patchbay vm list", ["vm list"]),
        ("run: patchbay vm show 'a; b', or wait", ["vm show 'a; b'"]),
        ("see 'patchbay config' or 'x'", ["config"]),
        ("(patchbay vm list). Then", ["vm list"]),
        ("patchbay vm show 10.0.0.5; patchbay vm show 10.0.0.6", ["vm show 10.0.0.5", "vm show 10.0.0.6"]),
        ("patchbay subnet suggest --apply --all   (or NAME…)", ["subnet suggest --apply --all"]),
        ("the folder /var/lib/patchbay is full", []),
        ("patchbay 1.0", []),
    ],
)
def test_the_commands_of_a_message_are_found(text: str, found: list[str]) -> None:
    assert list(suggested(text)) == found


def test_what_nobody_can_type_is_found() -> None:
    source = 'X = f"see: patchbay vm why, or"\nY = typed("vm", "shwo", vm)\nZ = "patchbay vm show {which}"'
    assert [p for text in messages(source) for p in problems(text, whole=True)] == [
        "why needs which",
        "there is no command 'shwo'",
    ]
