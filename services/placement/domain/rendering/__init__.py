"""An answer in the formats of those who carry it out: vSphere, cloud-init, NetworkManager, Ignition.

In: a vm.create.placed whose host, port groups and addresses stand. Out: the same answer with the backing of
each NIC and the guest's configuration, as plain data. Owns: nothing. The same answer always renders the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.placement.domain.rendering.cloud_init import cloud_init
from services.placement.domain.rendering.customization import customization
from services.placement.domain.rendering.devices import backing
from services.placement.domain.rendering.ignition import ignition
from services.placement.domain.rendering.network_manager import keyfiles
from services.placement.domain.rendering.plan import GuestPlan, guest_plan
from shared.events.guest_configuration import GuestConfiguration
from shared.events.placement import VmCreatePlaced

__all__ = ["GuestPlan", "guest_configuration", "guest_plan", "rendered"]


def rendered(answer: VmCreatePlaced) -> VmCreatePlaced:
    """The answer with the backing of each NIC and its guest's configuration filled in."""
    nics = tuple(nic.model_copy(update={"backing": backing(nic.wire)}) for nic in answer.nics)
    return answer.model_copy(update={"nics": nics, "guest_configuration": guest_configuration(answer)})


def guest_configuration(answer: VmCreatePlaced, macs: Mapping[int, str] | None = None) -> GuestConfiguration:
    """What the guest is to be told. `macs` by NIC: those that vCenter chose meanwhile."""
    plan = guest_plan(answer, macs or {})
    files = keyfiles(plan)
    return GuestConfiguration(
        hostname=plan.hostname,
        domain=plan.domain,
        customization=customization(plan),
        cloud_init=cloud_init(plan),
        keyfiles=files,
        ignition=ignition(plan, files),
        notes=plan.notes,
    )
