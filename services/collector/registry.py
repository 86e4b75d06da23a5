"""The registered vCenters: what operators added, asked for, and how each one stands.

A running collector hears of every change within a moment (NOTIFY on `CHANNEL`), or by its next look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

import asyncpg

from services.collector.credentials import check_proxy, check_reference
from services.collector.vsphere.endpoint import TlsMode, parse_endpoint
from shared.runtime.errors import PermanentError
from shared.store.connection import WriteConflict
from shared.store.pool import Connection, Pool, transaction

CHANNEL = "patchbay_collector_registry"
State = Literal["new", "connecting", "snapshot", "held", "watching", "lost", "paused", "stopped"]

_COLUMNS = """
    v.id, v.name, v.url, v.user_ref, v.password_ref, v.tls, v.tls_detail, v.proxy, v.scope, v.instance_uuid,
    v.paused, v.resync_requested, v.rereads, v.datacenters, v.brake_released, v.held, v.suppressed,
    v.clock_skew_seconds, v.state, v.state_detail, v.state_at, v.added_at,
    coalesce(s.epoch, 0) AS epoch
"""
_FROM = "collector.vcenter v LEFT JOIN collector.stream s ON s.vcenter_id = v.instance_uuid"


@dataclass(frozen=True)
class NewVcenter:
    """What an operator says of a vCenter. `user_ref` and `password_ref` are references, see `credentials`."""

    name: str
    url: str
    user_ref: str
    password_ref: str
    tls: TlsMode = "verify"
    tls_detail: str | None = None
    """Path of a CA bundle, or SHA-256 thumbprint, as `tls` asks for."""
    scope: str = "default"
    """The address space that its VMs' addresses are in."""
    proxy: str | None = None
    """A reference to an HTTP proxy's URL, or "direct"; None: what the environment says."""


@dataclass(frozen=True, kw_only=True)
class Vcenter(NewVcenter):
    """A registered vCenter. `instance_uuid` is known from the first login on."""

    id: UUID
    instance_uuid: UUID | None = None
    epoch: int = 0
    """Of the newest login; 0 before the first."""
    paused: bool = False
    resync_requested: bool = False
    rereads: Sequence[str] = ()
    """Objects to read and tell again, as "vm/<managed object id>" or "datacenter/<managed object id>"."""
    datacenters: Mapping[str, str] = field(default_factory=dict)
    """Name by managed object id, as last seen."""
    brake_released: bool = False
    held: Mapping[str, int] | None = None
    """Objects whose removal the brake holds, by kind."""
    suppressed: Mapping[str, int] = field(default_factory=dict)
    """Changes since the last login that said nothing new, by reason; as of the last heartbeat."""
    clock_skew_seconds: float | None = None
    """How far its clock was ahead of ours at the last login; None before the first."""
    state: State = "new"
    state_detail: str = ""
    state_at: datetime | None = None
    added_at: datetime | None = None

    @property
    def connection(self) -> tuple[str, ...]:
        """All that a session depends on: when it changes, a new one is made."""
        return (
            *(self.name, self.url, self.user_ref, self.password_ref, self.tls, self.tls_detail or ""),
            *(self.scope, self.proxy or ""),
        )


async def add(pool: Pool, new: NewVcenter) -> Vcenter:
    """Register a vCenter. Raises `PermanentError` for a taken name, a bad address or a bad reference."""
    good = _checked(new)
    try:
        async with transaction(pool) as connection:
            await connection.execute(
                """
                INSERT INTO collector.vcenter
                    (id, name, url, user_ref, password_ref, tls, tls_detail, scope, proxy)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                """,
                *(uuid4(), good.name, good.url, good.user_ref, good.password_ref),
                *(good.tls, good.tls_detail, good.scope, good.proxy),
            )
            await notify(connection)
    except WriteConflict:
        raise _name_taken(new.name) from None
    return await get(pool, new.name)


