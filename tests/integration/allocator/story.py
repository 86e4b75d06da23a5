"""Facts as a collector would publish them, told in short words; and the state that they lead to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from services.allocator.handlers import Allocator
from services.allocator.settings import AllocatorSettings
from shared.bus.port import Delivery
from shared.events import commands as cmd
from shared.events import inventory as inv
from shared.events.base import Event, Fact
from shared.events.codec import decode
from shared.events.envelope import Envelope, wrap
from shared.events.guest import GuestAddress, GuestAddressesChanged, GuestPort, GuestRoute
from shared.model.identifiers import wire_id
from shared.runtime.consuming import Received
from shared.runtime.publishing import message_of
from shared.store.pool import Pool

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SPACE = UUID("00000000-0000-0000-0000-00000000aaaa")
VC1 = uuid5(SPACE, "vcenter-1")
VC2 = uuid5(SPACE, "vcenter-2")


class Told(NamedTuple):
    """An event out of the outbox."""

    type: str
    data: Any
    envelope: Envelope[Event]


def instance(name: str) -> UUID:
    """The instance UUID of a VM of that name."""
    return uuid5(SPACE, name)


class Teller:
    """Makes facts of one vCenter, each newer than the last; a second of event time apart."""

    def __init__(self, vcenter: UUID = VC1, epoch: int = 1) -> None:
        self.vcenter = vcenter
        self.epoch = epoch
        self.sequence = 0

    def envelope(self, model: type[Fact], /, **values: Any) -> Envelope[Any]:
        """The next fact."""
        self.sequence += 1
        fact = model(vcenter=self.vcenter, epoch=self.epoch, sequence=self.sequence, **values)
        return wrap(fact, source="collector", time=self.now())

    def now(self) -> datetime:
        """The time of the last fact."""
        return START + timedelta(hours=self.epoch, seconds=self.sequence)

    def portgroup(self, moid: str, name: str | None = None, **more: Any) -> Envelope[Any]:
        """A port group."""
        return self.envelope(
            inv.PortgroupChanged, moid=moid, name=name or moid, kind="distributed",
            vlan=inv.VlanNone(), **more,
        )  # fmt: skip

    def vm(self, name: str, *networks: str | None, moid: str | None = None, **more: Any) -> Envelope[Any]:
        """A VM with a port on each of `networks`, keys from 4000; or with `ports_`."""
        given = more.pop("ports_", None)
        ports: tuple[Any, ...] = (
            tuple(given)
            if given is not None
            else tuple(
                inv.VmPort(
                    key=4000 + i,
                    label=f"Network adapter {i + 1}",
                    adapter="vmxnet3",
                    mac=f"00{hash_of(name) % (1 << 36):09x}{i:01x}",
                    network=network,
                    connected=True,
                )
                for i, network in enumerate(networks)
            )
        )
        values = {"name": name, "instance_uuid": instance(name), "power": "on", "connection": "connected"}
        return self.envelope(inv.VmChanged, moid=moid or f"vm-{name}", ports=ports, **(values | more))

    def gone(self, name: str, moid: str | None = None) -> Envelope[Any]:
        """The removal of a VM."""
        return self.envelope(inv.VmRemoved, moid=moid or f"vm-{name}", name=name, how="observed")

    def portgroup_gone(self, moid: str) -> Envelope[Any]:
        """The removal of a port group."""
        return self.envelope(inv.PortgroupRemoved, moid=moid, how="observed")

    def guest(
        self,
        name: str,
        *addresses: str | Sequence[str],
        moid: str | None = None,
        gateway: str | None = None,
        prefix: int | None = 24,
        **more: Any,
    ) -> Envelope[Any]:
        """What Tools say: the addresses of each port, from 4000 on. None at all: Tools are silent."""
        ports: tuple[Any, ...] = more.pop("ports_", ()) or tuple(
            GuestPort(
                key=4000 + i,
                connected=True,
                addresses=tuple(
                    GuestAddress(address=a, prefix=64 if ":" in a else prefix, state="preferred")
                    for a in ([each] if isinstance(each, str) else each)
                ),
            )
            for i, each in enumerate(addresses)
        )
        routes = () if gateway is None else (GuestRoute(gateway=gateway, key=4000),)
        values = {"tools": "running" if ports else "not_running", "ports": ports, "routes": routes}
        return self.envelope(GuestAddressesChanged, moid=moid or f"vm-{name}", **(values | more))


def hash_of(text: str) -> int:
    """The same number for the same text in every run."""
    return instance(text).int


class Stage:
    """An allocator on a database, with what it said."""

    def __init__(self, pool: Pool, **settings: Any) -> None:
        self.pool = pool
        self.allocator = Allocator(pool, AllocatorSettings(**settings))
        self._commands = 0

    async def tell(self, *facts: Envelope[Any]) -> None:
        """Apply facts as one batch."""
        await self.allocator.apply(facts)

    async def each(self, facts: Iterable[Envelope[Any]]) -> None:
        """Apply facts one by one."""
        for fact in facts:
            await self.allocator.apply([fact])

    async def command(self, command: cmd.Command) -> cmd.CommandReplied:
        """Give a command and return its reply."""
        self._commands += 1
        at = START + timedelta(hours=10, seconds=self._commands)
        envelope = wrap(command, source="test", time=at)
        message = message_of(envelope)
        asked = Delivery(
            message=type(message)(**{**_fields(message), "reply_to": "answers"}), queue="q", attempt=1, tag=1
        )
        await self.allocator.commands([Received(envelope, asked)])
        row = await self.pool.fetchrow("DELETE FROM bus.outbox WHERE to_queue RETURNING *")
        assert row is not None
        assert row["routing_key"] == "answers"
        answer = decode(row["body"]).data
        assert isinstance(answer, cmd.CommandReplied)
        return answer

    async def subnet(self, name: str, prefix: str, wire: str, **more: Any) -> UUID:
        """Create a subnet."""
        answer = await self.command(cmd.SubnetCreate(name=name, prefix=prefix, wire=wire, **more))
        assert answer.complaint is None, answer.complaint
        assert answer.result is not None
        return UUID(answer.result["id"])

    async def told(self) -> list[Told]:
        """The events since last asked."""
        rows = await self.pool.fetch("SELECT body FROM bus.outbox WHERE NOT to_queue ORDER BY id")
        await self.pool.execute("DELETE FROM bus.outbox WHERE NOT to_queue")
        envelopes = [decode(row["body"]) for row in rows]
        return [Told(e.type, e.data, e) for e in envelopes]

    async def types(self) -> list[str]:
        """The types of the events since last asked."""
        return [told.type for told in await self.told()]

    async def nics(self) -> dict[str, list[str]]:
        """Addresses by VM name and port key, such as {"web/4000": ["10.0.0.5"]}."""
        rows = await self.pool.fetch(
            """
            SELECT n.vm_name || '/' || n.device_key AS port, host(a.address) AS address
            FROM inventory.nic n JOIN inventory.nic_address a ON a.nic_id = n.id ORDER BY 1, a.address
            """
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["port"], []).append(row["address"])
        return found

    async def unmatched(self) -> dict[str, str]:
        """Verdicts by address."""
        rows = await self.pool.fetch("SELECT host(address) AS a, verdict FROM inventory.unmatched")
        return {row["a"]: row["verdict"] for row in rows}

    async def ledger(self) -> dict[str, str]:
        """Kinds of holders by address."""
        rows = await self.pool.fetch("SELECT host(address) AS a, holder_kind FROM ipam.address")
        return {row["a"]: row["holder_kind"] for row in rows}

    async def dump(self) -> dict[str, list[str]]:
        """All that is kept, as text: two states are equal when their dumps are."""
        tables = await self.pool.fetch(
            """
            SELECT schemaname || '.' || tablename AS t FROM pg_tables
            WHERE schemaname IN ('inventory', 'ipam')
            """
        )
        state = {}
        for row in tables:
            rows = await self.pool.fetch(f"SELECT to_jsonb(t) AS row FROM {row['t']} t")  # noqa: S608
            state[row["t"]] = sorted(json.dumps(r["row"], sort_keys=True) for r in rows)
        return state


def wire(moid: str, vcenter: UUID = VC1) -> UUID:
    """The id of a wire."""
    return wire_id(vcenter, moid)


def _fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__slots__}
