"""Creating placed VMs in their vCenters, with the accounts that those are watched with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import SecretStr

from services.allocator import vm_queries
from services.allocator.vm_queries import VmRow
from services.cli.asking import operator, order
from services.cli.names import not_known, pick
from services.cli.outcome import Ended, Refused
from services.collector import registry
from services.collector.credentials import resolve
from shared.events.commands import Complaint, ReservationCancel
from shared.events.placement import VmCreatePlaced
from shared.runtime.environment import Platform
from shared.runtime.errors import PatchbayError

if TYPE_CHECKING:
    from services.cli.provisioning import Progress, VcenterConnection

AT_ONCE = 4
"""VMs that one vCenter is asked for at the same time."""

Watch = Callable[[VmCreatePlaced], "Progress"]
"""Whom to tell how far a VM is."""


@dataclass(frozen=True)
class Account:
    """Who creates VMs, where that is not the account that the vCenter is watched with."""

    user: str
    password: SecretStr


@dataclass(frozen=True)
class Applied:
    """What became of one answer: the VM's managed object id, or why it was not created.

    `given_back` says whether its reservation was cancelled then; if not, it is held until it expires.
    """

    answer: VmCreatePlaced
    moid: str | None = None
    problem: str | None = None
    given_back: bool = False


async def find_template(platform: Platform, named: str, vcenter: UUID | None) -> VmRow:
    """The template or VM of this name or managed object id. Raises `Refused`."""
    rows = await vm_queries.list_vms(platform.pool, vcenter=vcenter)
    fitting = [row for row in rows if named in {row.name, row.moid, str(row.id)}]
    if not fitting:
        raise not_known("template", named, sorted({row.name for row in rows if row.template}))
    templates = [row for row in fitting if row.template]
    return pick(
        "template",
        named,
        templates or fitting,
        name=lambda row: row.name,
        keys=lambda row: [str(row.id), row.moid],
        where=lambda row: f"in vCenter {row.vcenter_name}",
    )


async def create_all(
    platform: Platform,
    answers: Sequence[VmCreatePlaced],
    watch: Watch,
    *,
    template: VmRow | None = None,
    account: Account | None = None,
) -> list[Applied]:
    """Create the VMs of answers; for each what became of it, in their order.

    Without an `account` that of the collector is used.
    What there is of one that can't be created is removed, and its reservation given back; the others go on.
    """
    by_vcenter: dict[UUID, list[VmCreatePlaced]] = {}
    for answer in answers:
        by_vcenter.setdefault(answer.vcenter, []).append(answer)

    done: dict[UUID, Applied] = {}

    async def in_one(vcenter: UUID, here: Sequence[VmCreatePlaced]) -> None:
        async with AsyncExitStack() as stack:
            try:
                connection = await _login(platform, vcenter, account, stack)
            except PatchbayError as error:
                done.update(await _all_given_up(platform, here, str(error)))
                return
            turn = asyncio.Semaphore(AT_ONCE)

            async def one(answer: VmCreatePlaced) -> None:
                async with turn:
                    done[answer.reservation] = await _create(
                        platform, connection, answer, watch(answer), template
                    )

            # A group, unlike gather, waits for what the cancelled ones have to clean up.
            async with asyncio.TaskGroup() as tasks:
                for answer in here:
                    tasks.create_task(one(answer))

    try:
        async with asyncio.TaskGroup() as vcenters:
            for vcenter, here in by_vcenter.items():
                vcenters.create_task(in_one(vcenter, here))
    except asyncio.CancelledError:
        # Interrupted: what the VMs were to have must not wait for their leases to end.
        rest = [answer for answer in answers if answer.reservation not in done]
        await asyncio.shield(_all_given_up(platform, rest, "interrupted"))
        raise
    return [done[answer.reservation] for answer in answers]


async def _login(
    platform: Platform, vcenter: UUID, account: Account | None, stack: AsyncExitStack
) -> VcenterConnection:
    from services.cli.provisioning import connect  # noqa: PLC0415  pyVmomi; few commands create VMs

    known = await registry.get(platform.pool, vcenter)
    if account is None:
        user = resolve(known.user_ref, what=f"the user of vCenter {known.name!r}")
        password = resolve(known.password_ref, what=f"the password of vCenter {known.name!r}")
        account = Account(user.get_secret_value(), password)
    opening = connect(
        known.url,
        user=account.user,
        password=account.password,
        tls=known.tls,
        tls_detail=known.tls_detail,
        proxy=known.proxy,
    )
    return await stack.enter_async_context(opening)


async def _create(
    platform: Platform,
    connection: VcenterConnection,
    answer: VmCreatePlaced,
    progress: Progress,
    template: VmRow | None,
) -> Applied:
    from services.cli.provisioning import create_vm  # noqa: PLC0415  pyVmomi

    try:
        moid = await create_vm(
            connection, answer, template=template.moid if template else None, on_progress=progress
        )
    except PatchbayError as error:
        progress(f"did not create {answer.name}", 100)
        return await _given_up(platform, answer, str(error))
    return Applied(answer, moid=moid)


async def _all_given_up(
    platform: Platform, answers: Sequence[VmCreatePlaced], problem: str
) -> dict[UUID, Applied]:
    return {answer.reservation: await _given_up(platform, answer, problem) for answer in answers}


async def _given_up(platform: Platform, answer: VmCreatePlaced, problem: str) -> Applied:
    cancel = ReservationCancel(
        reservation=answer.reservation,
        note=f"not created: {problem}"[:500],
        token=answer.token or None,
        by=operator(),
    )
    try:
        await order(platform.bus, cancel)
    except (Ended, PatchbayError) as error:
        # Seen by the collector before it was removed again: its addresses go the way of the VM.
        confirmed = isinstance(error, Ended) and _code(error) == "already_confirmed"
        return Applied(answer, problem=problem, given_back=confirmed)
    return Applied(answer, problem=problem, given_back=True)


def _code(ended: Ended) -> str | None:
    error = ended.data.get("error") if isinstance(ended.data, dict) else None
    return error.code if isinstance(error, Complaint) else None


def complaint(applied: Sequence[Applied]) -> Refused | None:
    """What to say when not every VM was created."""
    failed = [one for one in applied if one.problem is not None]
    if not failed:
        return None
    first = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    kept = [one for one in failed if not one.given_back]
    hint = (
        "Nothing is left of it in the vCenter, and its host and addresses are free again."
        if not kept
        else f"The reservation is held until {kept[0].answer.expires_at:%H:%M:%S} UTC; give it back with: "
        f"patchbay reservation cancel {kept[0].answer.reservation}"
    )
    return Refused(
        f"{first.answer.name} was not created{more}: {first.problem}",
        hint=hint,
        data={
            "error": {"code": "not_created", "message": first.problem},
            "vms": [as_json(one) for one in applied],
        },
    )


def as_json(one: Applied) -> dict[str, object]:
    """One outcome for `--json`."""
    return {
        "answer": one.answer.model_dump(mode="json", exclude_none=True),
        "created": one.moid,
        "problem": one.problem,
        "reservation_given_back": one.given_back,
    }