async def change(pool: Pool, which: str | UUID, **changes: object) -> Vcenter:
    """Give fields of `NewVcenter` new values; a running collector logs in anew with them.

    What is known of the vCenter stays, and so does its identity: at a new address the same vCenter has to
    answer. Raises `PermanentError` as `add` does.
    """
    registered = await get(pool, which)
    given = {item.name: getattr(registered, item.name) for item in fields(NewVcenter)}
    good = _checked(NewVcenter(**(given | changes)))
    try:
        async with transaction(pool) as connection:
            await connection.execute(
                """
                UPDATE collector.vcenter
                SET name = $2, url = $3, user_ref = $4, password_ref = $5, tls = $6, tls_detail = $7,
                    scope = $8, proxy = $9
                WHERE id = $1
                """,
                *(registered.id, good.name, good.url, good.user_ref, good.password_ref),
                *(good.tls, good.tls_detail, good.scope, good.proxy),
            )
            await notify(connection)
    except WriteConflict:
        raise _name_taken(good.name) from None
    return await get(pool, registered.id)


def _checked(new: NewVcenter) -> NewVcenter:
    """The same in canonical form. Raises `PermanentError`, quoting no secret."""
    endpoint = parse_endpoint(new.url, new.tls, new.tls_detail)
    check_reference(new.user_ref, what="the user", secret=False)
    check_reference(new.password_ref, what="the password", secret=True)
    check_proxy(new.proxy)
    if not new.name.strip():
        raise PermanentError("a vCenter needs a name", code="vcenter_name")
    if not new.scope.strip():
        raise PermanentError("a scope needs a name", code="vcenter_scope")
    return NewVcenter(**(asdict(new) | {"url": endpoint.url, "tls_detail": endpoint.tls_detail}))


def _name_taken(name: str) -> PermanentError:
    return PermanentError(
        f"there is a vCenter called {name!r} already",
        code="vcenter_exists",
        hint=f"choose another name, or remove it first: patchbay vcenter remove {name}",
    )


async def remove(pool: Pool, which: str | UUID) -> Vcenter:
    """Forget a registration. What was published about its objects stays: nothing of it was deleted."""
    vcenter = await get(pool, which)
    async with transaction(pool) as connection:
        await connection.execute("DELETE FROM collector.vcenter WHERE id = $1", vcenter.id)
        await notify(connection)
    return vcenter


async def all_vcenters(pool: Pool) -> list[Vcenter]:
    """Every registered vCenter, by name."""
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(f"SELECT {_COLUMNS} FROM {_FROM} ORDER BY v.name")  # noqa: S608  constants
    return [_vcenter(row) for row in rows]


async def get(pool: Pool, which: str | UUID) -> Vcenter:
    """The vCenter of that name, id or instance UUID. Raises `PermanentError` naming those there are."""
    every = await all_vcenters(pool)
    for vcenter in every:
        if str(which) in {vcenter.name, str(vcenter.id), str(vcenter.instance_uuid)}:
            return vcenter
    raise PermanentError(
        f"there is no vCenter {str(which)!r}",
        code="vcenter_unknown",
        hint=f"known are: {', '.join(v.name for v in every)}"
        if every
        else "add one with: patchbay vcenter add NAME URL --user USER",
    )


async def request_resync(pool: Pool, which: str | UUID) -> Vcenter:
    """Ask for a full read."""
    return await _set(pool, which, "resync_requested = true")


async def pause(pool: Pool, which: str | UUID) -> Vcenter:
    """Stop watching until resumed."""
    return await _set(pool, which, "paused = true")


async def resume(pool: Pool, which: str | UUID) -> Vcenter:
    """Watch again."""
    return await _set(pool, which, "paused = false")


async def release_brake(pool: Pool, which: str | UUID) -> Vcenter:
    """Let the held sweep go on. Raises `PermanentError` when none is held."""
    vcenter = await get(pool, which)
    if vcenter.held is None:
        raise PermanentError(f"the brake holds nothing at vCenter {vcenter.name!r}", code="brake_not_held")
    return await _set(pool, vcenter.id, "brake_released = true")


