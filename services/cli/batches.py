"""Requests for many VMs, as people write them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal
from uuid import uuid4

from pydantic import ValidationError

from services.cli.outcome import Misused
from services.cli.requests import DEFAULTS, build_request, faults_of, fields_of, merged
from shared.events.placement import VmCreateBatchRequested, VmCreateRequested

Mode = Literal["all_or_nothing", "as_many_as_fit"]
OWN = ("vms", "mode", "batch_id")
"""Fields of a batch itself; what stands beside them holds for every VM that does not say otherwise."""


def is_batch(content: dict[str, Any]) -> bool:
    """Does a file ask for many VMs?"""
    return "vms" in content


def batch_of(content: dict[str, Any], flags: dict[str, Any], source: object) -> VmCreateBatchRequested:
    """The batch in a file: `vms`, `mode`, `batch_id`, and fields for every VM. Flags win over all of them.

    Raises `Misused` naming the VM and the field.
    """
    vms = content["vms"]
    if not isinstance(vms, list) or not vms:
        raise Misused(f"{source}: vms must be a list of requests")
    if flags.keys() & {"name", "request_id"}:
        raise Misused(f"{source} asks for {len(vms)} VMs: they have names and request ids of their own")
    shared = fields_of({key: value for key, value in content.items() if key not in OWN}, source)
    requests = []
    for number, vm in enumerate(vms, 1):
        if not isinstance(vm, dict):
            raise Misused(f"{source}: VM {number} is no mapping")
        where = f"{source}: VM {number} ({vm.get('name', 'no name')})"
        try:
            requests.append(build_request(merged(merged(DEFAULTS | shared, fields_of(vm, where)), flags)))
        except Misused as error:
            raise Misused(f"{where}: {error}") from None
    return _batch(requests, content.get("mode"), content.get("batch_id"))


def numbered(request: VmCreateRequested, count: int, mode: Mode | None) -> VmCreateBatchRequested:
    """`count` VMs of one shape, their names and request ids numbered from 1."""
    return _batch(list(_copies(request, count)), mode, request.request_id)


def _copies(request: VmCreateRequested, count: int) -> Iterator[VmCreateRequested]:
    if request.guest.hostname is not None:
        raise Misused(f"{count} guests can't have one host name; left out, each has that of its VM")
    if any(nic.address is not None or nic.suffix is not None for nic in request.nics):
        raise Misused(f"{count} VMs can't have one address; leave it out")
    for number in range(1, count + 1):
        own = {"name": f"{request.name}-{number}", "request_id": f"{request.request_id}/{number}"}
        yield build_request(request.model_dump() | own)


def _batch(requests: list[VmCreateRequested], mode: object, batch_id: object) -> VmCreateBatchRequested:
    fields = {"batch_id": str(batch_id or f"cli-{uuid4()}"), "requests": requests}
    if mode is not None:
        fields["mode"] = str(mode).replace("-", "_")
    try:
        return VmCreateBatchRequested.model_validate(fields)
    except ValidationError as error:
        raise Misused(f"not a batch: {faults_of(error)}") from None
