"""Types commands to the program's own parser: what is wrong with the words after `patchbay`?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from enum import Enum
from itertools import product
from typing import Any, Literal, get_args, get_origin

import typer

from services.cli.later import real
from services.cli.main import app

COMMANDS: Any = typer.main.get_command(app)
FILLED_IN = "FILLED-IN"
"""Stands for what a program fills in; fits wherever a value is asked for."""


def problems(text: str, *, whole: bool) -> list[str]:
    """What is wrong with the words after `patchbay`.

    `whole`: to be typed as it stands. Otherwise it is only spoken of: arguments may be missing, and `a|b`
    stands for either. After `…` anything may follow in both.
    """
    words = shlex.split(text, posix=True)
    if whole:
        return list(_wrong(words, whole=True))
    either = product(*(word.split("|") if re.fullmatch(r"[-\w|]+", word) else [word] for word in words))
    return [wrong for version in either for wrong in _wrong(list(version), whole=False)]


def _wrong(words: list[str], *, whole: bool) -> Iterator[str]:
    command = COMMANDS
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] in ("…", FILLED_IN):
            return
        if words[0] not in command.commands:
            yield f"there is no command {words[0]!r}"
            return
        command = real(command.commands[words.pop(0)])
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
    rest = [word for word in rest if word != FILLED_IN]  # of what is filled in there may be several
    if rest and not hasattr(command, "commands"):
        yield f"{command.name} takes no {rest[0]!r}"
    for parameter in command.get_params(context):
        value = values.get(parameter.name)
        if parameter.required and value in (None, (), []):
            yield f"{command.name} needs {parameter.name}"
        several = value if isinstance(value, list | tuple) else [value]
        if value is not None and (choices := _choices(parameter)):
            strange = [one for one in several if one not in (*choices, FILLED_IN)]
            yield from (f"{one!r} is none of {', '.join(choices)}" for one in strange)


def _choices(parameter: Any) -> list[str]:
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return [str(choice) for choice in get_args(kind)] if get_origin(kind) is Literal else []
