"""`patchbay demo`: see it at work, or verify that it works."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.instance import ended_well
from services.cli.settings import load


def demo(
    check: Annotated[
        bool, typer.Option("--check", help="No screen: verify each step, print a JSON summary.")
    ] = False,
    vms: Annotated[int, typer.Option(help="VMs in the simulated vCenter.", min=40, max=5000)] = 80,
    seed: Annotated[int, typer.Option(help="Decides the simulated inventory.", min=0)] = 1,
) -> None:
    """Run everything against a simulated vCenter. Ctrl-C ends it; the next demo begins anew."""
    from services.cli.demo.running import check_demo, show_demo  # noqa: PLC0415  imports every service

    with ended_well():
        settings = load()
        code = check_demo(settings, vms=vms, seed=seed) if check else show_demo(settings, vms=vms, seed=seed)
    raise typer.Exit(code)
