"""The story's first part: the vCenter is read, subnets are made, addresses find their NIC records."""

from __future__ import annotations

from collections.abc import Callable

from services.cli.demo import truth
from services.cli.demo.reading import Reading
from services.cli.demo.stage import Stage, eventually
from services.cli.demo.steps import NotSeen
from services.simulator.world.addressing import SubnetPlan
from shared.events.address import AddressMatched, AddressUnmatched
from shared.events.commands import SubnetCreate
from shared.events.inventory import SnapshotCompleted
from shared.events.nic import NicCreated
from shared.events.subnet import SubnetCreated, SubnetWireAttached

BY = "demo"


async def open_story(stage: Stage, reading: Reading) -> None:
    """Tell the first part."""
    await _vcenter_is_read(stage, reading)
    await _wires(stage, reading)
    late, *early = _planned(stage)
    await _subnets(stage, reading, early)
    await stage.breathe()
    await _records(stage, reading, early)
    await stage.breathe()
    await _late_subnet(stage, reading, late)
    await stage.breathe()
    await _additional_wire(stage, reading)


def _planned(stage: Stage) -> list[SubnetPlan]:
    """The natural subnets, one that others wait for first: IPv4, with VMs, lent to nobody."""
    plans = stage.world.natural_subnets()
    lenders = set(stage.world.borrowed.values())
    late = next(
        plan
        for plan in reversed(plans)
        if plan.vlan is not None
        and plan.port_group not in lenders
        and ":" not in plan.prefix
        and len(truth.claims(stage.world, [plan])) >= 2
    )
    return [late, *(plan for plan in plans if plan is not late)]


def name_of(plan: SubnetPlan) -> str:
    """What the demo calls the subnet of a plan."""
    name = plan.name.lower().replace(" ", "-")
    return f"{name}-v6" if ":" in plan.prefix else name


async def _vcenter_is_read(stage: Stage, reading: Reading) -> None:
    expected = f"a complete snapshot, and in the database the vCenter's {len(stage.world.machines)} VMs"
    async with stage.report.step("reads the vCenter", expected=expected) as step:
        done = await stage.witness.see(SnapshotCompleted, within=20)
        truth_ids = set(stage.world.machines)
        rows = await eventually(
            reading.vms,
            lambda vms: {vm.moid for vm in vms} == truth_ids,
            describe=lambda vms: f"{len(vms)} VMs in the database of {len(truth_ids)} in the vCenter",
        )
        if done.counts.get("vm") != len(rows):
            raise NotSeen(f"the snapshot announced {done.counts.get('vm')} VMs, the database has {len(rows)}")
        step.saw(f"snapshot of epoch {done.epoch}, {len(rows)} VMs in the database")


async def _wires(stage: Stage, reading: Reading) -> None:
    expected = "one wire for each port group that VMs can be on, none for uplinks"
    async with stage.report.step("makes wires of port groups", expected=expected) as step:
        real = truth.wires(stage.world)
        rows = await eventually(
            reading.wires,
            lambda wires: {wire.network for wire in wires} == real,
            describe=lambda wires: f"{len(wires)} wires for {len(real)} port groups",
        )
        step.saw(f"{len(rows)} wires")


async def _subnets(stage: Stage, reading: Reading, plans: list[SubnetPlan]) -> None:
    expected = f"{len(plans)} subnets in the database, each announced on the bus"
    async with stage.report.step("creates subnets by command", expected=expected) as step:
        for plan in plans:
            await stage.order(_command(plan))
        wanted = {name_of(plan): plan.prefix for plan in plans}
        rows = await reading.subnets()
        found = {row.facts.name: row.facts.prefix for row in rows}
        if found != wanted:
            raise NotSeen(f"subnets in the database: {found}, ordered: {wanted}")
        for name in wanted:
            await stage.witness.see(SubnetCreated, _called(name), what=f"for {name}")
        step.saw(f"{len(rows)} subnets in the database and on the bus")


