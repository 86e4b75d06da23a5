"""Asking for places and acting on the answers: what `patchbay place` does once its flags are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.allocator.vm_queries import VmRow
from services.cli.applying import Account, Applied, create_all, find_template
from services.cli.asking import ask
from services.cli.batches import Mode, batch_of, is_batch, numbered
from services.cli.lookup import find_vcenter
from services.cli.outcome import Misused
from services.cli.rendering.progress import watched
from services.cli.requests import DEFAULTS, build_request, fields_of, merged
from services.cli.settings import load
from services.placement.dry_run import dry_run
from shared.events.placement import (
    VmCreateBatchAnswered,
    VmCreateBatchRequested,
    VmCreatePlaced,
    VmCreateRefused,
    VmCreateRequested,
)
from shared.runtime.environment import Platform

Answer = VmCreatePlaced | VmCreateRefused
Asked = VmCreateRequested | VmCreateBatchRequested


@dataclass(frozen=True)
class Placing:
    """What is asked for: the content of a file, the flags that win over it, constraints by name."""

    content: dict[str, Any]
    source: str
    flags: dict[str, Any]
    where: dict[str, Any] = field(default_factory=dict)
    count: int | None = None
    mode: Mode | None = None
    template: str | None = None
    account: Account | None = None


@dataclass(frozen=True)
class Placed:
    """The answers, and what became of those that were carried out."""

    answers: tuple[Answer, ...]
    batch: VmCreateBatchAnswered | None = None
    applied: tuple[Applied, ...] = ()

    @property
    def refused(self) -> bool:
        """Is any answer no?"""
        return any(isinstance(answer, VmCreateRefused) for answer in self.answers)


async def place(platform: Platform, wanted: Placing, *, dry: bool, apply: bool) -> Placed:
    """Ask, and with `apply` create what was placed. Raises `Misused` for what can't be asked."""
    content, flags = await resolved(platform, wanted)
    template = await _template(platform, wanted, content, flags) if wanted.template else None
    request = asked(content, flags, wanted)
    if dry:
        return Placed(await _dry(platform, request))
    placed = await _ask(platform, request)
    if not apply:
        return placed
    answers = [answer for answer in placed.answers if isinstance(answer, VmCreatePlaced)]
    with watched(len(answers)) as watch:
        applied = await create_all(platform, answers, watch, template=template, account=wanted.account)
    return Placed(placed.answers, placed.batch, tuple(applied))


def asked(content: dict[str, Any], flags: dict[str, Any], wanted: Placing) -> Asked:
    """The request, or the batch of requests, that file and flags mean. Raises `Misused`."""
    if is_batch(content):
        if wanted.count is not None:
            raise Misused(f"--count is for one shape of VM; {wanted.source} asks for many")
        own = {"mode": wanted.mode} if wanted.mode else {}
        return batch_of(content | own, flags, wanted.source)
    request = build_request(merged(DEFAULTS | fields_of(content, wanted.source), flags))
    return request if wanted.count is None else numbered(request, wanted.count, wanted.mode)


async def resolved(platform: Platform, wanted: Placing) -> tuple[dict[str, Any], dict[str, Any]]:
    """File and flags, with the vCenters' names turned into ids."""
    content, flags = dict(wanted.content), dict(wanted.flags)
    for part in (content, *_vms(content)):
        if isinstance(part.get("where"), dict):
            part["where"] = await _located(platform, part["where"])
    if own := await _located(platform, wanted.where):
        flags["where"] = own
    return content, flags


def _vms(content: dict[str, Any]) -> list[dict[str, Any]]:
    vms = content.get("vms")
    return [vm for vm in vms if isinstance(vm, dict)] if isinstance(vms, list) else []


async def _located(platform: Platform, where: dict[str, Any]) -> dict[str, Any]:
    if where.get("vcenter") is None:
        return dict(where)
    found = await find_vcenter(platform.pool, str(where["vcenter"]))
    if found.instance_uuid is None:
        raise Misused(f"vCenter {found.name!r} was never logged in to", hint="See: patchbay vcenter list")
    return {**where, "vcenter": found.instance_uuid}


async def _template(
    platform: Platform, wanted: Placing, content: dict[str, Any], flags: dict[str, Any]
) -> VmRow:
    """The template; the VM is then placed in its vCenter, for none can be cloned into another."""
    where = merged(content, flags).get("where") or {}
    given: UUID | None = where.get("vcenter")
    template = await find_template(platform, str(wanted.template), given)
    flags["where"] = {**flags.get("where", {}), "vcenter": template.vcenter}
    return template


async def _dry(platform: Platform, request: Asked) -> tuple[Answer, ...]:
    if isinstance(request, VmCreateBatchRequested):
        raise Misused("a dry run answers for one VM: leave out --count, or give one VM")
    return (await dry_run(platform.pool, request, load().placement),)


async def _ask(platform: Platform, request: Asked) -> Placed:
    answer = (await ask(platform.bus, request)).data
    if isinstance(answer, VmCreatePlaced | VmCreateRefused):
        return Placed((answer,))
    if isinstance(answer, VmCreateBatchAnswered):
        return Placed(_in_order(request, (*answer.placed, *answer.refused)), answer)
    raise Misused(f"the request was answered with {answer.TYPE}; are all services of one release?")


def _in_order(request: Asked, answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The answers in the order in which they were asked for."""
    if not isinstance(request, VmCreateBatchRequested):
        return tuple(answers)
    position = {one.request_id: number for number, one in enumerate(request.requests)}
    return tuple(sorted(answers, key=lambda answer: position.get(answer.request_id, len(position))))
