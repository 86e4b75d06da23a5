"""From an answer's guest configuration to vSphere's customization of the guest."""

from __future__ import annotations

from typing import Any

from services.cli.provisioning.json_notation import from_json
from services.cli.provisioning.tasks import ProvisioningFailed
from shared.events.placement import VmCreatePlaced


def specification(placed: VmCreatePlaced) -> Any:
    """The answer's CustomizationSpec. Raises `ProvisioningFailed` for an answer without one."""
    if placed.guest_configuration is None:
        raise ProvisioningFailed(
            f"the answer to {placed.request_id} carries no guest configuration", code="not_rendered"
        )
    try:
        return from_json(placed.guest_configuration.customization)
    except (TypeError, ValueError) as error:
        raise ProvisioningFailed(
            f"the answer's CustomizationSpec is none: {error}", code="not_rendered"
        ) from None