def _command(plan: SubnetPlan) -> SubnetCreate:
    return SubnetCreate(
        name=name_of(plan),
        prefix=plan.prefix,
        wire=plan.port_group,
        gateway=plan.gateway,
        dns=() if ":" in plan.prefix else ("192.0.2.53",),
        domain="example",
        vlan=plan.vlan,
        # A demo shows an address come back within its own time.
        cooldown_seconds=60,
        by=BY,
    )


async def _records(stage: Stage, reading: Reading, plans: list[SubnetPlan]) -> None:
    expected = "a NIC record for every address that Tools report inside a subnet of the VM's own wire"
    async with stage.report.step("binds addresses to NIC records", expected=expected) as step:
        wanted = truth.claims(stage.world, plans)
        found = await eventually(
            reading.recorded,
            lambda recorded: wanted <= recorded,
            describe=lambda recorded: f"{len(wanted - recorded)} of {len(wanted)} addresses have no record",
        )
        announced = {
            (event.nic.vm_moid, place.address)
            for event in stage.witness.all(NicCreated)
            for place in event.nic.addresses
        }
        if not announced & wanted:
            raise NotSeen("records are in the database, but no nic.created was heard")
        step.saw(f"{len(wanted)} of {len(wanted)} addresses have their record; {len(found)} in all")


async def _late_subnet(stage: Stage, reading: Reading, plan: SubnetPlan) -> None:
    waiting = truth.claims(stage.world, [plan])
    expected = f"{len(waiting)} addresses wait with a reason, and get their record once the subnet is there"
    async with stage.report.step("a late subnet finds who waited", expected=expected) as step:
        for claim in waiting:
            await stage.witness.see(AddressUnmatched, _waits(claim), what=f"for {claim.address}")
        await stage.order(_command(plan))
        await eventually(
            reading.recorded,
            lambda recorded: waiting <= recorded,
            describe=lambda recorded: f"{len(waiting - recorded)} of {len(waiting)} still wait",
        )
        for claim in waiting:
            await stage.witness.see(AddressMatched, _was_recorded(claim), what=f"for {claim.address}")
        left = {row.address for row in await reading.unmatched()} & {claim.address for claim in waiting}
        if left:
            raise NotSeen(f"still marked as unmatched: {', '.join(sorted(left))}")
        step.saw(f"{len(waiting)} waited without a record, all have one now")


async def _additional_wire(stage: Stage, reading: Reading) -> None:
    expected = "the wire that uses another wire's subnet is attached to it, with the sightings as evidence"
    async with stage.report.step("detects an additional wire", expected=expected) as step:
        borrowers = truth.borrowed(stage.world)
        seen = [await _attached(stage, reading, claims) for claims in borrowers.values()]
        step.saw("; ".join(seen))


async def _attached(stage: Stage, reading: Reading, claims: set[truth.Claim]) -> str:
    """Wait for the wire of these claims to be attached, in the log and the database; what was found."""
    addresses = {claim.address for claim in claims}
    event = await stage.witness.see(SubnetWireAttached, _is_evident_from(addresses))
    roles = [role for row in await reading.subnets() if row.facts.id == event.subnet for role in row.wires]
    if not any(role.wire == event.wire and role.role == "detected" for role in roles):
        raise NotSeen(f"{event.wire_name} was announced, the database does not have it")
    await eventually(
        reading.recorded,
        lambda recorded: claims <= recorded,
        describe=lambda recorded: f"{len(claims - recorded)} addresses on {event.wire_name} have no record",
    )
    return f"{event.wire_name} uses {event.subnet_name}: {len(event.evidence)} sightings"


def _called(name: str) -> Callable[[SubnetCreated], bool]:
    return lambda event: event.subnet.name == name


def _waits(claim: truth.Claim) -> Callable[[AddressUnmatched], bool]:
    return lambda event: event.sighting.address == claim.address


def _was_recorded(claim: truth.Claim) -> Callable[[AddressMatched], bool]:
    return lambda event: event.sighting.address == claim.address and event.outcome == "recorded"


def _is_evident_from(addresses: set[str]) -> Callable[[SubnetWireAttached], bool]:
    return lambda event: any(item.address in addresses for item in event.evidence)
