"""From answers to pyVmomi's objects, away from any vCenter."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from services.cli.provisioning import ProvisioningFailed
from services.cli.provisioning.agreeing import connected_as_answered
from services.cli.provisioning.customizing import specification
from services.cli.provisioning.devices import added_disks, added_nics, removed_nics
from services.cli.provisioning.json_notation import from_json
from services.cli.provisioning.places import Datastore, Place
from services.placement.domain.rendering import rendered
from shared.events.inventory import ForeignNetwork
from shared.events.placement import Disk
from shared.runtime.errors import PermanentError
from tests.unit.placement.rendering.answers import STORAGE, WEB, placed

_device: Any = vim.vm.device
PLACE = Place(None, None, None, (Datastore("gold", 9, None), Datastore("tin", 1, None)))


def test_the_notation_becomes_objects_of_their_types() -> None:
    made = from_json(
        {"_typeName": "CustomizationSpec", "nicSettingMap": [{"_typeName": "CustomizationAdapterMapping"}]}
    )
    assert type(made) is vim.vm.customization.Specification
    assert type(made.nicSettingMap[0]) is vim.vm.customization.AdapterMapping


@pytest.mark.parametrize(
    ("content", "error", "complaint"),
    [
        ({"_typeName": "CustomizationSpce"}, ValueError, "no type 'CustomizationSpce'"),
        ({"hostName": "x"}, ValueError, "no type"),
        ({"_typeName": "CustomizationSpec", "nics": []}, ValueError, "no field 'nics'"),
        ({"_typeName": "CustomizationFixedName", "name": 3}, TypeError, "name"),
        (
            {"_typeName": "CustomizationSpec", "identity": {"_typeName": "CustomizationFixedIp"}},
            TypeError,
            "identity",
        ),
    ],
)
def test_what_the_api_does_not_have_is_an_error(
    content: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        from_json(content)


def test_an_answer_without_a_guest_is_not_created() -> None:
    with pytest.raises(ProvisioningFailed, match="no guest configuration"):
        specification(placed(WEB))


def test_nics_are_as_answered() -> None:
    answer = rendered(placed(WEB, STORAGE))
    pinned = answer.nics[0].model_copy(update={"adapter": "sriov", "physical_function": "0000:81:00.0"})
    first, second = (change.device for change in added_nics([pinned, answer.nics[1]]))
    assert type(first) is _device.VirtualSriovEthernetCard
    assert first.sriovBacking.physicalFunctionBacking.id == "0000:81:00.0"
    assert type(second) is _device.VirtualVmxnet3
    assert second.backing.port.portgroupKey == "dvportgroup-27"
    assert (second.macAddress, second.addressType) == ("00:50:56:00:00:01", "manual")
    assert connected_as_answered([first, second], answer.nics)
    assert not connected_as_answered([second, first], answer.nics)
    assert not connected_as_answered([first], answer.nics)
    assert [change.operation for change in removed_nics([first, _device.VirtualDisk()])] == ["remove"]


def test_a_nic_on_an_opaque_network_has_its_id_and_type() -> None:
    """NSX's segments have no port group: pyVmomi's types take the id and type of the segment."""
    segment = ForeignNetwork(id="5f2c", type="nsx.LogicalSwitch")
    nic = placed(WEB).nics[0]
    wire = nic.wire.model_copy(update={"kind": "opaque", "network": "network-o7", "foreign": segment})
    answer = rendered(placed(WEB).model_copy(update={"nics": (nic.model_copy(update={"wire": wire}),)}))
    [change] = added_nics(answer.nics)
    backing = change.device.backing
    assert type(backing) is _device.VirtualEthernetCard.OpaqueNetworkBackingInfo
    assert (backing.opaqueNetworkId, backing.opaqueNetworkType) == ("5f2c", "nsx.LogicalSwitch")
    assert connected_as_answered([change.device], answer.nics)
    backing.opaqueNetworkId = "another"
    assert not connected_as_answered([change.device], answer.nics)


def test_a_nic_that_nobody_can_connect_is_named() -> None:
    with pytest.raises(PermanentError, match="NIC 0 cannot be connected"):
        added_nics(placed(WEB).nics)


def test_disks_get_a_controller_or_the_free_places_of_the_templates() -> None:
    disks = [Disk(size_gb=1), Disk(size_gb=2, datastore="tin", thin=False)]
    controller, first, second = added_disks(disks, (), PLACE)
    assert type(controller.device) is _device.ParaVirtualSCSIController
    assert [first.device.unitNumber, second.device.unitNumber] == [0, 1]
    assert [first.device.backing.fileName, second.device.backing.fileName] == ["[gold]", "[tin]"]
    assert second.device.capacityInKB == 2 * 1024 * 1024
    own = _device.VirtualLsiLogicController(key=1000)
    system = _device.VirtualDisk(key=2000, controllerKey=1000, unitNumber=0)
    [added] = added_disks(disks[:1], (own, system), PLACE)
    assert (added.device.controllerKey, added.device.unitNumber) == (1000, 1)
    with pytest.raises(PermanentError, match="15 places"):
        added_disks([Disk(size_gb=1)] * 16, (), PLACE)
