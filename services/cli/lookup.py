"""Objects by what people call them, each with help for a name that is wrong or not unique."""

from __future__ import annotations

from services.allocator import queries
from services.cli.names import pick
from services.collector import registry
from services.collector.registry import Vcenter
from shared.events.subnet import SubnetFacts
from shared.store.pool import Pool


async def find_vcenter(pool: Pool, wanted: str) -> Vcenter:
    """A registered vCenter by name, id or instance UUID. Raises `Refused`."""
    return pick(
        "vCenter",
        wanted,
        await registry.all_vcenters(pool),
        name=lambda row: row.name,
        keys=lambda row: [str(row.id), str(row.instance_uuid)],
        where=lambda row: row.url,
    )


async def find_subnet(pool: Pool, wanted: str, *, scope: str = "default") -> SubnetFacts:
    """A subnet by id, or by name in `scope`. Raises `PermanentError`."""
    return (await queries.show_subnet(pool, wanted, scope=scope)).facts
