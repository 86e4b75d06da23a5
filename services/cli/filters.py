"""The filters that `events` and `dead-letters` share: as options, and as the selection that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer

from services.allocator import queries, vm_queries
from services.cli.lookup import find_vcenter
from services.cli.names import not_known
from services.cli.selecting import canonical_address
from shared.events.registry import TYPES
from shared.events.selecting import Named, Prefix, Selection, unknown_types
from shared.runtime.errors import PermanentError
from shared.store.pool import Pool

TypesOption = Annotated[
    list[str] | None,
    typer.Option("--type", "-t", help="Type, family or pattern: nic, nic.created, *.lost. May be repeated."),
]
VcenterOption = Annotated[str | None, typer.Option(help="Only this vCenter: name or id.")]
VmOption = Annotated[str | None, typer.Option(help="Only this VM: name, managed object id or id.")]
WireOption = Annotated[str | None, typer.Option(help="Only this wire: name, managed object id or id.")]
SubnetOption = Annotated[str | None, typer.Option(help="Only this subnet, and guests in it: name or id.")]
ScopeOption = Annotated[str, typer.Option(help="Address space of the subnet's name.")]
AddressOption = Annotated[str | None, typer.Option(help="Only this IP address.")]


@dataclass(frozen=True)
class Filters:
    """What was typed; `address` in canonical text."""

    types: Sequence[str] | None = None
    vcenter: str | None = None
    vm: str | None = None
    wire: str | None = None
    subnet: str | None = None
    scope: str = "default"
    address: str | None = None


def address_option(text: str | None) -> str | None:
    """An address as events carry it. Raises `typer.BadParameter` for what is none."""
    try:
        return canonical_address(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--address") from None


async def resolve(pool: Pool, wanted: Filters) -> Selection:
    """What events call the things that were named. Raises `Refused`, `PermanentError` for unknown names.

    An id is taken as it is: what it stood for may be long gone, and its events are in the log.
    """
    for pattern in unknown_types(wanted.types or (), TYPES):
        raise not_known("event type", pattern, sorted(TYPES))
    return Selection(
        types=tuple(wanted.types or ()),
        vcenter=await _vcenter(pool, wanted.vcenter) if wanted.vcenter else None,
        vm=await _vm(pool, wanted.vm) if wanted.vm else None,
        wire=await _wire(pool, wanted.wire) if wanted.wire else None,
        subnet=await _subnet(pool, wanted.subnet, wanted.scope) if wanted.subnet else None,
        address=wanted.address,
    )


async def _vcenter(pool: Pool, named: str) -> str:
    if _is_id(named):
        for row in await queries.list_vcenters(pool):
            if str(row.id) == named:
                return named
    found = await find_vcenter(pool, named)
    # Events carry the identity that the vCenter states itself; before its first login there is none.
    return str(found.instance_uuid or found.id)


async def _vm(pool: Pool, named: str) -> Named:
    try:
        row = await vm_queries.locate_vm(pool, named)
    except PermanentError as error:
        if error.code == "vm_unknown" and _is_id(named):
            return Named(words=(named,))
        raise
    return Named(words=tuple({str(row.id), named}), vcenter=str(row.vcenter), moid=row.moid)


async def _wire(pool: Pool, named: str) -> Named:
    try:
        row = await queries.show_wire(pool, named)
    except PermanentError as error:
        if error.code == "wire_unknown" and _is_id(named):
            return Named(words=(named,))
        raise
    words = {str(row.id)} if _is_id(named) or named == row.network else {str(row.id), named}
    return Named(words=tuple(words), vcenter=str(row.vcenter), moid=row.network)


async def _subnet(pool: Pool, named: str, scope: str) -> Prefix:
    try:
        facts = (await queries.show_subnet(pool, named, scope=scope)).facts
    except PermanentError as error:
        if error.code == "subnet_unknown" and _is_id(named):
            return Prefix(words=(named,))
        raise
    return Prefix(words=(str(facts.id), facts.name), prefix=str(facts.prefix), scope=facts.scope)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
