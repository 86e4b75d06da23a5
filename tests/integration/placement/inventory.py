"""Fills the inventory as the allocator would, and the ledger with subnets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from shared.events.inventory import (
    HostChanged,
    HostSwitch,
    PhysicalNic,
    PortgroupChanged,
    VlanId,
    VmChanged,
    VmPort,
)
from shared.events.subnet import SubnetFacts
from shared.ipam.subnets import create_subnet
from shared.model.identifiers import port_id, scope_id, subnet_id, vm_id, wire_id
from shared.store.pool import Pool, transaction

VCENTER = UUID("00000000-0000-0000-0000-00000000000a")
SWITCH = "50 2c 7a 11"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Inventory:
    """One vCenter with a distributed switch. Sequences count up by themselves."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sequence = 0

    def _next(self) -> dict[str, Any]:
        self._sequence += 1
        return {"vcenter": VCENTER, "epoch": 1, "sequence": self._sequence}

    async def vcenter(self, *, state: str = "connected", current_to: datetime = START) -> None:
        await self._pool.execute(
            "INSERT INTO inventory.vcenter (id, name, state, epoch, sequence, current_to)"
            " VALUES ($1, 'vc-a', $2, 1, 1, $3)"
            " ON CONFLICT (id) DO UPDATE SET state = $2, current_to = $3",
            VCENTER, state, current_to,
        )  # fmt: skip

    async def host(self, number: int, *, memory_mb: int = 65536, cores: int = 16, link: bool = True) -> None:
        fact = HostChanged(
            **self._next(),
            moid=f"host-{number}",
            name=f"esx-{number}",
            datacenter="datacenter-1",
            datacenter_name="east",
            cluster="domain-c1",
            cluster_name="blue",
            resource_pool="resgroup-1",
            connection="connected",
            maintenance=False,
            cpu_cores=cores,
            cpu_mhz=2400,
            memory_mb=memory_mb,
            pnics=(PhysicalNic(device="vmnic0", link_mbps=10000 if link else None),),
            switches=(HostSwitch(name="dvs", kind="distributed", uuid=SWITCH, pnics=("vmnic0",)),),
        )
        await self._pool.execute(
            "INSERT INTO inventory.host (vcenter_id, moid, epoch, sequence, observed_at, name, connection,"
            " maintenance, cpu_cores, cpu_mhz, memory_mb, cluster, datacenter, state)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
            " ON CONFLICT (vcenter_id, moid) DO UPDATE SET epoch = $3, sequence = $4, state = $14",
            VCENTER, fact.moid, fact.epoch, fact.sequence, START, fact.name, fact.connection, False,
            fact.cpu_cores, fact.cpu_mhz, fact.memory_mb, fact.cluster, fact.datacenter,
            fact.model_dump(mode="json"),
        )  # fmt: skip

    async def portgroup(self, number: int, hosts: Sequence[int], **values: Any) -> UUID:
        defaults: dict[str, Any] = {
            "moid": f"dvportgroup-{number}",
            "name": f"pg-{number}",
            "kind": "distributed",
            "key": f"dvportgroup-{number}",
            "switch": "dvs-1",
            "switch_uuid": SWITCH,
            "vlan": VlanId(id=100 + number),
            "hosts": tuple(f"host-{host}" for host in hosts),
        }
        fact = PortgroupChanged(**self._next(), **(defaults | values))
        wire = wire_id(VCENTER, fact.moid)
        await self._pool.execute(
            "INSERT INTO inventory.wire (id, vcenter_id, moid, epoch, sequence, observed_at, name, kind,"
            " hosts, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            wire, VCENTER, fact.moid, fact.epoch, fact.sequence, START, fact.name, fact.kind,
            list(fact.hosts), fact.model_dump(mode="json"),
        )  # fmt: skip
        return wire

    def vm_fact(self, moid: str, *ports: VmPort, **values: Any) -> VmChanged:
        """A fact about a VM, not applied to the inventory."""
        defaults: dict[str, Any] = {
            "moid": moid,
            "name": moid,
            "instance_uuid": uuid5(VCENTER, moid),
            "host": "host-1",
            "power": "on",
            "connection": "connected",
            "cpus": 1,
            "memory_mb": 1024,
            "ports": ports,
        }
        return VmChanged(**self._next(), **(defaults | values))

    async def show(self, fact: VmChanged, *, removed: bool = False) -> None:
        """Apply a VM's fact as the allocator does."""
        identity = vm_id(VCENTER, fact.moid, fact.instance_uuid)
        async with transaction(self._pool) as conn:
            await conn.execute(
                "INSERT INTO inventory.vm (vcenter_id, moid, epoch, sequence, observed_at, removed, vm_id,"
                " name, host, power, template, cpus, memory_mb, reservation,"
                " extra_config_reservation, state)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
                " ON CONFLICT (vcenter_id, moid) DO UPDATE SET epoch = $3, sequence = $4, removed = $6",
                VCENTER, fact.moid, fact.epoch, fact.sequence, START, removed, identity, fact.name, fact.host,
                fact.power, fact.template, fact.cpus, fact.memory_mb, fact.reservation,
                fact.extra_config_reservation, fact.model_dump(mode="json"),
            )  # fmt: skip
            await conn.execute("DELETE FROM inventory.port WHERE vm_id = $1", identity)
            await conn.executemany(
                "INSERT INTO inventory.port (id, vcenter_id, vm_moid, vm_id, device_key, label, mac, wire_id,"
                " connected) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                [
                    (
                        port_id(identity, port.key), VCENTER, fact.moid, identity, port.key, port.label,
                        port.mac, None if port.network is None else wire_id(VCENTER, port.network), True,
                    )
                    for port in fact.ports
                    if not removed
                ],
            )  # fmt: skip

    async def subnet(
        self, number: int, wire: UUID, *, prefix: str | None = None, **values: Any
    ) -> SubnetFacts:
        scope = values.get("scope", "default")
        name, net = f"net-{number}", prefix or f"10.0.{number}.0/24"
        facts = SubnetFacts(
            **{
                "id": subnet_id(scope_id(scope), name, net),
                "scope": scope,
                "name": name,
                "prefix": net,
                "ranges": (),
                "dns": ("10.0.0.53",),
                "domain": "example.test",
                "default_wire": wire,
            }
            | values
        )
        async with transaction(self._pool) as conn:
            return (await create_subnet(conn, facts, START)).facts()
