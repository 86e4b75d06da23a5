"""How a command ends: 0 done, 1 the answer is no, 2 asked wrongly or not able to ask.

Standard output carries the answer and nothing else; everything said beside it goes to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console, RenderableType

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]

PIPE_WIDTH = 240
"""Columns where standard output is no terminal: a program that reads tables should not meet wrapped ones."""


class Ended(Exception):
    """A command ends early with `exit_code`; `hint` is the next step, `data` the answer for `--json`."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, data: object = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.data = data


class Refused(Ended):
    """The question was understood and the answer is no, or nothing is there."""

    exit_code = 1


class Misused(Ended):
    """The question cannot be asked like this, or there is nobody to ask."""

    exit_code = 2


def people() -> Console:
    """The console for the answer."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal and console.width == 80:
        console.width = PIPE_WIDTH
    return console


def aside() -> Console:
    """The console for everything that is not the answer."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """One line to standard error."""
    aside().print(message, markup=False)


def print_json(data: object, *, indent: int | None = 2) -> None:
    """`data` as JSON on standard output; models, ids, times and addresses in their text form."""
    sys.stdout.write(json.dumps(to_jsonable_python(data), indent=indent) + "\n")
    sys.stdout.flush()


def present(data: object, render: Callable[[], RenderableType], *, as_json: bool) -> None:
    """The answer, as JSON or as `render()` draws it."""
    if as_json:
        print_json(data)
    else:
        people().print(render())


def end(ended: Ended, *, as_json: bool = False) -> typer.Exit:
    """Say why the command ends, and the exit to raise."""
    if as_json and ended.data is not None:
        print_json(ended.data)
    console = aside()
    console.print(str(ended), markup=False, style="bold red" if console.is_terminal else None)
    if ended.hint:
        console.print(ended.hint, markup=False)
    return typer.Exit(ended.exit_code)


def leave_pipe_quietly() -> None:
    """Whoever read us has gone (`| head`): drop what is left unsaid, so that the exit is quiet."""
    with suppress(OSError):
        sys.stdout.close()
