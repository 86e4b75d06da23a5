"""`patchbay vcenter`: the vCenters to watch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from services.cli.asking import operator, order
from services.cli.credentials import (
    environment_reference,
    file_reference,
    forget_password,
    keep_password,
)
from services.cli.instance import chosen, ended_well, with_platform
from services.cli.lookup import find_vcenter
from services.cli.outcome import Json, Misused, present, say
from services.cli.rendering.tables import add as add_row
from services.cli.rendering.tables import table
from services.cli.settings import load
from services.collector import registry
from services.collector.checking import Check
from services.collector.checking import check as check_vcenter
from services.collector.registry import NewVcenter, Vcenter
from services.collector.vsphere.endpoint import TlsMode
from shared.events.commands import (
    Command,
    VcenterPause,
    VcenterReleaseBrake,
    VcenterResume,
    VcenterResync,
)
from shared.runtime.environment import Platform
from shared.runtime.errors import PermanentError

app = typer.Typer(no_args_is_help=True, help="The vCenters to watch.")

Which = Annotated[str, typer.Argument(help="Name, id or instance UUID of the vCenter.")]
_STYLES = {"watching": "green", "lost": "bold red", "held": "yellow", "paused": "bright_black"}


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    url: Annotated[str, typer.Argument(help="Its address: vcenter.example.com or https://…:443/sdk.")],
    *,
    user: Annotated[str | None, typer.Option(help="The account to log in with.")] = None,
    user_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="… or the environment variable that holds its name.")
    ] = None,
    password_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable with the password.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="File with the password.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="CA certificates to verify it with.")
    ] = None,
    thumbprint: Annotated[
        str | None, typer.Option(metavar="SHA256", help="Accept this certificate and no other.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Accept any certificate. Not for production.")
    ] = False,
    scope: Annotated[str, typer.Option(help="Address space of its subnets.")] = "default",
    as_json: Json = False,
) -> None:
    """Register a vCenter. A password not named by a variable or file is asked for, and kept in a file."""
    tls, tls_detail = _tls(ca_file, thumbprint, insecure=insecure)
    user_ref = _user(user, user_env)

    given = _given_password(password_env, password_file)
    typed = "" if given else str(typer.prompt(f"Password for {name}", hide_input=True, err=True))

    async def work(platform: Platform) -> Vcenter:
        # Before the password is kept: that of another vCenter of this name must not be overwritten.
        await _name_is_free(platform, name)
        reference = given or keep_password(_secrets(), name, typed)
        try:
            new = NewVcenter(name, url, user_ref, reference, tls, tls_detail, scope)
            return await registry.add(platform.pool, new)
        except PermanentError:
            forget_password(_secrets(), reference)
            raise

    added = with_platform(work, as_json=as_json)
    present(_plain(added), lambda: Text(f"added {added.name} ({added.url})"), as_json=as_json)
    say(f"Test it with: patchbay vcenter check {added.name}")


async def _name_is_free(platform: Platform, name: str) -> None:
    if any(row.name == name for row in await registry.all_vcenters(platform.pool)):
        raise Misused(
            f"there is a vCenter called {name!r} already",
            hint=f"Choose another name, or remove it first: patchbay vcenter remove {name}",
        )


def _tls(ca_file: Path | None, thumbprint: str | None, *, insecure: bool) -> tuple[TlsMode, str | None]:
    if sum((ca_file is not None, thumbprint is not None, insecure)) > 1:
        raise typer.BadParameter("give one of --ca-file, --thumbprint and --insecure")
    if ca_file is not None:
        return "ca_file", str(ca_file.expanduser().absolute())
    if thumbprint is not None:
        return "thumbprint", thumbprint
    return ("insecure", None) if insecure else ("verify", None)


def _user(user: str | None, user_env: str | None) -> str:
    if (user is None) == (user_env is None):
        raise typer.BadParameter("give one of --user and --user-env")
    with ended_well():
        return f"text:{user}" if user is not None else environment_reference(user_env or "")


def _given_password(from_env: str | None, from_file: Path | None) -> str | None:
    if from_env is not None and from_file is not None:
        raise typer.BadParameter("give one of --password-env and --password-file")
    with ended_well():
        if from_env is not None:
            return environment_reference(from_env)
        return file_reference(from_file) if from_file is not None else None


def _secrets() -> Path:
    return chosen(load()).data_dir / "secrets"


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the registered vCenters and how each one stands."""
    rows = with_platform(lambda platform: registry.all_vcenters(platform.pool), as_json=as_json)
    present([_plain(row) for row in rows], lambda: _render(rows), as_json=as_json)


