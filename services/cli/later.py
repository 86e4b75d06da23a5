"""Nouns and verbs of the command line that are imported when they are typed.

In: `listing.json`, the names and first paragraphs that help shows, and where each noun's module is. Out:
commands that are known without their modules: help and completion are quick, and a command loads what it
needs and no more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.resources import files
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

PLACES = {
    "demo": "demo:demo",
    "run": "run:run",
    "status": "status:status",
    "vcenter": "vcenter:app",
    "wire": "wire:app",
    "subnet": "subnet:app",
    "address": "address:app",
    "conflict": "conflict:app",
    "export": "bulk:export",
    "import": "bulk:import_",
    "vm": "vm:app",
    "nic": "nic:app",
    "who-had": "who_had:who_had",
    "place": "place:place",
    "placement": "placement:app",
    "reservation": "reservation:app",
    "events": "events:app",
    "dead-letters": "dead_letters:app",
    "audit": "audit:app",
    "rebuild": "rebuild:rebuild",
    "snapshot": "snapshot:app",
    "contract": "contract:app",
    "db": "db:app",
    "config": "config:config",
}
"""Module below `services.cli.commands`, and what of it is the noun (a Typer) or the verb (a function)."""

LISTING = "listing.json"


class Later(TyperCommand):
    """Stands in a listing for the command that `load` imports."""

    def __init__(self, name: str, text: str, load: Callable[[], Any]) -> None:
        super().__init__(name, help=text)
        self.load = load


class Listed(TyperGroup):
    """A group that lists commands without their modules, and becomes the real one where it is typed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first word means, loaded. Raises the library's usage errors."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, real(command), rest


class Nouns(Listed):
    """All that stands behind `patchbay`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        listed = json.loads(files(__package__).joinpath(LISTING).read_text(encoding="utf-8"))
        self.commands = {name: self._entry(name, listed[name]) for name in PLACES if name in listed}

    def _entry(self, name: str, listed: Mapping[str, Any]) -> Any:
        if "commands" not in listed:
            return Later(name, listed["help"], lambda: loaded(name))
        verbs: dict[str, Any] = {verb: _verb(name, verb, text) for verb, text in listed["commands"].items()}
        return Listed(
            name=name,
            help=listed["help"],
            commands=verbs,
            no_args_is_help=True,
            rich_markup_mode=self.rich_markup_mode,
            suggest_commands=self.suggest_commands,
        )


def real(command: Any) -> Any:
    """The command itself, if `command` only stands for it."""
    return command.load() if isinstance(command, Later) else command


def loaded(name: str) -> Any:
    """The noun or verb of that name with all that belongs to it, imported."""
    module, _, attribute = PLACES[name].partition(":")
    found = getattr(import_module(f"services.cli.commands.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        found = alone
    return typer.main.get_command(found)


def listing() -> dict[str, Any]:
    """What the modules make of `listing.json`: imports them all."""
    return {name: _listed(loaded(name)) for name in PLACES}


def _verb(noun: str, name: str, text: str) -> Later:
    return Later(name, text, lambda: loaded(noun).commands[name])


def _listed(command: Any) -> dict[str, Any]:
    first = " ".join((command.help or "").split("\n\n")[0].split())
    if not isinstance(command, TyperGroup):
        return {"help": first}
    return {"help": first, "commands": {name: _listed(one)["help"] for name, one in command.commands.items()}}
