"""The story's last part: how long a change in the vCenter takes to become a NIC event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from services.cli.demo.life import home_of, spare_addresses, with_prefix
from services.cli.demo.stage import Stage
from services.cli.demo.steps import NotSeen
from services.cli.rendering.bars import milliseconds
from services.simulator.inventory.machines import VirtualMachine

CHANGES = 80
PACE_SECONDS = 0.04


async def measure(stage: Stage, changes: int = CHANGES) -> None:
    """Change addresses at an even pace and wait for each one's event."""
    expected = f"{changes} address changes, each heard as a NIC event"
    async with stage.report.step("measures change to NIC event", expected=expected) as step:
        before = len(stage.witness.latency.seconds)
        await _change(stage, changes)
        await _heard(stage, lambda: not stage.witness.latency.waiting)
        book = stage.witness.latency
        arrived = len(book.seconds) - before
        if arrived != changes:
            raise NotSeen(f"{arrived} of {changes} changes were heard")
        step.saw(f"p50 {milliseconds(book.quantile(0.5))}, p99 {milliseconds(book.quantile(0.99))}")


async def _change(stage: Stage, changes: int) -> None:
    plan = home_of(stage)
    machines = _settled(stage, plan.port_group)
    # Below what the story's own VM used, so that no address is asked for that is still cooling down.
    addresses = spare_addresses(stage, plan, changes, top=10)
    waiting = stage.witness.latency.waiting
    for number, address in enumerate(addresses):
        vm = machines[number % len(machines)]
        # Facts carry full state: of two changes of one VM in a row only the second need ever be seen.
        await _heard(stage, _nothing_waits_for(vm, waiting))
        stage.witness.latency.changed(vm.moid, address, time.monotonic())
        stage.world.set_guest_addresses(vm, vm.nics[0].key, [with_prefix(plan, address)])
        await asyncio.sleep(PACE_SECONDS)


def _settled(stage: Stage, network: str) -> list[VirtualMachine]:
    """VMs whose first card is on `network` and whose Tools report."""
    found = [
        vm
        for vm in stage.world.machines.values()
        if vm.nics
        and vm.nics[0].network.moid == network
        and vm.guest.tools_running
        and not vm.template
        # A VM that was placed has an answered address: to change it would be drift.
        and "patchbay-reservation" not in vm.annotation
    ]
    if not found:
        raise NotSeen(f"no VM with Tools on {network}")
    return found


def _nothing_waits_for(vm: VirtualMachine, waiting: Mapping[tuple[str, str], float]) -> Callable[[], bool]:
    return lambda: not any(moid == vm.moid for moid, _ in waiting)


async def _heard(stage: Stage, holds: Callable[[], bool], within: float = 10.0) -> None:
    with suppress(TimeoutError):
        await stage.witness.until(holds, within=within)
