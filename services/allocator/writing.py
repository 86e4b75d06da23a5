"""NIC records into rows."""

from __future__ import annotations

from services.allocator.domain.records import Changes, NicRecord
from services.allocator.tables import NIC, NIC_ADDRESS
from shared.store.pool import Connection


async def write_records(conn: Connection, changes: Changes) -> None:
    """Store what became of records."""
    replaced = [*changes.updated, *changes.touched]
    await NIC.delete(conn, [(before.port.nic,) for before, _ in changes.released])
    await NIC_ADDRESS.delete(
        conn,
        [
            (before.port.nic, address)
            for before, after in replaced
            for address in before.addresses.keys() - after.addresses.keys()
        ],
    )
    written = [*changes.created, *(after for _, after in replaced)]
    await NIC.upsert(conn, map(_nic, written))
    await NIC_ADDRESS.upsert(
        conn,
        [
            (r.port.nic, address, b.scope, b.subnet, b.source, b.since)
            for r in written
            for address, b in r.addresses.items()
        ],
    )


def _nic(record: NicRecord) -> tuple[object, ...]:
    p = record.port
    return (
        p.nic, p.id, p.vcenter, p.vm, p.vm_moid, p.vm_name, p.device_key, p.label, p.mac, p.wire,
        record.since,
    )  # fmt: skip
