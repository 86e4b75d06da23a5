"""Pages that show what commands print: their commands, and whether what they show is still true.

A block that begins with ```console holds commands after `$ ` and what they print. A line `…` stands for any
number of lines. Times, ids and ages are compared by their shape alone, and so is the width of tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

PROMPT = "$ "
LEFT_OUT = "…"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export (\w+)=(\S+)$", re.MULTILINE)
_MASKS = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"(?<![\w:.-])\d{4}-\d\d-\d\d(?![\w-])"), "<date>"),
    (re.compile(r"(?<![\w:.])\d\d:\d\d:\d\d(?!\w|:\w)"), "<time>"),
    (re.compile(r"\b\d+ (s|min|h) (ago|old|behind|ahead)\b"), "<age>"),
    (re.compile(r"^ *\d+ (?=<date> <time> [a-z])"), "<offset> "),
    (re.compile(r"─+"), "─"),
    (re.compile(r" +"), " "),
)


@dataclass
class Step:
    """One command and the lines that it is shown to print."""

    command: str
    output: list[str] = field(default_factory=list)


def blocks(page: str) -> list[list[Step]]:
    """The steps of each block, in the page's order."""
    return [_steps(match[1]) for match in _BLOCK.finditer(page)]


def _steps(block: str) -> list[Step]:
    steps: list[Step] = []
    for line in block.splitlines():
        if line.startswith(PROMPT):
            steps.append(Step(line.removeprefix(PROMPT)))
        else:
            steps[-1].output.append(line)
    return steps


def exports(page: str) -> dict[str, str]:
    """The variables that a reader is told to set."""
    return dict(_EXPORT.findall(page))


def masked(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, word in _MASKS:
        line = pattern.sub(word, line)
    return line.strip()


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Does a page still show what was printed?"""
    parts = _parts([masked(line) for line in shown])
    lines = [masked(line) for line in printed]
    if len(parts) == 1:
        return parts[0] == lines
    first, *between, last = parts
    end = len(lines) - len(last)
    if lines[: len(first)] != first or lines[max(end, 0) :] != last:
        return False
    at = len(first)
    for part in between:
        found = [i for i in range(at, end - len(part) + 1) if lines[i : i + len(part)] == part]
        if not found:
            return False
        at = found[0] + len(part)
    return at <= end


def _parts(lines: list[str]) -> list[list[str]]:
    """What stands between lines that are left out."""
    cuts = [-1, *(i for i, line in enumerate(lines) if line == LEFT_OUT), len(lines)]
    return [lines[a + 1 : b] for a, b in pairwise(cuts)]


def renewed(shown: list[str], printed: list[str]) -> list[str]:
    """What a page has to show now, with as many lines before and after what it leaves out as it had."""
    parts = _parts(shown)
    if len(parts) == 1 or len(parts[0]) + len(parts[-1]) >= len(printed):
        return printed
    return [*printed[: len(parts[0])], LEFT_OUT, *printed[len(printed) - len(parts[-1]) :]]


def rewritten(page: str, done: list[list[Step]]) -> str:
    """The page with the outputs of `done`."""
    remaining = iter(done)

    def block(_match: re.Match[str]) -> str:
        lines = [line for step in next(remaining) for line in (PROMPT + step.command, *step.output)]
        return "\n".join(["```console", *lines, "```"])

    return _BLOCK.sub(block, page)
