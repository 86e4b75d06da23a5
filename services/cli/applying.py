"""Creating a placed VM in its vCenter, with the account that the vCenter is watched with."""

from __future__ import annotations

from services.cli.outcome import Refused, say
from services.cli.provisioning import ProvisioningFailed, connect, create_vm
from services.collector import registry
from services.collector.credentials import resolve
from shared.events.placement import VmCreatePlaced
from shared.runtime.environment import Platform
from shared.runtime.errors import PatchbayError


async def create_as_answered(platform: Platform, placed: VmCreatePlaced) -> str:
    """Create the VM of an answer; its managed object id.

    Raises `Refused` when the vCenter will not: the reservation is then still held, and the hint says so.
    """
    vcenter = await registry.get(platform.pool, placed.vcenter)
    user = resolve(vcenter.user_ref, what=f"the user of vCenter {vcenter.name!r}")
    password = resolve(vcenter.password_ref, what=f"the password of vCenter {vcenter.name!r}")
    try:
        async with connect(
            vcenter.url,
            user=user.get_secret_value(),
            password=password,
            tls=vcenter.tls,
            tls_detail=vcenter.tls_detail,
        ) as connection:
            return await create_vm(connection, placed, on_progress=say)
    except (ProvisioningFailed, PatchbayError) as error:
        raise Refused(
            f"vCenter {vcenter.name!r} did not create {placed.name}: {error}",
            hint=f"The reservation is held until {placed.expires_at:%H:%M:%S} UTC; give it back with: "
            f"patchbay reservation cancel {placed.reservation}",
            data={"error": {"code": "not_created", "message": str(error)}, "answer": placed},
        ) from None
