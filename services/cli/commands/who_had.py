"""`patchbay who-had` and `patchbay nic history`: which device had which address, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from services.allocator.tenure_queries import Had
from services.allocator.tenure_queries import nic_history as history_of
from services.allocator.tenure_queries import who_had as holders_of
from services.cli.instance import with_platform
from services.cli.moments import past_moment
from services.cli.outcome import Json, Refused, present
from services.cli.rendering.tables import add, cell, table
from services.cli.selecting import canonical_address
from shared.runtime.environment import Platform

At = Annotated[
    str | None,
    typer.Option(
        "--at",
        help="Only who had it then: '2026-11-03 14:00', 'yesterday 14:00', tuesday, 2h (ago). "
        "Without a zone it is this machine's time, as in tables.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many, the newest.")]
_STYLES = {"stated": "cyan", "reserved": "magenta"}


def who_had(
    address: Annotated[str, typer.Argument(help="IPv4 or IPv6 address.")],
    *,
    at: At = None,
    scope: Annotated[str | None, typer.Option(help="Only this address space.")] = None,
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """Say which VMs and devices had an address, now or then, from when to when."""
    try:
        wanted = canonical_address(address)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ADDRESS") from None
    moment = _moment(at)

    async def work(platform: Platform) -> list[Had]:
        rows = await holders_of(platform.pool, wanted, at=moment, scope=scope, limit=limit)
        if not rows:
            raise _nobody(wanted, moment, scope)
        return rows

    rows = with_platform(work, as_json=as_json)
    present({"address": wanted, "at": moment, "had": rows}, lambda: _render(rows), as_json=as_json)


def nic_history(
    which: Annotated[str, typer.Argument(help="Name, managed object id or id of the VM.")],
    *,
    at: At = None,
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """Show the addresses that a VM's devices had, from when to when."""
    moment = _moment(at)

    async def work(platform: Platform) -> list[Had]:
        return await history_of(platform.pool, which, at=moment, limit=limit)

    rows = with_platform(work, as_json=as_json)
    present({"vm": which, "at": moment, "had": rows}, lambda: _render(rows), as_json=as_json)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return past_moment(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None


def _nobody(address: str, moment: datetime | None, scope: str | None) -> Refused:
    when = "ever" if moment is None else f"at {cell(moment)}"
    where = "" if scope is None else f" in scope {scope!r}"
    return Refused(
        f"nobody was seen with {address}{where} {when}",
        hint=f"see all its time with: patchbay who-had {address}" if moment else None,
        data={"address": address, "at": moment, "had": []},
    )


def _render(rows: list[Had]) -> RenderableType:
    if not rows:
        return Text("none of its devices was ever seen with an address")
    scopes = len({row.scope for row in rows}) > 1
    grid = table(
        *("address", *(("scope",) if scopes else ()), "vm", "device", "mac", "wire", "how", "from", "to"),
        spare=("device",),
    )
    for row in rows:
        how = f"{row.how} by {row.by}" if row.by else row.how
        add(
            grid,
            row.address,
            *((row.scope,) if scopes else ()),
            *(Text(row.vm_name, style="bold"), row.device_key, row.mac, row.wire_name),
            *(Text(how, style=_STYLES.get(row.how, "")), row.since, row.until or Text("now", style="green")),
        )
    return grid
