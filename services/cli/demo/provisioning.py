"""The story's third part: a provisioning system asks, creates VMs as answered, and is refused once."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from services.cli.demo.life import home_of
from services.cli.demo.opening import name_of
from services.cli.demo.picture import PlacementLine
from services.cli.demo.reading import Reading
from services.cli.demo.stage import Stage, eventually
from services.cli.demo.steps import NotSeen, Step
from services.cli.provisioning import connect, create_vm
from shared.events.guest import GuestAddressesChanged
from shared.events.nic import NicCreated
from shared.events.placement import (
    NicRequest,
    VmCreateConfirmed,
    VmCreatePlaced,
    VmCreateRefused,
    VmCreateRequested,
)

MUCH_TOO_MUCH_MB = 30_000_000


async def tell_provisioning(stage: Stage, reading: Reading, count: int) -> None:
    """Tell the third part: `count` VMs that find a place, one that does not."""
    for number in range(1, count + 1):
        await provision(stage, reading, f"shop-{number}")
        await stage.breathe()
    await _refusal(stage)


async def provision(stage: Stage, reading: Reading, name: str) -> None:
    """One VM from request to NIC record."""
    line = PlacementLine(name, "asked")
    stage.placements.append(line)
    expected = "an answer, the VM made exactly so, the reservation confirmed, and a NIC record out of it"
    async with stage.report.step(f"creates {name} as answered", expected=expected) as step:
        try:
            await _provision(stage, reading, name, line, step)
        except BaseException as error:
            line.reason = str(error)
            raise


async def _provision(stage: Stage, reading: Reading, name: str, line: PlacementLine, step: Step) -> None:
    placed = await stage.ask(_request(stage, name))
    if isinstance(placed, VmCreateRefused):
        line.stage = "refused"
        raise NotSeen(f"refused: {placed.reason}")
    if not isinstance(placed, VmCreatePlaced):
        raise NotSeen(f"answered with {placed.TYPE}")
    address = placed.nics[0].addresses[0].address
    line.stage, line.host, line.addresses = "placed", placed.host_name, (address,)
    await stage.breathe()
    line.stage = "creating"
    moid = await _create(stage, placed)
    line.stage = "booting"
    confirmed = await stage.witness.see(
        VmCreateConfirmed, lambda e: e.reservation == placed.reservation, what=f"for {name}"
    )
    line.stage = "confirmed"
    event = await stage.witness.see(NicCreated, lambda e: e.nic.vm_moid == moid, what=f"for {name}")
    await _as_answered(stage, reading, placed, moid)
    line.stage = "recorded"
    step.saw(
        f"{moid} on {placed.host_name}, {event.nic.addresses[0].address}, "
        f"recognised by {confirmed.recognised_by}"
    )


def _request(stage: Stage, name: str) -> VmCreateRequested:
    return VmCreateRequested(
        request_id=f"demo-{name}-{uuid4()}",
        name=name,
        cpus=2,
        memory_mb=2048,
        nics=(NicRequest(subnet=name_of(home_of(stage))),),
        lease_seconds=120,
    )


async def _create(stage: Stage, placed: VmCreatePlaced) -> str:
    simulator = stage.simulator
    login = simulator.settings
    async with connect(simulator.url, user=login.user, password=login.password) as vcenter:
        return await create_vm(vcenter, placed)


async def _as_answered(stage: Stage, reading: Reading, placed: VmCreatePlaced, moid: str) -> None:
    """Compare what the platform read of the new VM with the answer it had given. Raises `NotSeen`."""
    nic = placed.nics[0]
    wanted = {place.address for place in nic.addresses}
    await eventually(
        reading.recorded,
        lambda recorded: {c.address for c in recorded if c.vm == moid} == wanted,
        describe=lambda recorded: f"recorded: {sorted(c.address for c in recorded if c.vm == moid)}",
    )
    await stage.witness.see(GuestAddressesChanged, _reports(moid, wanted), what=f"with {sorted(wanted)}")
    vm = next(row for row in await reading.vms() if row.moid == moid)
    if vm.host != placed.host_name:
        raise NotSeen(f"the VM is on {vm.host}, the answer was {placed.host_name}")
    record = next(row for row in await reading.nics() if row.vm_moid == moid)
    if record.wire != nic.wire.id:
        raise NotSeen(f"the NIC is on {record.wire_name}, the answer was {nic.wire.name}")
    if record.source != "reservation":
        raise NotSeen(f"the record does not come from the reservation but from {record.source}")
    state = await reading.reservation_state(placed.reservation)
    if state != "confirmed":
        raise NotSeen(f"the reservation is {state}")


def _reports(moid: str, wanted: set[str]) -> Callable[[GuestAddressesChanged], bool]:
    return lambda event: (
        event.moid == moid
        and wanted <= {address.address for port in event.ports for address in port.addresses}
    )


async def _refusal(stage: Stage) -> None:
    expected = "a refusal that names the rule and the values"
    async with stage.report.step("refuses what fits nowhere", expected=expected) as step:
        request = _request(stage, "too-big").model_copy(update={"memory_mb": MUCH_TOO_MUCH_MB})
        line = PlacementLine("too-big", "asked")
        stage.placements.append(line)
        answer = await stage.ask(request)
        if not isinstance(answer, VmCreateRefused):
            raise NotSeen(f"answered with {answer.TYPE}")
        line.stage, line.reason = "refused", answer.reason
        if not any(ruling.rule == "memory" and not ruling.passed for ruling in answer.rulings):
            raise NotSeen(f"no ruling names the memory: {[ruling.rule for ruling in answer.rulings]}")
        await stage.witness.see(VmCreateRefused, lambda e: e.request_id == request.request_id)
        step.saw(answer.reason)
