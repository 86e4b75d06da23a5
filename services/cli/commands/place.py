"""`patchbay place`: where can this VM go, and with which addresses?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.applying import create_as_answered
from services.cli.asking import ask
from services.cli.instance import with_platform
from services.cli.lookup import find_vcenter
from services.cli.outcome import Json, Misused, present, say
from services.cli.rendering.answers import render_answer
from services.cli.requests import build_request, mebibytes, nic_request, request_from_file, seconds
from services.cli.settings import load
from services.placement.dry_run import dry_run
from shared.events.placement import VmCreatePlaced, VmCreateRefused, VmCreateRequested
from shared.runtime.environment import Platform

Answer = VmCreatePlaced | VmCreateRefused


def place(
    name: Annotated[str | None, typer.Argument(help="Name of the VM to be.")] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Read the request from YAML or JSON; flags win over it."),
    ] = None,
    cpus: Annotated[int | None, typer.Option(help="Virtual CPUs. Default 1.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory: 4G, 512M, or MiB. Default 1G.")] = None,
    nic: Annotated[
        list[str] | None,
        typer.Option(
            "--nic", help="A NIC: a subnet's name, 'any', or subnet=…,wire=…,address=…,mac=…,family=… Repeat."
        ),
    ] = None,
    vcenter: Annotated[str | None, typer.Option(help="Only this vCenter: name or id.")] = None,
    datacenter: Annotated[str | None, typer.Option(help="Only this datacenter.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Only this cluster.")] = None,
    host: Annotated[str | None, typer.Option(help="Only this host.")] = None,
    hostname: Annotated[str | None, typer.Option(help="The guest's host name.")] = None,
    lease: Annotated[str | None, typer.Option(help="How long to hold the place: 15m, 2h.")] = None,
    request_id: Annotated[str | None, typer.Option(help="The same id gets the same answer.")] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Answer, and hold nothing.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Also create the VM as answered.")] = False,
    as_json: Json = False,
) -> None:
    """Ask for a place for a VM; exit 1 when there is none, with the reasons."""
    if dry and apply:
        raise typer.BadParameter("--dry-run and --apply exclude each other")
    try:
        flags: dict[str, Any] = {
            "name": name,
            "cpus": cpus,
            "memory_mb": mebibytes(memory) if memory else None,
            "nics": [nic_request(text) for text in nic] if nic else None,
            "lease_seconds": seconds(lease) if lease else None,
            "request_id": request_id,
            "guest": {"hostname": hostname} if hostname else None,
        }
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    where = {"datacenter": datacenter, "cluster": cluster, "host": host}

    async def work(platform: Platform) -> tuple[Answer, str | None]:
        fields = {"cpus": 1, "memory_mb": 1024, **(request_from_file(file) if file else {})}
        fields |= {key: value for key, value in flags.items() if value is not None}
        await _constrain(platform, fields, where, vcenter)
        request = build_request(fields)
        answer = await _answer(platform, request, dry=dry)
        if apply and isinstance(answer, VmCreatePlaced):
            return answer, await create_as_answered(platform, answer)
        return answer, None

    answer, moid = with_platform(work, as_json=as_json)
    data = answer.model_dump(mode="json") | ({"created": moid} if moid else {}) | {"type": answer.TYPE}
    present(data, lambda: render_answer(answer, dry=dry), as_json=as_json)
    if moid is not None:
        say(f"created {name} as {moid}; its NIC record follows when its Tools report")
    if isinstance(answer, VmCreateRefused):
        raise typer.Exit(1)


async def _constrain(
    platform: Platform, fields: dict[str, Any], where: dict[str, str | None], vcenter: str | None
) -> None:
    given = dict(fields.get("where") or {})
    given |= {key: value for key, value in where.items() if value is not None}
    wanted = vcenter or given.get("vcenter")
    if wanted is not None:
        given["vcenter"] = (await find_vcenter(platform.pool, str(wanted))).id
    if given:
        fields["where"] = given


async def _answer(platform: Platform, request: VmCreateRequested, *, dry: bool) -> Answer:
    if dry:
        return await dry_run(platform.pool, request, load().placement)
    answer = (await ask(platform.bus, request)).data
    if not isinstance(answer, VmCreatePlaced | VmCreateRefused):
        raise Misused(f"the request was answered with {answer.TYPE}; are all services of one release?")
    return answer
