"""The answer in the words of the contract, put together from a choice and what was reserved for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.placement.domain.deciding import Choice, Refusal
from services.placement.domain.finding import Finding, rulings
from services.placement.domain.rendering import rendered
from services.placement.domain.targets import Option
from shared.events.placement import (
    PlacedAddress,
    PlacedNic,
    PlacedWire,
    VmCreatePlaced,
    VmCreateRefused,
    VmCreateRequested,
)
from shared.model.identifiers import reservation_id

ANNOTATION = "patchbay-reservation"


def annotation(reservation: UUID) -> str:
    """The line that a VM's annotation carries, so that the VM is recognised by it."""
    return f"{ANNOTATION}: {reservation}"


def fingerprint(request: VmCreateRequested) -> str:
    """Digest of what was asked for: tells a repeated request from a different one under the same id."""
    content = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def placed(
    request: VmCreateRequested,
    choice: Choice,
    macs: Sequence[str | None],
    addresses: Sequence[str],
    *,
    now: datetime,
    facts_as_of: datetime,
    limit: int | None = None,
) -> VmCreatePlaced:
    """The answer to a request whose host and addresses are reserved; one MAC and address per NIC."""
    reservation = reservation_id(request.request_id)
    host = choice.host
    nics = tuple(
        PlacedNic(index=index, wire=_wire(option), mac=mac, addresses=(_address(option, address),))
        for index, (option, mac, address) in enumerate(zip(choice.options, macs, addresses, strict=True))
    )
    answer = VmCreatePlaced(
        request_id=request.request_id,
        reservation=reservation,
        name=request.name,
        vcenter=host.key.vcenter,
        host=host.key.moid,
        host_name=host.name,
        datacenter=host.datacenter,
        cluster=host.cluster,
        cluster_name=host.cluster_name,
        resource_pool=host.resource_pool,
        cpus=request.cpus,
        memory_mb=request.memory_mb,
        nics=nics,
        guest=request.guest,
        expires_at=now + timedelta(seconds=request.lease_seconds),
        annotation=annotation(reservation),
        explanation=rulings([*granted(request, choice, addresses), *choice.findings], limit),
        facts_as_of=facts_as_of,
    )
    return rendered(answer)


def granted(request: VmCreateRequested, choice: Choice, addresses: Sequence[str]) -> list[Finding]:
    """Why each NIC has the address it has."""
    return [
        Finding(
            "address",
            address,
            option.subnet.name,
            "wanted" if nic.address is not None else "next_free",
            True,
            f"{'asked for' if nic.address is not None else 'next free address'} of subnet "
            f"{option.subnet.name} for NIC {index}",
        )
        for index, (nic, option, address) in enumerate(
            zip(request.nics, choice.options, addresses, strict=True)
        )
    ]


def refused(request: VmCreateRequested, refusal: Refusal, limit: int | None = None) -> VmCreateRefused:
    """The answer to a request that cannot be met."""
    return VmCreateRefused(
        request_id=request.request_id,
        reason=refusal.reason,
        rulings=rulings(refusal.findings, limit),
    )


def mac_in_use(index: int, mac: str) -> Refusal:
    """Refusal of a request whose MAC somebody has."""
    because = f"MAC {mac} of NIC {index} is in use, or asked for twice; give another or let it be generated"
    return Refusal(because, (Finding("request", f"nic/{index}", mac, "mac", False, because),))


def reused(request: VmCreateRequested) -> Refusal:
    """Refusal of a request that comes under the id of an earlier, different one."""
    rule = "request_id re-used with different content"
    because = f"request id {request.request_id!r} was answered before for a different request; use a new id"
    return Refusal(because, (Finding("request", request.request_id, request.name, rule, False, because),))


def _wire(option: Option) -> PlacedWire:
    wire = option.wire
    return PlacedWire(
        id=wire.id,
        network=wire.network,
        name=wire.name,
        kind=wire.kind,
        vlan=wire.vlan,
        switch_uuid=wire.switch_uuid,
        portgroup_key=wire.portgroup_key,
    )


def _address(option: Option, address: str) -> PlacedAddress:
    subnet = option.subnet
    return PlacedAddress(
        address=address,
        prefix=subnet.prefix.prefixlen,
        subnet=subnet.id,
        subnet_name=subnet.name,
        gateway=subnet.gateway,
        dns=subnet.dns,
        domain=subnet.domain,
        ntp=subnet.ntp,
        mtu=subnet.mtu,
        routes=subnet.routes,
    )
