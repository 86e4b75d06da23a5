"""`patchbay`: every noun with its verbs. Errors end with 1 or 2, and say what to do next."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.later import Nouns
from services.cli.version import version

app = typer.Typer(
    name="patchbay",
    cls=Nouns,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="IP management for VMware: wires, subnets, NIC records and placement over a message bus.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"patchbay {version()}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before any noun."""


def main() -> None:
    """Entry point of the `patchbay` program."""
    app()