@app.command()
def remove(which: Which, as_json: Json = False) -> None:
    """Stop watching a vCenter. What is known of it stays."""

    async def work(platform: Platform) -> Vcenter:
        found = await find_vcenter(platform.pool, which)
        return await registry.remove(platform.pool, found.id)

    removed = with_platform(work, as_json=as_json)
    forget_password(_secrets(), removed.password_ref)
    present(
        _plain(removed),
        lambda: Text(f"{removed.name} is no longer watched; its wires, subnets and records stay"),
        as_json=as_json,
    )


@app.command()
def check(which: Which, as_json: Json = False) -> None:
    """Test address, TLS, login, privileges and clock, each with its remedy; exit 1 when one fails."""

    async def work(platform: Platform) -> list[Check]:
        return await check_vcenter(await find_vcenter(platform.pool, which))

    checks = with_platform(work, as_json=as_json)
    present(checks, lambda: _checks(checks), as_json=as_json)
    if not all(item.ok for item in checks):
        raise typer.Exit(1)


@app.command()
def resync(which: Which, as_json: Json = False) -> None:
    """Read the whole vCenter anew."""
    _order(which, VcenterResync, "is read anew", as_json=as_json)


@app.command()
def pause(which: Which, as_json: Json = False) -> None:
    """Stop watching a vCenter until it is resumed."""
    _order(which, VcenterPause, "is paused", as_json=as_json)


@app.command()
def resume(which: Which, as_json: Json = False) -> None:
    """Watch a paused vCenter again."""
    _order(which, VcenterResume, "is watched again", as_json=as_json)


@app.command("release-brake")
def release_brake(which: Which, as_json: Json = False) -> None:
    """Let the sweep that the brake holds go on: what the vCenter no longer has is then removed."""
    _order(which, VcenterReleaseBrake, "may sweep", as_json=as_json)


def _order(which: str, command: Callable[..., Command], done: str, *, as_json: bool) -> None:
    async def work(platform: Platform) -> tuple[Vcenter, dict[str, Any]]:
        found = await find_vcenter(platform.pool, which)
        target = found.instance_uuid or found.id
        return found, await order(platform.bus, command(vcenter=target, by=operator()))

    found, result = with_platform(work, as_json=as_json)
    present({"vcenter": found.name, **result}, lambda: Text(f"{found.name} {done}"), as_json=as_json)


def _plain(row: Vcenter) -> dict[str, Any]:
    return {
        "name": row.name,
        "url": row.url,
        "id": row.id,
        "instance_uuid": row.instance_uuid,
        "state": row.state,
        "state_detail": row.state_detail,
        "state_at": row.state_at,
        "epoch": row.epoch,
        "paused": row.paused,
        "held": row.held,
        "tls": row.tls,
        "scope": row.scope,
        "user": row.user_ref,
        "password": row.password_ref,
        "added_at": row.added_at,
    }


def _render(rows: list[Vcenter]) -> RenderableType:
    if not rows:
        return Text("no vCenter is registered; add one with: patchbay vcenter add NAME URL --user …")
    grid = table("name", "state", "since", "epoch", "tls", "scope", "url", "detail", right=("epoch",))
    for row in rows:
        state = Text(row.state, style=_STYLES.get(row.state, ""))
        add_row(grid, row.name, state, row.state_at, row.epoch, row.tls, row.scope, row.url, row.state_detail)
    return grid


def _checks(checks: list[Check]) -> RenderableType:
    grid = table("", "check", "found", "remedy")
    for item in checks:
        mark = Text("✓", style="green") if item.ok else Text("✗", style="bold red")
        add_row(grid, mark, item.name, item.detail, "" if item.ok else item.remedy)
    return grid
