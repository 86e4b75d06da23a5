"""Creates a placed VM in its vCenter, exactly as answered: what `patchbay place --apply` and the demo use.

In: an open connection to the vCenter, a vm.create.placed answer, and a template to clone if wanted. Out: the
managed object id of the VM, powered on, with its guest's network configuration applied; or an error, and
nothing left behind. Owns: nothing. Provisioning systems have their own ways; this one shows that an answer is
enough.
"""

from services.cli.provisioning.connection import VcenterConnection, VcenterOutOfSight, connect
from services.cli.provisioning.creating import Progress, create_vm
from services.cli.provisioning.tasks import ProvisioningFailed

__all__ = ["Progress", "ProvisioningFailed", "VcenterConnection", "VcenterOutOfSight", "connect", "create_vm"]
