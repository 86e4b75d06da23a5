"""What operators want read again without a new login: noted in the registry, taken over by the watcher."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from services.collector.registry import Vcenter, get, notify
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool, transaction

SHOWN = 10
"""Ids quoted to somebody whose name is not unique."""


async def request_reread(
    pool: Pool, which: str | UUID, *, vm: str | None = None, datacenter: str | None = None
) -> tuple[Vcenter, str]:
    """Ask for one VM, or all of a datacenter, to be read and told again; returns what was understood.

    Both are given by managed object id or by name. Raises `PermanentError` for one that is not known, and for
    a name that several have.
    """
    vcenter = await get(pool, which)
    if vm is not None:
        wish = "vm/" + _only(vcenter, "VM", vm, await _known_vms(pool, vcenter, vm))
    else:
        named = datacenter or ""
        matching = [moid for moid, name in vcenter.datacenters.items() if named in {moid, name}]
        wish = "datacenter/" + _only(vcenter, "datacenter", named, matching)
    async with transaction(pool) as connection:
        await connection.execute(
            """
            UPDATE collector.vcenter SET rereads = array_append(array_remove(rereads, $2), $2) WHERE id = $1
            """,
            *(vcenter.id, wish),
        )
        await notify(connection)
    return await get(pool, vcenter.id), wish


async def take_rereads(pool: Pool, vcenter: Vcenter) -> list[str]:
    """What is to be read again, taken over: whoever takes it does it, or a new epoch answers it."""
    async with transaction(pool) as connection:
        taken: list[str] | None = await connection.fetchval(
            """
            UPDATE collector.vcenter v SET rereads = '{}'
            FROM (SELECT id, rereads FROM collector.vcenter WHERE id = $1 FOR UPDATE) before
            WHERE v.id = before.id RETURNING before.rereads
            """,
            vcenter.id,
        )
    return taken or []


async def set_datacenters(pool: Pool, vcenter: Vcenter, names: Mapping[str, str]) -> None:
    """Note which datacenters there are, for operators who name one."""
    async with transaction(pool) as connection:
        await connection.execute(
            "UPDATE collector.vcenter SET datacenters = $2::jsonb WHERE id = $1", vcenter.id, dict(names)
        )


async def _known_vms(pool: Pool, vcenter: Vcenter, named: str) -> list[str]:
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(
            """
            SELECT moid FROM collector.known_object
            WHERE vcenter_id = $1 AND kind = 'vm' AND (moid = $2 OR name = $2)
            ORDER BY moid
            """,
            *(vcenter.instance_uuid, named),
        )
    return [row["moid"] for row in rows]


def _only(vcenter: Vcenter, what: str, named: str, found: list[str]) -> str:
    if named in found:
        return named
    if len(found) == 1:
        return found[0]
    if found:
        raise PermanentError(
            f"{len(found)} {what}s of vCenter {vcenter.name!r} are called {named!r}",
            code=f"{what.lower()}_ambiguous",
            hint=f"give the managed object id: {', '.join(found[:SHOWN])}",
        )
    known = sorted(vcenter.datacenters.values()) if what == "datacenter" else []
    raise PermanentError(
        f"vCenter {vcenter.name!r} has no {what} {named!r}",
        code=f"{what.lower()}_unknown",
        hint=f"known are: {', '.join(known[:SHOWN])}" if known else None,
    )
