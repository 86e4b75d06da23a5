"""NIC records into rows."""

from __future__ import annotations

from services.allocator.domain.records import Changes, NicRecord
from services.allocator.tables import NIC, NIC_ADDRESS
from shared.store.pool import Connection


async def write_records(conn: Connection, changes: Changes) -> None:
    """Store what became of records."""
    replaced = [*changes.updated, *changes.touched]
    await NIC.delete(conn, [(before.port.nic,) for before, _ in changes.released])
    gone = [(before.port.nic, address) for before, _ in changes.released for address in before.addresses]
    gone += [
        (before.port.nic, address)
        for before, after in replaced
        for address in before.addresses.keys() - after.addresses.keys()
    ]
    await NIC_ADDRESS.delete(conn, gone)
    new = [*changes.created, *(after for before, after in replaced if before.port != after.port)]
    await NIC.upsert(conn, map(_nic, new))
    bound = [(r.port.nic, *pair) for r in changes.created for pair in r.addresses.items()]
    bound += [
        (after.port.nic, address, to)
        for before, after in replaced
        for address, to in after.addresses.items()
        if before.addresses.get(address) != to
    ]
    await NIC_ADDRESS.upsert(
        conn, [(nic, address, b.scope, b.subnet, b.source, b.since) for nic, address, b in bound]
    )


def _nic(record: NicRecord) -> tuple[object, ...]:
    p = record.port
    return (
        p.nic, p.id, p.vcenter, p.vm, p.vm_moid, p.vm_name, p.device_key, p.label, p.mac, p.wire,
    )  # fmt: skip
