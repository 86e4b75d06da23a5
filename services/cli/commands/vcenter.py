"""`patchbay vcenter`: the vCenters to watch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from services.cli.asking import operator, order
from services.cli.commands import vcenter_mapping
from services.cli.credentials import (
    environment_reference,
    file_reference,
    forget_password,
    keep_password,
)
from services.cli.instance import chosen, ended_well, with_platform
from services.cli.lookup import find_vcenter
from services.cli.noting import noted
from services.cli.outcome import Json, Misused, present, say
from services.cli.rendering.tables import add as add_row
from services.cli.rendering.tables import table
from services.cli.settings import load
from services.collector import registry
from services.collector.checking import SKEW_SECONDS, Check, clock_words
from services.collector.checking import check as check_vcenter
from services.collector.registry import NewVcenter, Vcenter
from services.collector.vsphere.endpoint import TlsMode
from services.collector.vsphere.proxies import DIRECT
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
app.command()(vcenter_mapping.mapping)

Which = Annotated[str, typer.Argument(help="Name, id or instance UUID of the vCenter.")]
_STYLES = {"watching": "green", "lost": "bold red", "held": "yellow", "paused": "bright_black"}


User = Annotated[str | None, typer.Option(help="The account to log in with.")]
UserEnv = Annotated[
    str | None, typer.Option(metavar="NAME", help="… or the environment variable that holds its name.")
]
PasswordEnv = Annotated[
    str | None, typer.Option(metavar="NAME", help="Environment variable with the password.")
]
PasswordFile = Annotated[Path | None, typer.Option(metavar="PATH", help="File with the password.")]
CaFile = Annotated[Path | None, typer.Option(metavar="PATH", help="CA certificates to verify it with.")]
Thumbprint = Annotated[
    str | None, typer.Option(metavar="SHA256", help="Accept this certificate and no other.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Accept any certificate. Not for production.")]
ThroughProxy = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="HTTP proxy on the way to it; env:NAME or file:PATH if its URL holds a password; 'direct' for "
        "none; 'environment' for what HTTPS_PROXY and NO_PROXY say, as when this is not given.",
    ),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    url: Annotated[str, typer.Argument(help="Its address: vcenter.example.com or https://…:443/sdk.")],
    *,
    user: User = None,
    user_env: UserEnv = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    thumbprint: Thumbprint = None,
    insecure: Insecure = False,
    proxy: ThroughProxy = None,
    scope: Annotated[str, typer.Option(help="Address space of its VMs' addresses.")] = "default",
    as_json: Json = False,
) -> None:
    """Register a vCenter. A password not named by a variable or file is asked for, and kept in a file."""
    tls, tls_detail = _tls(ca_file, thumbprint, insecure=insecure) or ("verify", None)
    user_ref = _user(user, user_env)
    if user_ref is None:
        raise typer.BadParameter("give one of --user and --user-env")
    given = _given_password(password_env, password_file)
    typed = "" if given else str(typer.prompt(f"Password for {name}", hide_input=True, err=True))

    async def work(platform: Platform) -> Vcenter:
        # Before the password is kept: that of another vCenter of this name must not be overwritten.
        await _name_is_free(platform, name)
        reference = given or keep_password(_secrets(), name, typed)
        try:
            new = NewVcenter(name, url, user_ref, reference, tls, tls_detail, scope, _proxy(proxy))
            added = await registry.add(platform.pool, new)
        except PermanentError:
            forget_password(_secrets(), reference)
            raise
        await noted(platform.pool, "vcenter.add", f"vcenter/{added.id}", asdict(new))
        return added

    added = with_platform(work, as_json=as_json)
    present(_plain(added), lambda: Text(f"added {added.name} ({added.url})"), as_json=as_json)
    say(f"Test it with: patchbay vcenter check {added.name}")


@app.command()
def change(
    which: Which,
    *,
    name: Annotated[str | None, typer.Option(help="What to call it from now on.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Its new address; the same vCenter has to answer there.")
    ] = None,
    user: User = None,
    user_env: UserEnv = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    ask_password: Annotated[
        bool, typer.Option("--ask-password", help="Type a new password, which is kept in a file.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify its certificate against the system's authorities.")
    ] = False,
    ca_file: CaFile = None,
    thumbprint: Thumbprint = None,
    insecure: Insecure = False,
    proxy: ThroughProxy = None,
    scope: Annotated[str | None, typer.Option(help="Address space of its VMs' addresses.")] = None,
    as_json: Json = False,
) -> None:
    """Change how a vCenter is reached or called; what is not given stays. The collector logs in anew."""
    changes: dict[str, Any] = {"name": name, "url": url, "scope": scope, "user_ref": _user(user, user_env)}
    changes = {field: value for field, value in changes.items() if value is not None}
    tls = _tls(ca_file, thumbprint, insecure=insecure, verify=verify)
    if tls is not None:
        changes["tls"], changes["tls_detail"] = tls
    if proxy is not None:
        changes["proxy"] = _proxy(proxy)
    given = _given_password(password_env, password_file)
    if given is not None and ask_password:
        raise typer.BadParameter("give one of --password-env, --password-file and --ask-password")
    if not (changes or given or ask_password):
        raise typer.BadParameter("say what to change")
    typed = str(typer.prompt("New password", hide_input=True, err=True)) if ask_password else ""

    async def work(platform: Platform) -> Vcenter:
        found = await find_vcenter(platform.pool, which)
        if name is not None and name != found.name:
            await _name_is_free(platform, name)
        if given or ask_password:
            changes["password_ref"] = given or keep_password(_secrets(), name or found.name, typed)
        changed = await registry.change(platform.pool, found.id, **changes)
        asked = {"vcenter": found.name, **changes}
        await noted(platform.pool, "vcenter.change", f"vcenter/{found.id}", asked)
        if changed.password_ref != found.password_ref:
            forget_password(_secrets(), found.password_ref)
        elif given or ask_password:
            # The same place holds another password: nothing else tells the collector to try it at once.
            await registry.request_resync(platform.pool, found.id)
        return changed

    changed = with_platform(work, as_json=as_json)
    present(_plain(changed), lambda: Text(f"changed {changed.name} ({changed.url})"), as_json=as_json)
    say(f"Test it with: patchbay vcenter check {changed.name}")


async def _name_is_free(platform: Platform, name: str) -> None:
    if any(row.name == name for row in await registry.all_vcenters(platform.pool)):
        raise Misused(
            f"there is a vCenter called {name!r} already",
            hint=f"Choose another name, or remove it first: patchbay vcenter remove {name}",
        )


def _tls(
    ca_file: Path | None, thumbprint: str | None, *, insecure: bool, verify: bool = False
) -> tuple[TlsMode, str | None] | None:
    if sum((ca_file is not None, thumbprint is not None, insecure, verify)) > 1:
        raise typer.BadParameter("give one of --ca-file, --thumbprint and --insecure")
    if ca_file is not None:
        return "ca_file", str(ca_file.expanduser().absolute())
    if thumbprint is not None:
        return "thumbprint", thumbprint
    if insecure:
        return "insecure", None
    return ("verify", None) if verify else None


def _proxy(given: str | None) -> str | None:
    """What is registered for `--proxy`: a reference, "direct", or nothing for what the environment says."""
    if given is None or given == "environment":
        return None
    if given == DIRECT or given.startswith(("env:", "file:")):
        return given
    return f"text:{given}"


def _user(user: str | None, user_env: str | None) -> str | None:
    if user is not None and user_env is not None:
        raise typer.BadParameter("give one of --user and --user-env")
    with ended_well():
        return f"text:{user}" if user is not None else environment_reference(user_env) if user_env else None


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
        removed = await registry.remove(platform.pool, found.id)
        await noted(platform.pool, "vcenter.remove", f"vcenter/{found.id}", {"vcenter": found.name})
        return removed

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
def resync(
    which: Which,
    *,
    datacenter: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this datacenter: its name or managed object id.")
    ] = None,
    vm: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this VM: its name or managed object id.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a vCenter anew: all of it by a new login, or tell one datacenter or one VM again."""
    if datacenter is not None and vm is not None:
        raise typer.BadParameter("give one of --datacenter and --vm")
    command = partial(VcenterResync, datacenter=datacenter, vm=vm)
    what = f"{datacenter or vm} is read again" if datacenter or vm else "is read anew"
    _order(which, command, what, as_json=as_json)


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
    present({"vcenter": found.name, **result}, lambda: Text(f"{found.name}: {done}"), as_json=as_json)


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
        "suppressed": row.suppressed,
        "clock_skew_seconds": row.clock_skew_seconds,
        "tls": row.tls,
        "proxy": (row.proxy or "environment").removeprefix("text:"),
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
        add_row(grid, row.name, state, row.state_at, row.epoch, row.tls, row.scope, row.url, _detail(row))
    return grid


def _detail(row: Vcenter) -> str:
    skew = row.clock_skew_seconds or 0.0
    return "; ".join(filter(None, (row.state_detail, clock_words(skew) if abs(skew) > SKEW_SECONDS else "")))


def _checks(checks: list[Check]) -> RenderableType:
    grid = table("", "check", "found", "remedy")
    for item in checks:
        mark = Text("✓", style="green") if item.ok else Text("✗", style="bold red")
        add_row(grid, mark, item.name, item.detail, "" if item.ok else item.remedy)
    return grid
