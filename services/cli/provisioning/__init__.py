"""Creates a placed VM in its vCenter, exactly as answered: what `patchbay place --apply` and the demo use.

In: an open connection to the vCenter and a vm.create.placed answer. Out: the managed object id of the VM,
powered on, with its guest's network configuration applied; or an error, and nothing left behind.
Owns: nothing. Provisioning systems have their own ways; this one shows that an answer is enough.
"""

from services.cli.provisioning.connection import VcenterConnection, VcenterOutOfSight, connect
from services.cli.provisioning.creating import create_vm
from services.cli.provisioning.tasks import ProvisioningFailed

__all__ = ["ProvisioningFailed", "VcenterConnection", "VcenterOutOfSight", "connect", "create_vm"]
