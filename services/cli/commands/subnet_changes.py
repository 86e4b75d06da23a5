"""`patchbay subnet create|update|delete`: commands to the allocator."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import RenderableType
from rich.text import Text

from services.cli.asking import operator, order
from services.cli.instance import ended_well, with_platform
from services.cli.outcome import Json, Misused, present
from services.cli.rendering.shapes import render_shape
from services.cli.requests import faults_of, seconds
from services.cli.subnets import address_range, labels, route
from shared.events.commands import Command, SubnetCreate, SubnetDelete, SubnetUpdate
from shared.events.subnet import SubnetFacts
from shared.ipam.domain import check_subnet
from shared.runtime.environment import Platform


class Order(StrEnum):
    """Which free address is handed out next."""

    lowest = "lowest"
    highest = "highest"
    random = "random"
    longest_unused = "longest_unused"


class Field(StrEnum):
    """What of a subnet can be made empty."""

    ranges = "ranges"
    gateway = "gateway"
    dns = "dns"
    domain = "domain"
    ntp = "ntp"
    mtu = "mtu"
    vlan = "vlan"
    routes = "routes"
    labels = "labels"


SOUND = "192.0.2.0/24"
"""A prefix with which nothing is wrong."""

Which = Annotated[str, typer.Argument(help="Name or id of the subnet.")]
Scope = Annotated[str, typer.Option(help="Address space.")]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--range", help="Allocatable: FIRST-LAST. Repeat. Default: all."),
]
Gateway = Annotated[str | None, typer.Option(help="Default gateway.")]
Dns = Annotated[list[str] | None, typer.Option(help="DNS server. Repeat.")]
Domain = Annotated[str | None, typer.Option(help="DNS domain.")]
Ntp = Annotated[list[str] | None, typer.Option(help="NTP server. Repeat.")]
Vlan = Annotated[int | None, typer.Option(help="VLAN, 1 to 4094.")]
Mtu = Annotated[int | None, typer.Option(help="MTU in bytes.")]
Routes = Annotated[list[str] | None, typer.Option("--route", help="Static route: PREFIX=NEXT-HOP. Repeat.")]
Auto = Annotated[
    bool | None, typer.Option("--auto/--no-auto", help="Whether requests that name no subnet may use it.")
]
Allocation = Annotated[Order | None, typer.Option("--order", help="Which free address is handed out next.")]
Cooldown = Annotated[str | None, typer.Option(help="How long a released address rests: 30m, 0.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="KEY=VALUE. Repeat.")]


def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    prefix: Annotated[str, typer.Argument(help="Such as 10.0.0.0/24 or 2001:db8::/64.")],
    *,
    wire: Annotated[str, typer.Option(help="Its default wire: id, managed object id or name.")],
    scope: Scope = "default",
    ranges: Ranges = None,
    gateway: Gateway = None,
    dns: Dns = None,
    domain: Domain = None,
    ntp: Ntp = None,
    mtu: Mtu = None,
    vlan: Vlan = None,
    routes: Routes = None,
    auto: Auto = None,
    allocation: Allocation = None,
    cooldown: Cooldown = None,
    label: Labels = None,
    as_json: Json = False,
) -> None:
    """Make a subnet; VMs that wait for it get their NIC records at once."""
    fields = _facts(
        ranges=ranges,
        gateway=gateway,
        dns=dns,
        domain=domain,
        ntp=ntp,
        mtu=mtu,
        routes=routes,
        auto=auto,
        allocation=allocation,
        cooldown=cooldown,
        label=label,
    )
    _refuse_mistakes({"name": name, "prefix": prefix, "vlan": vlan, **fields})
    command = _built(
        SubnetCreate, {"name": name, "prefix": prefix, "wire": wire, "scope": scope, "vlan": vlan, **fields}
    )
    _carry_out(command, f"created subnet {name} ({prefix}) on wire {wire}", as_json=as_json)


def update(
    which: Which,
    *,
    scope: Scope = "default",
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Larger, or smaller if nobody is left outside.")] = None,
    ranges: Ranges = None,
    gateway: Gateway = None,
    dns: Dns = None,
    domain: Domain = None,
    ntp: Ntp = None,
    mtu: Mtu = None,
    vlan: Vlan = None,
    routes: Routes = None,
    auto: Auto = None,
    allocation: Allocation = None,
    cooldown: Cooldown = None,
    label: Labels = None,
    clear: Annotated[
        list[Field] | None, typer.Option(help="Make this empty; ranges: all that can be allocated. Repeat.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Change a subnet; what is not given stays."""
    fields = _facts(
        ranges=ranges,
        gateway=gateway,
        dns=dns,
        domain=domain,
        ntp=ntp,
        mtu=mtu,
        routes=routes,
        auto=auto,
        allocation=allocation,
        cooldown=cooldown,
        label=label,
    )
    cleared = tuple(field.value for field in clear or ())
    fields |= {"name": name, "prefix": prefix, "vlan": vlan, "clear": cleared or None}
    if all(value is None for value in fields.values()):
        raise typer.BadParameter("nothing to change was given")
    numbers = {key: fields[key] for key in ("mtu", "vlan", "cooldown_seconds") if fields.get(key) is not None}
    _refuse_mistakes({"name": name or "as it is", "prefix": SOUND, **numbers})
    given = {"subnet": which, "scope": scope, "dry_run": dry_run or None, **fields}
    command = _built(SubnetUpdate, given)
    if dry_run:
        _carry_out(command, render_shape, as_json=as_json)
    else:
        _carry_out(command, f"updated subnet {which}", as_json=as_json)


