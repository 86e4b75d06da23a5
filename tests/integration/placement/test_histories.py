"""Random histories: whatever happens in whatever order, the books of hosts and addresses agree."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from services.placement.settings import PlacementSettings
from shared.events.commands import ReservationCancel, ReservationExtend
from shared.events.inventory import VmChanged, VmPort
from shared.events.placement import NicRequest, VmCreatePlaced
from shared.store.pool import Pool
from tests.integration.placement.conftest import Placement, request
from tests.integration.placement.inventory import Inventory

pytestmark = pytest.mark.postgres

HOST_MB = 16 * 1024
STEPS = 60


class History:
    """Things that happen to placement, chosen by dice; two placements share the work."""

    def __init__(self, pool: Pool, inventory: Inventory, seed: int) -> None:
        self.pool = pool
        self.inventory = inventory
        self.dice = Random(seed)  # noqa: S311  a test's order of events
        self.placements = [Placement(pool, PlacementSettings()) for _ in range(2)]
        self.answers: list[VmCreatePlaced] = []
        self.vms: dict[str, VmChanged] = {}
        self.hosts_just_used: set[str] = set()

    @property
    def placement(self) -> Placement:
        return self.dice.choice(self.placements)

    async def step(self) -> str:
        what = self.dice.choice(
            ["ask", "ask", "ask", "see", "see", "show", "remove", "cancel", "extend", "wait"]
        )
        self.hosts_just_used = set()
        await getattr(self, what)()
        return what

    async def ask(self) -> None:
        nics = [NicRequest()] * self.dice.randint(1, 2)
        asks = [request(*nics, memory_mb=3072, lease_seconds=60) for _ in range(self.dice.randint(1, 3))]
        replies = await self.placement.ask(*asks, self.dice.choice(asks))
        placed = {reply.request_id: reply for reply in replies if isinstance(reply, VmCreatePlaced)}
        self.hosts_just_used = {reply.host for reply in placed.values()}
        self.answers += placed.values()

    async def see(self) -> None:
        """The VM of an answer appears, early, late or again; placement hears of it first."""
        if self.answers:
            answer = self.dice.choice(self.answers)
            moid = f"vm-{answer.request_id[:8]}"
            ports = [self._port(nic.index, nic.mac) for nic in answer.nics]
            self.vms[moid] = self.inventory.vm_fact(
                moid,
                *ports,
                host=answer.host,
                memory_mb=3072,
                reservation=answer.reservation,
                name=answer.name,
            )
            await self.placement.show(self.vms[moid])

    def _port(self, index: int, mac: str | None) -> VmPort:
        return VmPort(
            key=4000 + index,
            label=f"NIC {index}",
            adapter="vmxnet3",
            mac=mac,
            network="dvportgroup-1",
            connected=True,
        )

    async def show(self) -> None:
        """The allocator catches up with what was confirmed."""
        confirmed = await self.pool.fetch(
            "SELECT vm_moid FROM placement.reservation WHERE state = 'confirmed'"
        )
        for row in confirmed:
            await self.inventory.show(self.vms[row["vm_moid"]])

    async def remove(self) -> None:
        shown = await self.pool.fetch("SELECT moid FROM inventory.vm WHERE NOT removed ORDER BY moid")
        if shown:
            await self.inventory.show(self.vms[self.dice.choice(shown)["moid"]], removed=True)

    async def cancel(self) -> None:
        if self.answers:
            await self.placement.ask(
                ReservationCancel(reservation=self.dice.choice(self.answers).reservation)
            )

    async def extend(self) -> None:
        if self.answers:
            placement = self.placement
            answer = self.dice.choice(self.answers)
            until = max(answer.expires_at, placement.now.replace(microsecond=1))
            await placement.ask(ReservationExtend(reservation=answer.reservation, until=until))

    async def wait(self) -> None:
        for placement in self.placements:
            placement.pass_time(25)
        await self.inventory.vcenter(current_to=self.placements[0].now)
        await self.placement.expire()

    async def check(self) -> None:
        await self._addresses_agree()
        await self._nothing_was_placed_on_a_full_host()

    async def _addresses_agree(self) -> None:
        """G1, G7: what reservations hold is in the ledger under their ids, and nothing else is."""
        rows = await self.pool.fetch(
            "SELECT id, nics FROM placement.reservation WHERE state IN ('held', 'confirmed')"
        )
        expected = {
            (placed["address"], row["id"])
            for row in rows
            for nic in row["nics"]
            for placed in nic["addresses"]
        }
        ledger = await self.pool.fetch(
            "SELECT host(address) AS address, holder_id FROM ipam.address WHERE holder_kind = 'reservation'"
        )
        assert {(row["address"], row["holder_id"]) for row in ledger} == expected

    async def _nothing_was_placed_on_a_full_host(self) -> None:
        """A VM that comes after its reservation expired may fill a host beyond; no placement ever does."""
        used: Counter[str] = Counter()
        for row in await self.pool.fetch(
            """
            SELECT host, memory_mb FROM inventory.vm WHERE NOT removed
            UNION ALL SELECT host, memory_mb FROM placement.claim
            """
        ):
            used[row["host"]] += row["memory_mb"]
        assert all(used[host] <= HOST_MB for host in self.hosts_just_used), used


@pytest.mark.parametrize("seed", range(6))
async def test_books_agree_after_every_step(pool: Pool, inventory: Inventory, seed: int) -> None:
    for number in (1, 2):
        await inventory.host(number, memory_mb=HOST_MB)
    await inventory.subnet(1, await inventory.portgroup(1, [1, 2]), prefix="10.0.1.0/28", cooldown_seconds=40)
    history = History(pool, inventory, seed)
    happened: list[str] = []
    for _ in range(STEPS):
        happened.append(await history.step())
        try:
            await history.check()
        except AssertionError as error:
            raise AssertionError(f"after {', '.join(happened)}: {error}") from error
    states = {row["state"] for row in await pool.fetch("SELECT DISTINCT state FROM placement.reservation")}
    assert len(states) >= 3, states
