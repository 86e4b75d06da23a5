"""What is known, as entries; and the names in a file as the names that entries have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from uuid import UUID

from services.allocator.address_queries import list_reserved
from services.allocator.finding import find_vm, find_wire
from services.allocator.queries import list_subnets, list_wires
from services.allocator.statement_queries import list_fixes
from services.allocator.vm_queries import list_vms
from services.cli.bulk.differences import normal
from services.cli.bulk.forms import Entry, Problem, Value
from shared.events.subnet import SubnetFacts
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection, Pool


class Names:
    """What objects are called in a file: by name where that is enough, else by id."""

    def __init__(self, wires: dict[UUID, str], vms: dict[UUID, str]) -> None:
        self._wires = wires
        self._vms = vms

    def wire(self, identity: UUID) -> str:
        """The name of a wire, or its id."""
        return self._wires.get(identity, str(identity))

    def vm(self, identity: UUID) -> str:
        """The name of a VM, or its id."""
        return self._vms.get(identity, str(identity))


async def read_names(pool: Pool) -> Names:
    """The names that only one wire, or VM, has."""
    wires = [(row.id, row.name) for row in await list_wires(pool)]
    vms = {row.id: row.name for row in await list_vms(pool)}
    return Names(_unique(wires), _unique(list(vms.items())))


async def read_known(pool: Pool, names: Names, scope: str | None = None) -> list[Entry]:
    """All that is known; of one scope, without fixes, if given."""
    found = [_subnet(row.facts, names) for row in await list_subnets(pool, scope=scope)]
    for reserved in await list_reserved(pool, scope=scope):
        said: dict[str, Value | None] = {"scope": reserved.scope}
        if reserved.mac is None:
            span = reserved.first if reserved.count == 1 else f"{reserved.first}-{reserved.last}"
            until = None if reserved.until is None else reserved.until.astimezone(UTC).isoformat()
            said |= {"addresses": span, "note": reserved.note}
            said["until"] = None if until is None else until.replace("+00:00", "Z")
            found.append(_entry("reserved", said))
        else:
            said |= {"address": reserved.first, "mac": reserved.mac, "note": reserved.note}
            found.append(_entry("binding", said))
    if scope is None:
        found += [
            _entry("fix", {"vm": names.vm(fix.vm), "nic": fix.device_key, "fixed": fix.addresses})
            for fix in await list_fixes(pool)
        ]
    order = ("subnet", "reserved", "binding", "fix")
    return sorted((normal(entry) for entry in found), key=lambda entry: order.index(entry.kind))


async def resolved(pool: Pool, names: Names, entries: Sequence[Entry]) -> tuple[list[Entry], list[Problem]]:
    """`entries` with wires and VMs called as `names` does; and names that nothing, or too much, has."""
    found, problems = [], []
    spelled: dict[tuple[str, str], str | PermanentError] = {}
    async with pool.acquire() as conn:
        for entry in entries:
            values = dict(entry.values)
            for field, look_up in (("wire", _wire), ("vm", _vm)):
                if field not in values:
                    continue
                asked = (field, str(values[field]))
                if asked not in spelled:
                    spelled[asked] = await _spelled(conn, names, asked[1], look_up)
                answer = spelled[asked]
                if isinstance(answer, PermanentError):
                    problems.append(Problem(entry.line, f"{entry.kind} {entry.name!r}: {answer}"))
                else:
                    values[field] = answer
            found.append(Entry(entry.kind, values, entry.line))
    return found, problems


LookUp = Callable[[Connection, Names, str], Awaitable[str]]


async def _spelled(conn: Connection, names: Names, text: str, look_up: LookUp) -> str | PermanentError:
    try:
        return await look_up(conn, names, text)
    except PermanentError as error:
        return error


async def _wire(conn: Connection, names: Names, text: str) -> str:
    return names.wire((await find_wire(conn, text))["id"])


async def _vm(conn: Connection, names: Names, text: str) -> str:
    return names.vm(await find_vm(conn, text))


def _unique(named: list[tuple[UUID, str]]) -> dict[UUID, str]:
    count = Counter(name for _, name in named)
    return {identity: name for identity, name in named if count[name] == 1}


def _subnet(facts: SubnetFacts, names: Names) -> Entry:
    return _entry(
        "subnet",
        {
            "scope": facts.scope,
            "name": facts.name,
            "prefix": facts.prefix,
            "wire": names.wire(facts.default_wire),
            "ranges": tuple(r.first if r.first == r.last else f"{r.first}-{r.last}" for r in facts.ranges),
            "gateway": facts.gateway,
            "dns": facts.dns,
            "domain": facts.domain,
            "ntp": facts.ntp,
            "mtu": facts.mtu,
            "vlan": facts.vlan,
            "routes": tuple(f"{r.to}={r.via}" for r in facts.routes),
            "auto_allocate": facts.auto_allocate,
            "allocation_order": facts.allocation_order,
            "cooldown_seconds": facts.cooldown_seconds,
            "labels": tuple(f"{key}={value}" for key, value in sorted(facts.labels.items())),
        },
    )


def _entry(kind: object, values: dict[str, Value | None]) -> Entry:
    return Entry(kind, {name: value for name, value in values.items() if value not in (None, ())})  # type: ignore[arg-type]