async def begin_epoch(connection: Connection, vcenter: Vcenter, instance_uuid: UUID) -> int:
    """The number of a new login's stream: greater than any before, also of a collector thought dead.

    Carries out, in the caller's transaction, what a new epoch answers: what was asked to be read again.
    """
    epoch: int = await connection.fetchval(
        """
        INSERT INTO collector.stream (vcenter_id, epoch) VALUES ($1, 1)
        ON CONFLICT (vcenter_id) DO UPDATE SET epoch = collector.stream.epoch + 1
        RETURNING epoch
        """,
        instance_uuid,
    )
    await connection.execute(
        "UPDATE collector.vcenter SET resync_requested = false, rereads = '{}' WHERE id = $1", vcenter.id
    )
    return epoch


async def bind_identity(pool: Pool, vcenter: Vcenter, instance_uuid: UUID) -> UUID:
    """Note who answered at the first login; returns who that was.

    Raises `PermanentError` when it is registered under another name already.
    """
    try:
        async with transaction(pool) as connection:
            bound: UUID | None = await connection.fetchval(
                """
                UPDATE collector.vcenter SET instance_uuid = coalesce(instance_uuid, $2) WHERE id = $1
                RETURNING instance_uuid
                """,
                *(vcenter.id, instance_uuid),
            )
    except WriteConflict:
        other = await get(pool, instance_uuid)
        raise PermanentError(
            f"{vcenter.name!r} is the vCenter that is registered as {other.name!r}",
            code="vcenter_twice",
            hint=f"remove one of them: patchbay vcenter remove {vcenter.name}",
        ) from None
    return bound or instance_uuid


async def identity_of(pool: Pool, vcenter: Vcenter) -> UUID | None:
    """Who answered at the first login; None before that, and when it is not registered any more."""
    async with transaction(pool, readonly=True) as connection:
        found: UUID | None = await connection.fetchval(
            "SELECT instance_uuid FROM collector.vcenter WHERE id = $1", vcenter.id
        )
    return found


async def set_state(pool: Pool, vcenter: Vcenter, state: State, detail: str = "") -> None:
    """Note how the vCenter stands, for people."""
    async with transaction(pool) as connection:
        await connection.execute(
            "UPDATE collector.vcenter SET state = $2, state_detail = $3, state_at = now() WHERE id = $1",
            *(vcenter.id, state, detail[:1000]),
        )


async def is_brake_released(pool: Pool, vcenter: Vcenter) -> bool:
    """Whether an operator has released the brake and no sweep has used that yet."""
    async with transaction(pool, readonly=True) as connection:
        return bool(
            await connection.fetchval(
                "SELECT brake_released FROM collector.vcenter WHERE id = $1", vcenter.id
            )
        )


async def set_held(pool: Pool, vcenter: Vcenter, held: Mapping[str, int] | None) -> None:
    """Note what the brake holds; None releases it, and answers a release that was asked for."""
    async with transaction(pool) as connection:
        await connection.execute(
            """
            UPDATE collector.vcenter
            SET held = $2::jsonb, brake_released = brake_released AND $2::jsonb IS NOT NULL
            WHERE id = $1
            """,
            *(vcenter.id, held),
        )


async def set_suppressed(pool: Pool, vcenter: Vcenter, suppressed: Mapping[str, int]) -> None:
    """Note how many changes said nothing new, by reason."""
    async with transaction(pool) as connection:
        await connection.execute(
            "UPDATE collector.vcenter SET suppressed = $2::jsonb WHERE id = $1", *(vcenter.id, suppressed)
        )


async def set_clock_skew(pool: Pool, vcenter: Vcenter, seconds: float) -> None:
    """Note how far the vCenter's clock is ahead of ours."""
    async with transaction(pool) as connection:
        await connection.execute(
            "UPDATE collector.vcenter SET clock_skew_seconds = $2 WHERE id = $1",
            *(vcenter.id, round(seconds, 1)),
        )


async def _set(pool: Pool, which: str | UUID, assignment: str) -> Vcenter:
    vcenter = await get(pool, which)
    async with transaction(pool) as connection:
        await connection.execute(f"UPDATE collector.vcenter SET {assignment} WHERE id = $1", vcenter.id)  # noqa: S608
        await notify(connection)
    return await get(pool, vcenter.id)


async def notify(connection: Connection) -> None:
    """Let running collectors look at the registry when this transaction has committed."""
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


def _vcenter(row: asyncpg.Record) -> Vcenter:
    return Vcenter(**dict(row))
