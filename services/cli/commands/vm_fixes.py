"""`patchbay vm fix-nics` and `vm unfix-nics`: addresses that operators state for ports."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.asking import operator, order
from services.cli.instance import ended_well, with_platform
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.sentences import port_name
from services.cli.rendering.tables import add, table
from services.cli.requests import faults_of
from services.cli.subnets import port_fix, port_fixes
from shared.events.commands import AllocatorCommand, VmFixNics
from shared.events.vm_nics import VmUnfixNics
from shared.runtime.environment import Platform

Which = Annotated[str, typer.Argument(help="Name, managed object id or id of the VM.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; tell what would come of it.")]


def fix_nics(
    which: Which,
    addresses: Annotated[
        list[str] | None,
        typer.Argument(help="Addresses for the ports in their order, IPv4 and IPv6 each by themselves."),
    ] = None,
    *,
    nic: Annotated[
        list[str] | None,
        typer.Option(
            "--nic",
            help="PORT=ADDRESS[,ADDRESS…] with device key, MAC or label of the port; repeatable. "
            "Ports named like this are left out of the order.",
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """State addresses that Tools can't report; they are never overwritten by what is observed.

    All or nothing. What was stated before for the same ports is replaced.
    """
    with ended_well():
        try:
            fixes = [port_fix(text) for text in addresses or ()]
            fixes += [fix for text in nic or () for fix in port_fixes(text)]
            if not fixes:
                raise Misused(
                    "no address is given",
                    hint=f"write it like: patchbay vm fix-nics {which} 10.0.0.9   or   --nic 4000=10.0.0.9",
                )
            command = VmFixNics.model_validate(
                {"vm": which, "fixes": fixes, "by": operator(), "dry_run": dry_run}
            )
        except ValidationError as error:
            raise Misused(faults_of(error)) from None
        except ValueError as error:
            raise Misused(str(error)) from None
    _ordered(command, as_json=as_json)


def unfix_nics(
    which: Which,
    *,
    nic: Annotated[
        list[str] | None,
        typer.Option("--nic", help="Only this port: device key, MAC or label; repeatable."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take back what was stated for a VM's ports; what Tools report counts again."""
    _ordered(VmUnfixNics(vm=which, ports=tuple(nic or ()), by=operator(), dry_run=dry_run), as_json=as_json)


def _ordered(command: AllocatorCommand, *, as_json: bool) -> None:
    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    present(result, lambda: _render(result), as_json=as_json)


def _render(result: dict[str, Any]) -> RenderableType:
    grid = table("nic", "key", "mac", "wire", "was", "is now", "subnet")
    for port in result["ports"]:
        addresses = [f"{a['address']}/{a['prefix']}" for a in port["addresses"]]
        subnets = sorted({a["subnet_name"] for a in port["addresses"]})
        add(
            grid,
            *(port_name(port["label"]), port["device_key"], port.get("mac"), port.get("wire_name")),
            *(port["before"], addresses or "what Tools report", subnets),
        )
    if result.get("dry_run"):
        said = f"would change VM {result['vm_name']}; nothing was done"
    else:
        said = f"VM {result['vm_name']}, decision {result['decision']}"
    return Group(grid, Text(said, style="yellow" if result.get("dry_run") else ""))
