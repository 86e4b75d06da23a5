"""What the platform has in its database, read for the story's checks and for the screen."""

from __future__ import annotations

from uuid import UUID

from services.allocator import queries, vm_queries
from services.allocator.queries import SubnetRow, VcenterRow, WireRow
from services.allocator.vm_queries import NicRow, UnmatchedRow, VmRow
from services.cli.demo.truth import Claim
from services.placement.queries import find_reservation
from shared.ipam import ledger
from shared.model.identifiers import DEFAULT_SCOPE_NAME, scope_id
from shared.store.pool import Pool


class Reading:
    """Fresh from the database at every call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def vcenter(self, name: str) -> VcenterRow | None:
        """The vCenter of that name, once it was heard of."""
        return next((row for row in await queries.list_vcenters(self._pool) if row.name == name), None)

    async def vms(self) -> list[VmRow]:
        """VMs that exist."""
        return await vm_queries.list_vms(self._pool)

    async def wires(self) -> list[WireRow]:
        """Wires that are not retired."""
        return await queries.list_wires(self._pool)

    async def subnets(self) -> list[SubnetRow]:
        """All subnets."""
        return await queries.list_subnets(self._pool)

    async def nics(self) -> list[NicRow]:
        """All addresses of NIC records."""
        return await vm_queries.list_nics(self._pool)

    async def recorded(self) -> set[Claim]:
        """The same, as claims that can be compared with the vCenter's."""
        return {Claim(row.vm_moid, row.address) for row in await self.nics()}

    async def unmatched(self) -> list[UnmatchedRow]:
        """All addresses without a NIC record."""
        return await vm_queries.list_unmatched(self._pool)

    async def holder_of(self, address: str) -> str | None:
        """How the ledger holds an address of the default scope: "nic", "cooling" …; None when it is free."""
        async with self._pool.acquire() as connection:
            held = await ledger.holders(connection, scope_id(DEFAULT_SCOPE_NAME), [address])
        return held[address].holder.kind if address in held else None

    async def reservation_state(self, reservation: UUID) -> str | None:
        """What became of a reservation."""
        found = await find_reservation(self._pool, str(reservation))
        return found.state if found else None
