"""The ledger as a dictionary: what a schedule of operations must come to, without a database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared.ipam.domain import Claim, Holder, Interval, Release, reserved_by, subtract
from shared.model.addresses import IPAddress, IPNetwork, parse_address

LIVE_IN_THE_WAY = ("nic", "reservation", "reserved")


@dataclass
class Row:
    holder: Holder
    subnet: UUID | None
    since: datetime
    until: datetime | None


@dataclass
class Net:
    scope: UUID
    prefix: IPNetwork
    ranges: list[Interval]
    gateway: IPAddress | None
    order: str
    cooldown: timedelta

    def allocatable(self, address: IPAddress) -> bool:
        inside = any(i.version == address.version and i.first <= int(address) <= i.last for i in self.ranges)
        return inside and address != self.gateway


@dataclass
class Model:
    nets: dict[UUID, Net] = field(default_factory=dict)
    rows: dict[tuple[UUID, IPAddress], Row] = field(default_factory=dict)
    said: dict[tuple[UUID, IPAddress], tuple[str | None, datetime]] = field(default_factory=dict)
    """What operators reserved: for which MAC, since when."""

    def subnet_of(self, scope: UUID, address: IPAddress) -> UUID | None:
        return next(
            (
                i
                for i, net in self.nets.items()
                if net.scope == scope and net.prefix.version == address.version and address in net.prefix
            ),
            None,
        )

    def adopt(self) -> None:
        """Give every row the subnet that contains it."""
        for (scope, address), row in self.rows.items():
            row.subnet = self.subnet_of(scope, address)

    def rows_of(self, subnet: UUID) -> dict[IPAddress, Row]:
        return {address: row for (_, address), row in self.rows.items() if row.subnet == subnet}

    def free(self, subnet: UUID) -> list[Interval]:
        net = self.nets[subnet]
        taken: list[IPAddress] = list(self.rows_of(subnet))
        if net.gateway is not None:
            taken.append(net.gateway)
        return subtract(net.ranges, [Interval.between(a, a) for a in taken])

    def free_addresses(self, subnet: UUID, most: int) -> list[IPAddress]:
        """The lowest `most` free addresses; negative: the highest, from the top."""
        found: list[IPAddress] = []
        for interval in self.free(subnet)[:: 1 if most > 0 else -1]:
            wanted = range(min(abs(most) - len(found), interval.size))
            found += [
                interval.address(interval.first + step if most > 0 else interval.last - step)
                for step in wanted
            ]
        return found

    def occupy(self, scope: UUID, claims: Iterable[Claim]) -> list[bool]:
        outcome = []
        for claim in claims:
            address = parse_address(claim.address)
            row = self.rows.get((scope, address))
            granted = row is None or row.holder in (claim.holder, claim.instead_of)
            if row is not None and row.holder.kind == "cooling" and not granted:
                rested = row.until is not None and row.until <= claim.since
                granted = claim.holder.kind != "reservation" or rested
            if granted and (row is None or row.holder != claim.holder):
                subnet = self.subnet_of(scope, address)
                self.rows[scope, address] = Row(claim.holder, subnet, claim.since, claim.until)
            outcome.append(granted)
        return outcome

    def release(self, scope: UUID, releases: Iterable[Release], *, cooldown: bool) -> list[bool]:
        outcome = []
        for release in releases:
            key = (scope, parse_address(release.address))
            row = self.rows.get(key)
            if row is None or row.holder != release.holder:
                outcome.append(False)
                continue
            outcome.append(True)
            if release.holder.kind == "reserved":
                self.said.pop(key, None)
            elif key in self.said:
                holder = reserved_by(scope, release.address)
                self.rows[key] = Row(holder, row.subnet, self.said[key][1], None)
                continue
            net = None if row.subnet is None else self.nets[row.subnet]
            if net is None or not cooldown or (not net.cooldown and net.order != "longest_unused"):
                del self.rows[key]
            else:
                cooling = Holder("cooling", release.holder.id)
                self.rows[key] = Row(cooling, row.subnet, release.at, release.at + net.cooldown)
        return outcome

    def bound(self, subnet: UUID, mac: str) -> list[IPAddress]:
        """Addresses of the subnet that are bound to `mac` and nobody has, in order."""
        scope = self.nets[subnet].scope
        rows = self.rows_of(subnet)
        return sorted(
            (a for a, row in rows.items() if row.holder.kind == "reserved" and self.said[scope, a][0] == mac),
            key=int,
        )

    def rested(self, subnet: UUID, now: datetime) -> list[IPAddress]:
        """Addresses of the subnet that have cooled down, the longest rested first."""
        rows = self.rows_of(subnet)
        found = [
            (row.until, int(address), address)
            for address, row in rows.items()
            if row.holder.kind == "cooling" and row.until is not None and row.until <= now
        ]
        return [address for *_, address in sorted(found)]

    def reclaim(self, subnet: UUID, now: datetime) -> int:
        net = self.nets[subnet]
        rested = self.rested(subnet, now)
        if net.order == "longest_unused":
            rested = [address for address in rested if not net.allocatable(address)]
        for address in rested:
            del self.rows[net.scope, address]
        return len(rested)

    def hand_out(self, subnet: UUID, addresses: Iterable[IPAddress], holder: Holder, at: datetime) -> None:
        scope = self.nets[subnet].scope
        for address in addresses:
            self.rows[scope, address] = Row(holder, subnet, at, None)
