"""The story's second part: VMs appear, change, move, fall silent and vanish."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network

from services.cli.demo.reading import Reading
from services.cli.demo.stage import Stage, eventually
from services.cli.demo.steps import NotSeen
from services.simulator.inventory.machines import VirtualMachine
from services.simulator.world.addressing import SubnetPlan
from shared.events.guest import GuestAddressesChanged
from shared.events.inventory import VmChanged
from shared.events.nic import NicCreated, NicReleased, NicUpdated

NEWCOMER = "newcomer"


async def tell_life(stage: Stage, reading: Reading) -> None:
    """Tell the second part, on one VM from its first day to its last."""
    plan = home_of(stage)
    spare = spare_addresses(stage, plan, 2)
    vm = await _appears(stage, reading, plan, spare[0])
    await stage.breathe()
    await _gets_another_address(stage, reading, vm, plan, spare)
    await stage.breathe()
    await _moves(stage, reading, vm, spare[1])
    await stage.breathe()
    await _falls_silent(stage, reading, vm, spare[1])
    await stage.breathe()
    await _vanishes(stage, reading, vm, spare[1])


def home_of(stage: Stage) -> SubnetPlan:
    """An IPv4 subnet of a distributed port group with a VLAN of its own."""
    plans = stage.world.natural_subnets()
    return next(plan for plan in plans if plan.vlan is not None and ":" not in plan.prefix)


def spare_addresses(stage: Stage, plan: SubnetPlan, count: int, *, top: int = 2) -> list[str]:
    """Addresses at the upper end of a subnet that no guest has, from the `top`-th last one down."""
    network = ip_network(plan.prefix)
    used = {a.address for vm in stage.world.machines.values() for n in vm.guest.nics for a in n.addresses}
    candidates = (network[-number] for number in range(top, network.num_addresses - 1))
    free = (str(address) for address in candidates if str(address) not in used)
    return [next(free) for _ in range(count)]


def with_prefix(plan: SubnetPlan, address: str) -> tuple[str, int]:
    """An address as the simulator takes it."""
    return str(ip_address(address)), ip_network(plan.prefix).prefixlen


async def _appears(stage: Stage, reading: Reading, plan: SubnetPlan, address: str) -> VirtualMachine:
    vm = stage.world.create_vm(NEWCOMER, networks=[plan.port_group], dhcp=False)
    expected = f"a new VM, and a NIC record with {address} once its Tools report that"
    async with stage.report.step("a VM appears and gets an address", expected=expected) as step:
        await stage.witness.see(VmChanged, lambda e: e.moid == vm.moid, what=f"for {NEWCOMER}")
        stage.world.set_guest_addresses(vm, None, [with_prefix(plan, address)], gateway=plan.gateway)
        event = await stage.witness.see(
            NicCreated, lambda e: e.nic.vm_moid == vm.moid, what=f"for {NEWCOMER}"
        )
        await _recorded(reading, vm, address)
        step.saw(
            f"{event.nic.vm_name}: {event.nic.addresses[0].address} in {event.nic.addresses[0].subnet_name}"
        )
    return vm


async def _gets_another_address(
    stage: Stage, reading: Reading, vm: VirtualMachine, plan: SubnetPlan, spare: list[str]
) -> None:
    expected = f"nic.updated from {spare[0]} to {spare[1]}, and the database says so"
    async with stage.report.step("its address changes", expected=expected) as step:
        stage.world.set_guest_addresses(vm, None, [with_prefix(plan, spare[1])])
        event = await stage.witness.see(
            NicUpdated, lambda e: e.nic.vm_moid == vm.moid and e.nic.addresses[0].address == spare[1]
        )
        await _recorded(reading, vm, spare[1])
        step.saw(f"{event.before.addresses[0].address} → {event.nic.addresses[0].address}")


async def _moves(stage: Stage, reading: Reading, vm: VirtualMachine, address: str) -> None:
    expected = "the new host in the database, the NIC record as it was"
    async with stage.report.step("it moves to another host", expected=expected) as step:
        hosts = vm.host.cluster.hosts.values()
        target = next(host for host in hosts if host is not vm.host)
        stage.world.move_vm(vm, target)
        await stage.witness.see(
            VmChanged, lambda e: e.moid == vm.moid and e.host == target.moid, what=f"on {target.moid}"
        )
        await eventually(
            reading.vms,
            lambda vms: any(row.moid == vm.moid and row.host == target.name for row in vms),
            describe=lambda _: f"not on {target.name} in the database",
        )
        await _recorded(reading, vm, address)
        step.saw(f"on {target.name}, still {address}")


async def _falls_silent(stage: Stage, reading: Reading, vm: VirtualMachine, address: str) -> None:
    expected = f"Tools stop, and {address} stays (absence is not deletion)"
    async with stage.report.step("its Tools fall silent", expected=expected) as step:
        stage.world.drop_tools(vm)
        await stage.witness.see(
            GuestAddressesChanged,
            lambda e: e.moid == vm.moid and e.tools == "not_running",
            what="that says so",
        )
        # Long enough for a mistake to show: the allocator handles such a fact within milliseconds.
        await asyncio.sleep(0.5)
        released = stage.witness.all(NicReleased, lambda e: e.nic.vm_moid == vm.moid)
        if released:
            raise NotSeen(f"the record was released: {released[0].reason}")
        await _recorded(reading, vm, address)
        step.saw(f"silent, and {address} is still recorded")


async def _vanishes(stage: Stage, reading: Reading, vm: VirtualMachine, address: str) -> None:
    expected = f"nic.released, and {address} cooling down in the ledger"
    async with stage.report.step("it vanishes", expected=expected) as step:
        stage.world.remove_vm(vm)
        event = await stage.witness.see(NicReleased, lambda e: e.nic.vm_moid == vm.moid)
        holder = await reading.holder_of(address)
        if holder != "cooling":
            raise NotSeen(f"{address} is held as {holder or 'free'}")
        step.saw(f"released ({event.reason.replace('_', ' ')}), {address} is {holder}")


async def _recorded(reading: Reading, vm: VirtualMachine, address: str) -> None:
    await eventually(
        reading.recorded,
        lambda recorded: {c.address for c in recorded if c.vm == vm.moid} == {address},
        describe=lambda recorded: f"recorded: {sorted(c.address for c in recorded if c.vm == vm.moid)}",
    )
