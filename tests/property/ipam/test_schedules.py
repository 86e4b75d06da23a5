"""Any schedule of operations leaves PostgreSQL and a plain dictionary in the same state.

G1, G5 and G7 in one: the rows are those of the model, and the free intervals are exactly the ranges without
the gateway and without the rows, maximal and disjoint.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.events.subnet import AddressRange, AllocationOrder, SubnetFacts
from shared.ipam.connection import Connection
from shared.ipam.domain import Claim, Holder, Interval, Release, default_ranges, merge
from shared.ipam.domain.claims import HolderKind
from shared.ipam.domain.reshaping import Senseless, part, parts_of_length, union
from shared.ipam.errors import LedgerRefusal
from shared.ipam.ledger import allocate, occupy, reclaim, release
from shared.ipam.reserving import reserve, reserved_by, unreserve
from shared.ipam.reshaping import reshape
from shared.ipam.subnets import create_subnet, delete_subnet, ensure_scope, get, update_subnet
from shared.model.addresses import IPAddress, parse_address, parse_prefix
from shared.model.identifiers import derive, scope_id, subnet_id
from tests.property.ipam.model import LIVE_IN_THE_WAY, Model, Net

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]

Result = TypeVar("Result")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCOPES = ("default", "lab")
PREFIXES = (
    "10.0.0.0/28",
    "10.0.0.16/29",
    "10.0.0.0/27",
    "10.0.0.30/31",
    "255.255.255.254/31",
    "0.0.0.0/29",
    "2001:db8::/124",
    "2001:db8::10/127",
    "2001:db8::12/128",
    "2001:db8:0:1::/64",
)
ADDRESSES = (
    *(f"10.0.0.{n}" for n in range(34)),
    *(f"0.0.0.{n}" for n in range(8)),
    "255.255.255.254",
    "255.255.255.255",
    *(f"2001:db8::{n:x}" for n in range(20)),
    *(f"2001:db8:0:1::{n:x}" for n in range(5)),
    "2001:db8:0:1:ffff:ffff:ffff:ffff",
)
KINDS: tuple[HolderKind, ...] = ("nic", "sighting", "reservation")
MACS = ("00:50:56:00:00:01", "00:50:56:00:00:02")
HOLDERS = tuple(Holder(kind, derive(kind, n)) for kind in KINDS for n in range(3))

scopes = st.sampled_from(SCOPES)
spots = st.tuples(st.integers(0, 7), st.integers(0, 16))
"""A subnet of the scope and an offset in it, or any address; see `Schedules._address`."""
holders = st.sampled_from(HOLDERS)
orders = st.sampled_from(["lowest", "highest", "random", "longest_unused"])
cooldowns = st.sampled_from([0, 60, 600])
spans = st.tuples(st.integers(0, 15), st.integers(0, 15))


class Schedules(RuleBasedStateMachine):
    """One example is one transaction, rolled back at its end."""

    runner: ClassVar[asyncio.Runner]
    conn: ClassVar[Connection]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now = NOON
        self.transaction = self.conn.transaction()
        self._do(self.transaction.start())
        for name in SCOPES:
            self._do(ensure_scope(self.conn, name))

    def teardown(self) -> None:
        self._do(self.transaction.rollback())

    def _do(self, work: Awaitable[Result]) -> Result:
        async def run() -> Result:
            return await work

        return self.runner.run(run())

    def _try(self, work: Awaitable[Result]) -> tuple[Result | None, str | None]:
        """The result, or the code of the ledger's refusal."""
        try:
            return self._do(work), None
        except LedgerRefusal as refusal:
            return None, refusal.code

    def _address(self, scope: UUID, spot: tuple[int, int]) -> str:
        """Mostly an address of a subnet: any of the first 16, the last or the gateway."""
        subnet, offset = spot
        nets = [net for _, net in sorted(self.model.nets.items()) if net.scope == scope]
        if not nets or subnet == 0:
            return ADDRESSES[(subnet * 17 + offset) % len(ADDRESSES)]
        net = nets[subnet % len(nets)]
        if offset == 16 and net.gateway is not None:
            return str(net.gateway)
        size = net.prefix.num_addresses
        return str(net.prefix[-1 if offset == 15 else offset % size])

    def _one_of(self, pick: int) -> UUID:
        return sorted(self.model.nets)[pick % len(self.model.nets)]

    @rule(
        scope=scopes,
        prefix=st.sampled_from(PREFIXES),
        gateway=st.none() | st.integers(0, 15),
        stated=st.lists(spans, max_size=3),
        order=orders,
        cooldown=cooldowns,
    )
    def create(
        self,
        scope: str,
        prefix: str,
        gateway: int | None,
        stated: list[tuple[int, int]],
        order: AllocationOrder,
        cooldown: int,
    ) -> None:
        network = parse_prefix(prefix)
        via = self._gateway(prefix, gateway)
        ranges = self._ranges(prefix, stated)
        draft = SubnetFacts(
            id=subnet_id(scope_id(scope), prefix, prefix),
            scope=scope,
            name=prefix,
            prefix=prefix,
            ranges=tuple(
                AddressRange(first=str(i.addresses()[0]), last=str(i.addresses()[1])) for i in ranges
            ),
            gateway=None if via is None else str(via),
            default_wire=derive("wire", 1),
            allocation_order=order,
            cooldown_seconds=cooldown,
        )
        rival = any(
            net.scope == scope_id(scope)
            and net.prefix.version == network.version
            and net.prefix.overlaps(network)
            for net in self.model.nets.values()
        )
        _, refusal = self._try(create_subnet(self.conn, draft, self.now))
        if not ranges and not default_ranges(network, via):
            assert refusal == "nothing_allocatable"
            return
        assert refusal in ({"subnet_overlaps", "name_taken"} if rival else {None})
        if rival:
            return
        self.model.nets[draft.id] = Net(
            scope_id(scope),
            network,
            ranges or default_ranges(network, via),
            via,
            order,
            timedelta(seconds=cooldown),
        )
        self.model.adopt()

    def _gateway(self, prefix: str, offset: int | None) -> IPAddress | None:
        """A gateway that is sound for the prefix: one of the addresses that a guest could have."""
        candidates = default_ranges(parse_prefix(prefix), None)[0]
        if offset is None:
            return None
        return candidates.address(candidates.first + offset % candidates.size)

    def _ranges(self, prefix: str, stated: list[tuple[int, int]]) -> list[Interval]:
        """Sound ranges from arbitrary pairs: inside the prefix, in order, merged where they would overlap."""
        whole = default_ranges(parse_prefix(prefix), None)[0]
        pairs = (sorted((one % whole.size, other % whole.size)) for one, other in stated)
        return merge(Interval(whole.version, whole.first + a, whole.first + b) for a, b in pairs)

    @precondition(lambda self: self.model.nets)
    @rule(
        pick=st.integers(0, 9),
        gateway=st.none() | st.integers(0, 15),
        stated=st.lists(spans, min_size=1, max_size=3),
        order=orders,
        cooldown=cooldowns,
    )
    def update(
        self,
        pick: int,
        gateway: int | None,
        stated: list[tuple[int, int]],
        order: AllocationOrder,
        cooldown: int,
    ) -> None:
        subnet = self._one_of(pick)
        net = self.model.nets[subnet]
        net.gateway = self._gateway(str(net.prefix), gateway)
        net.ranges = self._ranges(str(net.prefix), stated)
        net.order, net.cooldown = order, timedelta(seconds=cooldown)
        changes = {
            "gateway": None if net.gateway is None else str(net.gateway),
            "ranges": tuple(
                AddressRange(first=str(i.addresses()[0]), last=str(i.addresses()[1])) for i in net.ranges
            ),
            "allocation_order": order,
            "cooldown_seconds": cooldown,
        }
        self._do(update_subnet(self.conn, subnet, changes, self.now))

    @precondition(lambda self: self.model.nets)
    @rule(pick=st.integers(0, 9))
    def delete(self, pick: int) -> None:
        subnet = self._one_of(pick)
        rows = self.model.rows_of(subnet)
        in_use = any(row.holder.kind in LIVE_IN_THE_WAY for row in rows.values())
        _, refusal = self._try(delete_subnet(self.conn, subnet))
        assert refusal == ("subnet_in_use" if in_use else None)
        if in_use:
            return
        scope = self.model.nets.pop(subnet).scope
        for address, row in rows.items():
            if row.holder.kind == "cooling":
                del self.model.rows[scope, address]
        self.model.adopt()

    @rule(
        scope=scopes,
        wishes=st.lists(st.tuples(spots, holders, st.none() | holders), min_size=1, max_size=8),
    )
    def occupy(self, scope: str, wishes: list[tuple[tuple[int, int], Holder, Holder | None]]) -> None:
        space = scope_id(scope)
        claims = [
            Claim(self._address(space, spot), holder, self.now, instead_of=old)
            for spot, holder, old in wishes
        ]
        outcome = self._do(occupy(self.conn, scope_id(scope), claims))
        expected = self.model.occupy(scope_id(scope), claims)
        assert outcome.granted == [c for c, granted in zip(claims, expected, strict=True) if granted]
        assert [c for c, _ in outcome.refused] == [
            c for c, granted in zip(claims, expected, strict=True) if not granted
        ]

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), cooldown=st.booleans())
    def release(self, data: st.DataObject, cooldown: bool) -> None:
        held = sorted(self.model.rows, key=str)
        picked = data.draw(st.lists(st.sampled_from(held), min_size=1, max_size=8), label="released")
        scope = picked[0][0]
        releases = [
            Release(str(key[1]), self.model.rows[key].holder, self.now)
            for key in picked
            if key[0] == scope and self.model.rows[key].holder.kind != "cooling"
        ]
        stranger = data.draw(holders, label="stranger")
        releases.append(Release(str(picked[0][1]), stranger, self.now))
        outcome = self._do(release(self.conn, scope, releases, cooldown=cooldown))
        expected = self.model.release(scope, releases, cooldown=cooldown)
        assert outcome.done == [r for r, done in zip(releases, expected, strict=True) if done]

    @rule(
        scope=scopes,
        at=st.lists(spots, min_size=1, max_size=4),
        back=st.booleans(),
        mac=st.sampled_from([None, *MACS]),
    )
    def reserve(self, scope: str, at: list[tuple[int, int]], back: bool, mac: str | None) -> None:
        space = scope_id(scope)
        some = [self._address(space, spot) for spot in at]
        if back:
            for address in some:
                self.model.said.pop((space, parse_address(address)), None)
            self._do(unreserve(self.conn, space, some, self.now))
            releases = [Release(a, reserved_by(space, a), self.now) for a in some]
            self.model.release(space, releases, cooldown=False)
        else:
            self._do(reserve(self.conn, space, some, self.now, mac=mac))
            granted = self.model.occupy(space, [Claim(a, reserved_by(space, a), self.now) for a in some])
            for address, done in zip(some, granted, strict=True):
                key = space, parse_address(address)
                if done:
                    since = self.model.said[key][1] if key in self.model.said else self.now
                    self.model.said[key] = mac, since

    @precondition(lambda self: self.model.nets)
    @rule(pick=st.integers(0, 9), holder=holders, mac=st.sampled_from(MACS))
    def allocate_for_a_mac(self, pick: int, holder: Holder, mac: str) -> None:
        subnet = self._one_of(pick)
        net = self.model.nets[subnet]
        bound = self.model.bound(subnet, mac)
        if not bound:
            return
        self.model.reclaim(subnet, self.now)
        got = self._do(allocate(self.conn, subnet, 1, holder, self.now, now=self.now, mac=mac))
        assert got == [str(bound[0])]
        assert net.prefix.version == bound[0].version
        self.model.hand_out(subnet, bound[:1], holder, self.now)

    @precondition(lambda self: self.model.nets)
    @rule(pick=st.integers(0, 9))
    def split_and_merge(self, pick: int) -> None:
        subnet = self._one_of(pick)
        known = self._do(get(self.conn, subnet))
        assert known is not None
        facts, net = known.facts(), self.model.nets[subnet]
        if net.prefix.prefixlen + 1 > net.prefix.max_prefixlen:
            return
        halves = parts_of_length(facts.name, net.prefix, net.prefix.prefixlen + 1)
        try:
            other = part(facts, halves[1], derive("half", subnet), f"{facts.name} upper")
            parts = [part(facts, halves[0], subnet, facts.name), other]
        except Senseless:
            return
        made, refusal = self._try(reshape(self.conn, [known], parts, self.now))
        if made is None:
            ends = {halves[0].broadcast_address, halves[1].network_address}
            assert refusal in {"subnet_in_use", "gateway_is_special", "nothing_allocatable"}
            in_use = any(
                row.holder.kind in ("nic", "reservation") and address in ends
                for address, row in self.model.rows_of(subnet).items()
            )
            assert in_use or refusal != "subnet_in_use"
            return
        for one in made:
            self.model.nets[one.id] = Net(
                net.scope, one.prefix, list(one.ranges), one.gateway, net.order, net.cooldown
            )
        self.model.adopt()
        self.the_rows_are_those_of_the_model()
        self.free_is_ranges_without_gateway_and_rows()
        whole = union(made[0].facts(), [made[1].facts()], None).facts
        [back] = self._do(reshape(self.conn, made, [whole], self.now))
        del self.model.nets[made[1].id]
        self.model.nets[subnet] = Net(
            net.scope, net.prefix, list(back.ranges), back.gateway, net.order, net.cooldown
        )
        self.model.adopt()

    @precondition(lambda self: self.model.nets)
    @rule(pick=st.integers(0, 9), count=st.integers(1, 5), holder=holders, seed=st.integers(0, 9))
    def allocate(self, pick: int, count: int, holder: Holder, seed: int) -> None:
        subnet = self._one_of(pick)
        net = self.model.nets[subnet]
        self.model.reclaim(subnet, self.now)
        expected = self.model.free_addresses(subnet, -count if net.order == "highest" else count)
        if net.order == "longest_unused":
            rested = [a for a in self.model.rested(subnet, self.now) if net.allocatable(a)]
            expected += rested[: count - len(expected)]
        draw = random.Random(seed).random  # noqa: S311
        got, refusal = self._try(
            allocate(self.conn, subnet, count, holder, self.now, now=self.now, draw=draw)
        )
        assert refusal == ("subnet_full" if len(expected) < count else None)
        if got is None:
            return
        handed_out = [parse_address(address) for address in got]
        if net.order == "random":
            assert len(set(handed_out)) == count
            free = self.model.free(subnet)
            assert all(any(i.first <= int(a) <= i.last for i in free) for a in handed_out)
        else:
            assert handed_out == expected
        self.model.hand_out(subnet, handed_out, holder, self.now)

    @precondition(lambda self: self.model.nets)
    @rule(pick=st.integers(0, 9), spot=spots, holder=holders)
    def allocate_wanted(self, pick: int, spot: tuple[int, int], holder: Holder) -> None:
        subnet = self._one_of(pick)
        net = self.model.nets[subnet]
        wanted = self._address(net.scope, spot)
        self.model.reclaim(subnet, self.now)
        address = parse_address(wanted)
        row = self.model.rows.get((net.scope, address))
        rested = address in self.model.rested(subnet, self.now)
        fits = net.allocatable(address) and (row is None or rested or row.holder == holder)
        _, refusal = self._try(allocate(self.conn, subnet, 1, holder, self.now, now=self.now, wanted=wanted))
        if not fits:
            assert refusal == ("address_taken" if net.allocatable(address) else "address_not_allocatable")
            return
        assert refusal is None
        if row is None or row.holder != holder:
            self.model.hand_out(subnet, [address], holder, self.now)

    @precondition(lambda self: self.model.nets)
    @rule(pick=st.integers(0, 9))
    def reclaim(self, pick: int) -> None:
        subnet = self._one_of(pick)
        assert self._do(reclaim(self.conn, [subnet], self.now)) == self.model.reclaim(subnet, self.now)

    @rule(seconds=st.sampled_from([1, 59, 60, 600]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        rows = self._do(self.conn.fetch("SELECT * FROM ipam.address"))
        assert {
            (r["scope_id"], r["address"]): (
                (r["holder_kind"], r["holder_id"]),
                r["subnet_id"],
                r["since"],
                r["until"],
            )
            for r in rows
        } == {key: (row.holder, row.subnet, row.since, row.until) for key, row in self.model.rows.items()}

    @invariant()
    def free_is_ranges_without_gateway_and_rows(self) -> None:
        rows = self._do(
            self.conn.fetch("SELECT subnet_id, first, last FROM ipam.free_interval ORDER BY subnet_id, first")
        )
        free: dict[UUID, list[Interval]] = {subnet: [] for subnet in self.model.nets}
        for row in rows:
            free[row["subnet_id"]].append(Interval.between(row["first"], row["last"]))
        assert free == {subnet: self.model.free(subnet) for subnet in self.model.nets}


def test_g1_g5_g7_every_schedule_leaves_what_the_model_says(database: str) -> None:
    with asyncio.Runner() as runner:
        Schedules.runner = runner
        Schedules.conn = runner.run(asyncpg.connect(database))
        try:
            run_state_machine_as_test(
                Schedules,
                settings=settings(
                    max_examples=60,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            runner.run(Schedules.conn.close())
