"""The answer in the words of the contract, put together from a choice and what was reserved for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.placement.domain.deciding import Choice, Refusal
from services.placement.domain.finding import Finding, rulings
from services.placement.domain.rendering import rendered
from services.placement.domain.targets import wanted_address
from services.placement.domain.world import SubnetFacts, VcenterFacts, WireFacts
from shared.events.placement import (
    Alternate,
    FactsSeen,
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
    addresses: Sequence[Sequence[str]],
    *,
    token: int,
    name_was_free: bool = True,
    now: datetime,
    vcenter: VcenterFacts,
    limit: int | None = None,
    batch: str | None = None,
) -> VmCreatePlaced:
    """The answer to a request whose host and addresses are reserved.

    A MAC for each NIC, and an address for each subnet of the NIC's option. `vcenter` is the host's.
    """
    reservation = reservation_id(request.request_id)
    host, where = choice.host, request.where
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
        resource_pool=where.resource_pool or host.resource_pool,
        folder=where.folder,
        cpus=request.cpus,
        memory_mb=request.memory_mb,
        disks=request.disks,
        nics=_nics(request, choice, macs, addresses),
        guest=request.guest,
        expires_at=now + timedelta(seconds=request.lease_seconds),
        token=token,
        annotation=annotation(reservation),
        name_was_free=name_was_free,
        groups=request.groups,
        explanation=rulings([*granted(request, choice, addresses), *choice.findings], limit),
        alternates=tuple(
            Alternate(
                vcenter=rival.host.key.vcenter,
                host=rival.host.key.moid,
                host_name=rival.host.name,
                cluster_name=rival.host.cluster_name,
                score=rival.score,
                because=rival.because,
            )
            for rival in choice.alternates
        ),
        facts_as_of=vcenter.as_of or now,
        facts_age_seconds=_age(vcenter, now) or 0.0,
        batch=batch,
    )
    return rendered(answer)


def _nics(
    request: VmCreateRequested,
    choice: Choice,
    macs: Sequence[str | None],
    addresses: Sequence[Sequence[str]],
) -> tuple[PlacedNic, ...]:
    made = zip(request.nics, choice.options, macs, addresses, strict=True)
    return tuple(
        PlacedNic(
            index=index,
            wire=_wire(option.wire),
            mac=mac,
            addresses=tuple(map(_address, option.subnets, given)),
            adapter=nic.adapter,
            physical_function=nic.physical_function,
        )
        for index, (nic, option, mac, given) in enumerate(made)
    )


def granted(request: VmCreateRequested, choice: Choice, addresses: Sequence[Sequence[str]]) -> list[Finding]:
    """Why each NIC has the addresses it has."""
    found: list[Finding] = []
    for index, (nic, option, given) in enumerate(zip(request.nics, choice.options, addresses, strict=True)):
        for subnet, address in zip(option.subnets, given, strict=True):
            wanted = wanted_address(nic, subnet) is not None
            found.append(
                Finding(
                    "address",
                    address,
                    subnet.name,
                    "wanted" if wanted else "next_free",
                    True,
                    f"{'asked for' if wanted else 'next free address'} of subnet {subnet.name} "
                    f"for NIC {index}",
                )
            )
    return found


def decided_again(lost: Sequence[str], request: VmCreateRequested) -> list[Finding]:
    """That a request was decided more than once, and what was lost to others each time."""
    if not lost:
        return []
    times = "once" if len(lost) == 1 else f"{len(lost)} times"
    because = f"decided again {times}, as others were faster: {'; '.join(dict.fromkeys(lost))}"
    return [Finding("request", request.request_id, request.name, "decided_again", True, because)]


def _age(vcenter: VcenterFacts, now: datetime) -> float | None:
    return None if vcenter.as_of is None else max((now - vcenter.as_of).total_seconds(), 0.0)


def facts_seen(vcenters: Iterable[VcenterFacts], now: datetime) -> tuple[FactsSeen, ...]:
    """How much of each vCenter is known, by name."""
    return tuple(
        FactsSeen(vcenter=v.id, name=v.name, state=v.state, as_of=v.as_of, age_seconds=_age(v, now))
        for v in sorted(vcenters, key=lambda vcenter: (vcenter.name, vcenter.id))
    )


def refused(
    request: VmCreateRequested,
    refusal: Refusal,
    limit: int | None = None,
    *,
    facts: tuple[FactsSeen, ...] = (),
    batch: str | None = None,
) -> VmCreateRefused:
    """The answer to a request that cannot be met."""
    return VmCreateRefused(
        request_id=request.request_id,
        reason=refusal.reason,
        rulings=rulings(refusal.findings, limit),
        facts=facts,
        batch=batch,
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


def _wire(wire: WireFacts) -> PlacedWire:
    return PlacedWire(
        id=wire.id,
        network=wire.network,
        name=wire.name,
        kind=wire.kind,
        vlan=wire.vlan,
        switch_uuid=wire.switch_uuid,
        portgroup_key=wire.portgroup_key,
        binding=wire.binding,
        foreign=wire.foreign,
    )


def _address(subnet: SubnetFacts, address: str) -> PlacedAddress:
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
