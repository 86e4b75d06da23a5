"""A day with everything in it: a vCenter that changes, operators, a provisioning system."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.cli.asking import ask, order
from services.cli.demo.stage import eventually
from services.cli.outcome import Refused
from services.cli.provisioning import connect, create_vm
from services.cli.rebuilding.building import Source
from services.cli.serving import SERVICES
from services.cli.settings import Settings
from services.collector import registry
from services.collector.registry import NewVcenter
from services.placement.settings import PlacementSettings
from services.simulator.app import RunningSimulator, simulated_vcenter
from services.simulator.churn import Churn
from services.simulator.settings import SimulatorSettings
from shared.events import commands as cmd
from shared.events.address_commands import AddressBind, AddressRelease, AddressReserve, AddressUnbind
from shared.events.address_sharing import AddressShare, AddressUnshare
from shared.events.placement import NicRequest, VmCreatePlaced, VmCreateRequested
from shared.events.subnet import AddressRange
from shared.events.subnet_commands import SubnetMerge, SubnetMove, SubnetSplit
from shared.events.topology import ALLOCATOR_FACTS
from shared.events.vm_nics import VmUnfixNics
from shared.events.wire_commands import WireRebind, WireSetMapping
from shared.events.wire_decisions import WireMapping
from shared.runtime.environment import Platform, open_platform

PATIENCE = timedelta(seconds=30)
MOST_REBOUND = 2
"""Each takes a subnet's plan from the simulator, and others want some."""
CHANGES = {"address": 4, "move": 2, "create": 3, "remove": 3, "docker": 1, "power": 2, "rename": 1, "nic": 3}


