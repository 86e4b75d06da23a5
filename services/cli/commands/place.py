"""`patchbay place`: where can this VM go, and with which addresses?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from pydantic_core import to_jsonable_python

from services.allocator.sight import Sight, read_sights
from services.cli import placing
from services.cli.applying import as_json as applied_as_json
from services.cli.applying import complaint
from services.cli.commands import place_options as option
from services.cli.credentials import account
from services.cli.foreseeing import Elsewhere, place_without, room_for
from services.cli.instance import with_platform
from services.cli.outcome import Json, end, present, say
from services.cli.placing import Placed, Placing
from services.cli.rendering.answers import render_answer, render_placed
from services.cli.rendering.forecasts import render_elsewhere, render_room
from services.cli.rendering.sight import with_sight
from services.cli.requests import disk, file_content, labels, mebibytes, nic_request, peer, seconds
from services.placement.what_if import Room
from shared.events.placement import VmCreateRefused
from shared.runtime.environment import Platform


def place(
    name: option.Name = None,
    *,
    file: option.File = None,
    cpus: option.Cpus = None,
    memory: option.Memory = None,
    nic: option.Nic = None,
    disks: option.DiskNeed = None,
    vcenter: option.Vcenter = None,
    datacenter: option.Datacenter = None,
    cluster: option.Cluster = None,
    host: option.Host = None,
    pool: option.Pool = None,
    folder: option.Folder = None,
    require: option.Require = None,
    prefer: option.Prefer = None,
    near: option.Near = None,
    apart: option.Apart = None,
    group: option.Group = None,
    hostname: option.Hostname = None,
    os: option.Os = None,
    domain: option.Domain = None,
    search: option.Search = None,
    dns: option.Dns = None,
    time_zone: option.TimeZone = None,
    count: option.Count = None,
    as_many_as_fit: option.AsManyAsFit = False,
    lease: option.Lease = None,
    priority: option.Priority = None,
    request_id: option.RequestId = None,
    fit: option.Fit = False,
    without_host: option.WithoutHost = None,
    dry: option.Dry = False,
    apply: option.Apply = False,
    template: option.Template = None,
    as_user: option.AsUser = None,
    password_env: option.PasswordEnv = None,
    password_file: option.PasswordFile = None,
    as_json: Json = False,
) -> None:
    """Ask for a place for a VM, or for many; exit 1 when there is none, with the reasons."""
    if apply and (dry or fit or without_host):
        other = "--dry-run" if dry else "--fit" if fit else "--without-host"
        raise typer.BadParameter(f"{other} and --apply exclude each other: one only tells, one creates VMs")
    if not apply and (template or as_user or password_env or password_file):
        raise typer.BadParameter("--template, --as-user and its password are for --apply; give it, too")
    try:
        flags = _given(
            name=name,
            cpus=cpus,
            memory_mb=mebibytes(memory) if memory else None,
            nics=[nic_request(text) for text in nic or ()],
            disks=[disk(text) for text in disks or ()],
            groups=group,
            lease_seconds=seconds(lease) if lease else None,
            priority=priority,
            request_id=request_id,
            guest=_given(
                hostname=hostname, os=os, domain=domain, search_domains=search, dns=dns, time_zone=time_zone
            ),
        )
        where = _given(
            vcenter=vcenter,
            datacenter=datacenter,
            cluster=cluster,
            host=host,
            resource_pool=pool,
            folder=folder,
            required_labels=labels(require or ()),
            preferred_labels=labels(prefer or ()),
            affinity=[peer(text, required=True) for text in near or ()],
            anti_affinity=[peer(text, required=True) for text in apart or ()],
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    def wanted() -> Placing:
        return Placing(
            content=file_content(file) if file else {},
            source=str(file or "the request"),
            flags={"name": "any"} | flags if fit and file is None else flags,
            where=where,
            count=count,
            mode="as_many_as_fit" if as_many_as_fit else None,
            template=template,
            account=account(as_user, password_env, password_file),
        )

    if fit or without_host:
        _foresee(wanted, fit=fit, without=without_host or [], as_json=as_json)
        return

    async def work(platform: Platform) -> Placed:
        return await placing.place(platform, wanted(), dry=dry, apply=apply)

    placed = with_platform(work, as_json=as_json)
    _show(placed, dry=dry, as_json=as_json)


def _foresee(wanted: Callable[[], Placing], *, fit: bool, without: list[str], as_json: bool) -> None:
    async def work(platform: Platform) -> tuple[Room | Elsewhere | VmCreateRefused, list[Sight]]:
        asking = room_for if fit else place_without
        return await asking(platform, wanted(), without), await read_sights(platform.pool)

    found, sights = with_platform(work, as_json=as_json)
    if not isinstance(found, VmCreateRefused):
        shown = render_room(found) if isinstance(found, Room) else render_elsewhere(found)
        data = {**to_jsonable_python(found), "sight": sights}
        present(data, lambda: with_sight(shown, sights), as_json=as_json)
    else:
        data = {"type": found.TYPE, **found.model_dump(mode="json")}
        present(data, lambda: render_answer(found, dry=True), as_json=as_json)
        raise typer.Exit(1)


def _given(**values: Any) -> dict[str, Any]:
    """What was said: neither None nor empty."""
    return {key: value for key, value in values.items() if value not in (None, [], {}, ())}


def _show(placed: Placed, *, dry: bool, as_json: bool) -> None:
    failed = complaint(placed.applied)
    if failed is not None:
        raise end(failed, as_json=as_json)
    present(_data(placed), lambda: render_placed(placed.answers, placed.batch, dry=dry), as_json=as_json)
    for one in placed.applied:
        say(f"created {one.answer.name} as {one.moid}; its NIC record follows when the collector has seen it")
    if placed.refused:
        raise typer.Exit(1)


def _data(placed: Placed) -> object:
    """For `--json`: one answer as it is; of a batch its answer, and what was created."""
    created = {one.answer.request_id: one.moid for one in placed.applied}
    if placed.batch is not None:
        return {
            "type": placed.batch.TYPE,
            "batch_id": placed.batch.batch_id,
            "reason": placed.batch.reason,
            "vms": [applied_as_json(one) for one in placed.applied],
            "answers": [
                {"type": answer.TYPE, **answer.model_dump(mode="json", exclude_none=True)}
                for answer in placed.answers
            ],
        }
    answer = placed.answers[0]
    data = answer.model_dump(mode="json") | {"type": answer.TYPE}
    return data | ({"created": created[answer.request_id]} if created else {})
