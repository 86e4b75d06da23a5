"""config.hardware.device: a VM's virtual hardware, of which only disk and network cards differ."""

from __future__ import annotations

from services.simulator.inventory.machines import Nic, VirtualMachine
from services.simulator.inventory.networks import PortGroup
from services.simulator.soap.values import Array, Data, Enum, Long, Still, Typed, Value

DISK_KEY = 2000


def _described(label: str, summary: str) -> Data:
    return Data("Description", label=label, summary=summary)


def _controller(type_: str, key: int, bus: int, label: str, devices: tuple[int, ...]) -> Still:
    return Still(
        type_, key=key, deviceInfo=_described(label, label), busNumber=bus, device=Array("int", devices)
    )


_STANDARD: tuple[Still, ...] = (
    _controller("VirtualIDEController", 200, 0, "IDE 0", ()),
    _controller("VirtualIDEController", 201, 1, "IDE 1", (3002,)),
    _controller("VirtualPS2Controller", 300, 0, "PS2 controller 0", (600, 700)),
    _controller("VirtualPCIController", 100, 0, "PCI controller 0", (500, 12000, 1000)),
    _controller("VirtualSIOController", 400, 0, "SIO controller 0", ()),
    Still(
        "VirtualKeyboard",
        key=600,
        deviceInfo=_described("Keyboard", "Keyboard"),
        controllerKey=300,
        unitNumber=0,
    ),
    Still(
        "VirtualPointingDevice",
        key=700,
        deviceInfo=_described("Pointing device", "Pointing device; Device"),
        backing=Typed(
            "VirtualPointingDeviceDeviceBackingInfo",
            deviceName="",
            useAutoDetect=False,
            hostPointingDevice="autodetect",
        ),
        controllerKey=300,
        unitNumber=1,
    ),
    Still(
        "VirtualMachineVideoCard",
        key=500,
        deviceInfo=_described("Video card ", "Video card"),
        controllerKey=100,
        unitNumber=0,
        videoRamSizeInKB=Long(4096),
        numDisplays=1,
        useAutoDetect=False,
        enable3DSupport=False,
        use3dRenderer="automatic",
        graphicsMemorySizeInKB=Long(262144),
    ),
    Still(
        "VirtualMachineVMCIDevice",
        key=12000,
        deviceInfo=_described("VMCI device", "Communication interface of the virtual machine"),
        controllerKey=100,
        unitNumber=17,
        id=Long(-1),
        allowUnrestrictedCommunication=False,
        filterEnable=True,
    ),
    Still(
        "ParaVirtualSCSIController",
        key=1000,
        deviceInfo=_described("SCSI controller 0", "VMware paravirtual SCSI"),
        controllerKey=100,
        unitNumber=3,
        busNumber=0,
        device=Array("int", (DISK_KEY,)),
        hotAddRemove=True,
        sharedBus=Enum("VirtualSCSISharing", "noSharing"),
        scsiCtlrUnitNumber=7,
    ),
    Still(
        "VirtualCdrom",
        key=3002,
        deviceInfo=_described("CD/DVD drive 1", "Remote device"),
        backing=Typed(
            "VirtualCdromRemotePassthroughBackingInfo", deviceName="", useAutoDetect=False, exclusive=False
        ),
        connectable=Data(
            "VirtualDeviceConnectInfo",
            startConnected=False,
            allowGuestControl=True,
            connected=False,
            status="untried",
        ),
        controllerKey=201,
        unitNumber=0,
    ),
)


def devices(vm: VirtualMachine) -> Value:
    """The whole array, network cards last."""
    return Array("VirtualDevice", [*_STANDARD, _disk(vm), *map(ethernet_card, vm.nics)])


def _disk(vm: VirtualMachine) -> Typed:
    return Typed(
        "VirtualDisk",
        key=DISK_KEY,
        deviceInfo=_described("Hard disk 1", f"{vm.disk_kb:,} KB"),
        backing=Typed(
            "VirtualDiskFlatVer2BackingInfo",
            fileName=f"[{vm.datastore.name}] {vm.directory}/{vm.directory}.vmdk",
            datastore=vm.datastore.ref,
            backingObjectId="",
            diskMode="persistent",
            split=False,
            writeThrough=False,
            thinProvisioned=True,
            uuid=vm.uuid,
        ),
        controllerKey=1000,
        unitNumber=0,
        capacityInKB=Long(vm.disk_kb),
        capacityInBytes=Long(vm.disk_kb * 1024),
    )


def ethernet_card(nic: Nic) -> Typed:
    """One network card as vCenter shows it."""
    number = nic.key - 3999
    return Typed(
        nic.card,
        key=nic.key,
        deviceInfo=_described(f"Network adapter {number}", _summary(nic)),
        backing=backing(nic),
        connectable=Data(
            "VirtualDeviceConnectInfo",
            migrateConnect="unset",
            startConnected=nic.start_connected,
            allowGuestControl=True,
            connected=nic.connected,
            status="ok" if nic.connected else "untried",
        ),
        controllerKey=100,
        unitNumber=6 + number,
        addressType=nic.address_type,
        macAddress=nic.mac,
        wakeOnLanEnabled=True,
        uptCompatibilityEnabled=True if nic.card == "VirtualVmxnet3" else None,
    )


def backing(nic: Nic) -> Typed:
    """What the card is plugged into."""
    network = nic.network
    if isinstance(network, PortGroup):
        port = Data(
            "DistributedVirtualSwitchPortConnection",
            switchUuid=network.switch.uuid,
            portgroupKey=network.key,
            portKey=nic.port_key,
            connectionCookie=int(nic.port_key) * 7919 % 2**31 if nic.port_key else None,
        )
        return Typed("VirtualEthernetCardDistributedVirtualPortBackingInfo", port=port)
    return Typed(
        "VirtualEthernetCardNetworkBackingInfo",
        deviceName=network.name,
        useAutoDetect=False,
        network=network.ref if network.alive else None,
    )


def _summary(nic: Nic) -> str:
    return f"DVSwitch: {nic.network.switch.uuid}" if isinstance(nic.network, PortGroup) else nic.network.name