@dataclass
class Day:
    """The installation, its vCenter, and dice."""

    platform: Platform
    simulator: RunningSimulator
    settings: Settings
    dice: random.Random
    made: int = 0
    rebound: int = 0
    done: list[str] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """What a rebuild works on."""
        url = self.platform.database_url
        return Source(url, self.platform.bus, self.settings.allocator, url)

    async def order(self, command: cmd.Command) -> dict[str, Any] | None:
        """Give a command; None where it is refused, as a wrong one should be."""
        with suppress(Refused):
            self.done.append(command.TYPE)
            return await order(self.platform.bus, command, patience=PATIENCE)
        self.done[-1] += " refused"
        return None

    async def make_subnets(self) -> None:
        """A subnet for each port group, but one that comes later."""
        for plan in self.simulator.world.natural_subnets()[1:]:
            await self.order(
                cmd.SubnetCreate(
                    name=f"{plan.name}-{plan.prefix}", prefix=plan.prefix, gateway=plan.gateway,
                    wire=plan.port_group, cooldown_seconds=1800, by="day",
                )
            )  # fmt: skip

    async def change_vcenter(self, steps: int) -> None:
        """Let VMs come, go, move and change their addresses."""
        churn = Churn(self.simulator.world, CHANGES, seed=self.dice.randrange(1000))
        for _ in range(steps):
            self.done.append(churn.step())
            await asyncio.sleep(0.005)

    async def decide(self) -> None:
        """One thing that an operator might do, right or wrong."""
        rows = await self.platform.pool.fetch("SELECT id, name, default_wire FROM ipam.subnet ORDER BY name")
        wires = await self.platform.pool.fetch("SELECT id FROM inventory.wire WHERE NOT uplink ORDER BY id")
        subnet = str(self.dice.choice(rows)["id"])
        match self.dice.randrange(16):
            case 0:
                self.made += 1
                await self.order(
                    cmd.SubnetCreate(
                        name=f"made-{self.made}", prefix=f"172.20.{self.made}.0/24", by="day",
                        wire=str(self.dice.choice(wires)["id"]),
                    )
                )  # fmt: skip
            case 1 | 2:
                policy: Any = self.dice.choice(("pin", "deny", "auto"))
                wire = str(self.dice.choice(wires)["id"])
                await self.order(cmd.SubnetSetWire(subnet=subnet, wire=wire, policy=policy, by="day"))
            case 3:
                await self.order(cmd.SubnetDelete(subnet=subnet, by="day"))
            case 4:
                await self.order(
                    cmd.SubnetUpdate(subnet=subnet, domain=f"d{self.dice.randrange(9)}.example", by="day")
                )
            case 5 | 6:
                await self.fix()
            case 7 | 8:
                await self.address()
            case 14:
                await self.map_wires(self.dice.choice(("switch", "portgroup")))
            case 15:
                await self.rebind()
            case 9 | 10 | 11:
                await self.reshape(subnet, str(self.dice.choice(wires)["id"]))
            case _:
                await self.late_subnet()

    async def fix(self) -> None:
        """State the address of a VM's first port."""
        row = await self.platform.pool.fetchrow(
            """
            SELECT p.vm_id, s.prefix FROM inventory.port p JOIN ipam.subnet s ON s.default_wire = p.wire_id
            WHERE family(s.prefix) = 4 ORDER BY md5(p.id::text || $1) LIMIT 1
            """,
            str(self.dice.random()),
        )
        if row is not None:
            address = str(row["prefix"].network_address + self.dice.randrange(100, 250))
            fixes = (cmd.PortFix(address=address),)
            vm = str(row["vm_id"])
            await self.order(cmd.VmFixNics(vm=vm, fixes=fixes, by="day"))
            if self.dice.random() < 0.3:
                await self.order(VmUnfixNics(vm=vm, by="day"))

    async def address(self) -> None:
        """Reserve a few addresses, used or not, bind one, or take that back."""
        plan = self.dice.choice([p for p in self.simulator.world.natural_subnets() if ":" not in p.prefix])
        first = ip_network(plan.prefix).network_address + self.dice.choice((2, 12, 60, 150))
        ranges = (AddressRange(first=str(first), last=str(first + 3)),)
        mac = await self.platform.pool.fetchval(
            "SELECT mac::text FROM inventory.port WHERE mac IS NOT NULL ORDER BY random() LIMIT 1"
        )
        commands = (
            AddressReserve(ranges=ranges, note="kept", by="day"),
            AddressReserve(ranges=ranges, until=datetime.now(UTC) + timedelta(seconds=1), by="day"),
            AddressRelease(ranges=ranges, by="day"),
            AddressBind(address=str(first), mac=mac, by="day"),
            AddressUnbind(address=str(first), by="day"),
            AddressShare(address=str(first + 8), note="a VIP", by="day"),
            AddressUnshare(address=str(first + 8), by="day"),
        )
        await self.order(self.dice.choice(commands))

    async def reshape(self, subnet: str, wire: str) -> None:
        """Split a subnet, put it together again, or move it."""
        match self.dice.randrange(3):
            case 0:
                await self.order(SubnetMove(subnet=subnet, wire=wire, by="day"))
            case 1:
                made = await self.order(SubnetSplit(subnet=subnet, prefix_length=25, by="day"))
                if made is not None and self.dice.random() < 0.5:
                    await self.change_vcenter(3)
                    await self.merge()
            case _:
                await self.merge()

    async def merge(self) -> None:
        """Put two halves of what was one subnet together, if there are any."""
        row = await self.platform.pool.fetchrow(
            """
            SELECT a.id, b.id AS other FROM ipam.subnet a JOIN ipam.subnet b
                ON a.scope_id = b.scope_id AND masklen(a.prefix) = masklen(b.prefix) AND a.prefix < b.prefix
               AND set_masklen(a.prefix, masklen(a.prefix) - 1) >> b.prefix
            ORDER BY a.id LIMIT 1
            """
        )
        if row is not None:
            await self.order(SubnetMerge(subnet=str(row["id"]), others=(str(row["other"]),), by="day"))

    async def map_wires(self, mapping: WireMapping) -> None:
        """Say what counts as one network."""
        vcenter = await self.platform.pool.fetchval("SELECT id FROM inventory.vcenter")
        await self.order(WireSetMapping(vcenter=vcenter, mapping=mapping, by="day"))

    async def rebind(self) -> None:
        """A port group is made again in place of one that is used, gets some of its VMs, and its subnets."""
        world = self.simulator.world
        plans = [p for p in world.natural_subnets()[1:] if p.vlan is not None]
        if self.rebound == MOST_REBOUND or not plans:
            return
        self.rebound += 1
        plan = self.dice.choice(plans)
        old = world.port_group(plan.port_group)
        cards = [(vm, card.key) for vm in old.vms.values() for card in vm.nics if card.network is old]
        world.remove_portgroup(old)
        new = world.add_portgroup(old.name, plan.vlan or 0, switch=old.switch.moid)
        for vm, key in cards[: len(cards) // 2]:
            world.move_nic(vm, key, new)
        await eventually(partial(self._retired, old.moid, new.moid), bool, within=30)
        await self.order(WireRebind(old=old.moid, new=new.moid, by="day"))

    async def _retired(self, old: str, new: str) -> bool:
        rows = await self.platform.pool.fetch(
            "SELECT moid, retired FROM inventory.wire WHERE moid = ANY ($1::text[])", [old, new]
        )
        return {row["moid"]: row["retired"] for row in rows} == {old: True, new: False}

    async def late_subnet(self) -> None:
        """The subnet that addresses have waited for."""
        plan = self.simulator.world.natural_subnets()[0]
        await self.order(
            cmd.SubnetCreate(
                name="late", prefix=plan.prefix, gateway=plan.gateway, wire=plan.port_group, by="day"
            )
        )

    async def provision(self) -> None:
        """Ask for a VM and make it, or leave it, or take it back."""
        self.made += 1
        subnets = [p for p in self.simulator.world.natural_subnets()[1:] if ":" not in p.prefix]
        plan = self.dice.choice(subnets)
        request = VmCreateRequested(
            request_id=f"r-{self.made}",
            name=f"asked-{self.made}",
            cpus=1,
            memory_mb=self.dice.choice((512, 512, 512, 30_000_000)),
            nics=(NicRequest(subnet=f"{plan.name}-{plan.prefix}"),),
            lease_seconds=self.dice.choice((10, 600)),
        )
        answer = (await ask(self.platform.bus, request, patience=PATIENCE)).data
        self.done.append(answer.TYPE)
        if not isinstance(answer, VmCreatePlaced):
            return
        match self.dice.randrange(4):
            case 0:
                await self.order(cmd.ReservationCancel(reservation=answer.reservation, by="day"))
            case 1:
                until = datetime.now(UTC) + timedelta(seconds=self.dice.choice((11, 700)))
                await self.order(cmd.ReservationExtend(reservation=answer.reservation, until=until, by="day"))
            case _:
                login = self.simulator.settings
                async with connect(self.simulator.url, user=login.user, password=login.password) as vcenter:
                    await create_vm(vcenter, answer)
                self.done.append("made as placed")

    async def live(self, hours: int) -> None:
        """So many rounds of everything."""
        for _ in range(hours):
            await self.change_vcenter(self.dice.randrange(4, 12))
            await self.decide()
            if self.dice.random() < 0.7:
                await self.provision()

    async def quiet(self) -> None:
        """Wait until all that was said is applied."""

        async def waiting() -> int:
            ready = (await self.platform.bus.state(ALLOCATOR_FACTS)).ready
            outbox = await self.platform.pool.fetchval("SELECT count(*) FROM bus.outbox")
            return int(ready + outbox)

        await eventually(waiting, lambda number: number == 0, within=30)


@asynccontextmanager
async def a_day(folder: Path, database: str, amqp: str | None, seed: int) -> AsyncIterator[Day]:
    """All services on these servers, with a small vCenter that was just read."""
    simulated = SimulatorSettings(name="lab", port=0, vms=40, seed=seed, port_groups=5, boot_seconds=0.1)
    settings = Settings(
        database_url=SecretStr(database),
        amqp_url=None if amqp is None else SecretStr(amqp),
        data_dir=folder,
        placement=PlacementSettings(expiry_interval_seconds=1, verify_interval_seconds=1),
    )
    password = folder / "password"
    password.write_text(simulated.password.get_secret_value())
    async with simulated_vcenter(simulated) as simulator, open_platform(settings, name="day") as platform:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for run in SERVICES.values():
                tasks.create_task(run(settings, platform, stop))
            await registry.add(
                platform.pool,
                NewVcenter(
                    name="lab", url=simulator.url, user_ref=f"text:{simulated.user}",
                    password_ref=f"file:{password}",
                ),
            )  # fmt: skip
            try:
                day = Day(platform, simulator, settings, random.Random(seed))  # noqa: S311  to be repeated
                await _is_read(day)
                yield day
            finally:
                stop.set()


async def _is_read(day: Day) -> None:
    async def vms() -> int:
        return int(await day.platform.pool.fetchval("SELECT count(*) FROM inventory.vm WHERE NOT removed"))

    wanted = len(day.simulator.world.machines)
    await eventually(vms, lambda number: number >= wanted, within=60)