def delete(which: Which, *, scope: Scope = "default", as_json: Json = False) -> None:
    """Delete a subnet that nobody uses."""
    command = _built(SubnetDelete, {"subnet": which, "scope": scope})
    _carry_out(command, f"deleted subnet {which}", as_json=as_json)


def _facts(
    *,
    ranges: list[str] | None,
    gateway: str | None,
    dns: list[str] | None,
    domain: str | None,
    ntp: list[str] | None,
    mtu: int | None,
    routes: list[str] | None,
    auto: bool | None,
    allocation: Order | None,
    cooldown: str | None,
    label: list[str] | None,
) -> dict[str, Any]:
    """The fields that were given, as the commands have them."""
    try:
        given = {
            "ranges": [address_range(text) for text in ranges] if ranges else None,
            "gateway": gateway,
            "dns": dns or None,
            "domain": domain,
            "ntp": ntp or None,
            "mtu": mtu,
            "routes": [route(text) for text in routes] if routes else None,
            "auto_allocate": auto,
            "allocation_order": allocation.value if allocation else None,
            "cooldown_seconds": seconds(cooldown) if cooldown else None,
            "labels": labels(label) if label else None,
        }
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return {key: value for key, value in given.items() if value is not None}


def _refuse_mistakes(fields: dict[str, Any]) -> None:
    """Say what is wrong in the words for people, before the command's model does in those for programs."""
    draft = SubnetFacts.model_construct(
        **{
            "dns": (),
            "routes": (),
            "ranges": (),
            "gateway": None,
            "mtu": None,
            "vlan": None,
            "cooldown_seconds": 0,
            **fields,
        }
    )
    mistakes = check_subnet(draft)
    if mistakes:
        with ended_well():
            first = mistakes[0]
            raise Misused(
                "; ".join(mistake.message for mistake in mistakes),
                data={"error": {"code": first.code, "field": first.field, "message": first.message}},
            )


def _built(command: Callable[..., Command], fields: dict[str, Any]) -> Command:
    given = {key: value for key, value in fields.items() if value is not None}
    with ended_well():
        try:
            return command(**given, by=operator())
        except ValidationError as error:
            raise Misused(faults_of(error)) from None


def _carry_out(
    command: Command, done: str | Callable[[dict[str, Any]], RenderableType], *, as_json: bool
) -> None:
    async def work(platform: Platform) -> dict[str, Any]:
        return await order(platform.bus, command)

    result = with_platform(work, as_json=as_json)
    present(result, lambda: Text(done) if isinstance(done, str) else done(result), as_json=as_json)
