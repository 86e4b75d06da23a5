"""`patchbay …`: noun, then verb."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.commands import (
    address,
    address_sharing,
    audit,
    bulk,
    config,
    conflict,
    contract,
    db,
    dead_letters,
    demo,
    events,
    nic,
    place,
    placement,
    rebuild,
    reservation,
    run,
    snapshot,
    status,
    subnet,
    trace,
    vcenter,
    vm,
    who_had,
    wire,
)
from services.cli.outcome import version

app = typer.Typer(
    name="patchbay",
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


app.command()(demo.demo)
app.command()(run.run)
app.command()(status.status)
app.add_typer(vcenter.app, name="vcenter")
app.add_typer(wire.app, name="wire")
app.add_typer(subnet.app, name="subnet")
app.add_typer(address.app, name="address")
for sharing in (address_sharing.share, address_sharing.unshare, address_sharing.shared):
    address.app.command()(sharing)
app.add_typer(conflict.app, name="conflict")
app.command("export")(bulk.export)
app.command("import")(bulk.import_)
app.add_typer(vm.app, name="vm")
app.add_typer(nic.app, name="nic")
app.command("who-had")(who_had.who_had)
app.command()(place.place)
app.add_typer(placement.app, name="placement")
app.add_typer(reservation.app, name="reservation")
events.app.command()(trace.trace)
app.add_typer(events.app, name="events")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(audit.app, name="audit")
app.command()(rebuild.rebuild)
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(contract.app, name="contract")
app.add_typer(db.app, name="db")
app.command()(config.config)


def main() -> None:
    """Entry point of the `patchbay` program."""
    app()
