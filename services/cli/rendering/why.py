"""Why a VM's addresses have, or lack, a NIC record."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from services.allocator.explaining import WhyAddress, WhyPort, WhyVm
from services.cli.rendering.sentences import port_name
from services.cli.rendering.tables import cell, facts


def render_why(vm: WhyVm) -> RenderableType:
    """The VM, then each of its ports with all that is known of its addresses."""
    return Group(_head(vm), *(part for port in vm.ports for part in _port(port)))


def _head(vm: WhyVm) -> RenderableType:
    tools = vm.tools.replace("_", " ") if vm.tools else "nothing was heard of them"
    return facts(
        vm=Text(vm.name, style="bold"),
        id=vm.id,
        vCenter=f"{vm.vcenter} ({vm.vcenter_state}), {vm.moid}",
        power=vm.power if vm.removed_at is None else f"removed {cell(vm.removed_at)}",
        tools=tools + (f", last word {cell(vm.heard_at)}" if vm.heard_at else ""),
        known_up_to=vm.as_of or "never: its vCenter was not read to the end yet",
    )


def _port(port: WhyPort) -> list[RenderableType]:
    key = f" (device {port.device_key})" if port.device_key is not None else ""
    title = Text.assemble("\n", (port_name(port.label), "bold"), key)
    title.append(f" on wire '{port.wire}'" if port.wire else "")
    title.append(f", {port.mac}" if port.mac else "")
    title.append("" if port.connected or port.device_key is None else ", not connected", style="yellow")
    return [title, Padding(Text(port.summary), (0, 0, 0, 2)), *map(_address, port.addresses)]


def _address(address: WhyAddress) -> RenderableType:
    mark = ("✓ ", "green") if address.recorded else ("✗ ", "red")
    text = Text.assemble(mark, (address.address, "bold"))
    if not address.recorded:
        text.append(f" {address.verdict.replace('_', ' ')}", style="yellow")
    if address.since:
        text.append(f" since {cell(address.since)}", style="bright_black")
    text.append(f": {address.because}")
    return Padding(text, (0, 0, 0, 4))
