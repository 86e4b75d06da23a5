"""ConfigSpec, RelocateSpec and CustomizationSpec: read from XML and applied to VMs."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from services.simulator.inventory.machines import (
    ETHERNET_CARDS,
    Customization,
    GuestAddress,
    GuestNic,
    Nic,
    VirtualMachine,
)
from services.simulator.inventory.networks import Network, PortGroup
from services.simulator.soap.faults import invalid_argument, not_found
from services.simulator.soap.reader import Argument
from services.simulator.soap.values import Ref
from services.simulator.world.world import World


def furnish_machine(world: World, vm: VirtualMachine, config: Argument) -> None:
    """Give a VM that is not yet known what its creation spec says."""
    vm.uuid = config.text("uuid") or vm.uuid
    vm.num_cpu = config.number("numCPUs") or 1
    vm.memory_mb = config.number("memoryMB") or 1024
    vm.annotation = config.text("annotation") or ""
    vm.guest_id = config.text("guestId") or "otherGuest64"
    vm.guest.tools_installed = False
    managed = config.child("managedBy")
    if managed is not None:
        vm.managed_by = (managed.text("extensionKey") or "", managed.text("type") or "")
    vm.extra_config = {key: value for key, value in _extra_config(config) if value}
    for change in config.children("deviceChange"):
        device = change.child("device")
        if device is None or device.type not in ETHERNET_CARDS:
            continue
        world.plug(vm, _new_card(world, vm, device))


def reconfigure(world: World, vm: VirtualMachine, config: Argument) -> None:
    """Apply a ConfigSpec to a VM."""
    name = config.text("name")
    if name is not None and name != vm.name:
        world.rename(vm, name)
    annotation = config.text("annotation")
    if annotation is not None:
        world.annotate(vm, annotation)
    world.resize(vm, config.number("numCPUs"), config.number("memoryMB"))
    for key, value in _extra_config(config):
        world.set_option(vm, key, value)
    apply_device_changes(world, vm, config)


def _extra_config(config: Argument) -> Iterator[tuple[str, str]]:
    """Keys and values; an empty value takes the option away."""
    for option in config.children("extraConfig"):
        if key := option.text("key"):
            yield key, option.text("value") or ""


def apply_device_changes(world: World, vm: VirtualMachine, spec: Argument) -> None:
    """The deviceChange entries of a spec that are about network cards; others are accepted in silence."""
    for change in spec.children("deviceChange"):
        device = change.child("device")
        if device is None or device.type not in ETHERNET_CARDS:
            continue
        operation = change.text("operation")
        if operation == "add":
            world.insert_card(vm, _new_card(world, vm, device))
        elif operation == "remove":
            world.remove_nic(vm, device.number("key"))
        elif operation == "edit":
            _edit(world, vm, device)
        else:
            raise invalid_argument("deviceChange.operation", str(operation))


def _new_card(world: World, vm: VirtualMachine, device: Argument) -> Nic:
    network = _network(world, device)
    if network is None:
        raise invalid_argument("deviceChange.device.backing", "a network card needs a network")
    given = device.text("macAddress")
    kind = device.text("addressType") or ("manual" if given else "assigned")
    mac = given.lower() if given and kind.lower() != "generated" else world.new_mac()
    connectable = device.child("connectable")
    start = connectable.flag("startConnected") if connectable else None
    key = device.number("key")
    free = key is not None and 4000 <= key < 4100 and vm.nic(key) is None
    return Nic(
        key if free and key is not None else vm.free_nic_key(),
        device.type,
        mac,
        network,
        address_type=kind.lower(),
        connected=start is not False,
        start_connected=start is not False,
    )


def _edit(world: World, vm: VirtualMachine, device: Argument) -> None:
    key = device.number("key")
    card = world.nic(vm, key)
    network = _network(world, device)
    if network is not None and network is not card.network:
        world.move_nic(vm, key, network)
    mac = device.text("macAddress")
    if mac and mac.lower() != card.mac:
        world.set_mac(vm, key, mac.lower())
    connectable = device.child("connectable")
    connected = connectable.flag("connected") if connectable else None
    if connected is not None and connected != card.connected:
        world.connect_nic(vm, key, connected)


def _network(world: World, device: Argument) -> Network | None:
    backing = device.child("backing")
    if backing is None:
        return None
    port = backing.child("port")
    if port is not None:
        return _port_group(world, port)
    ref = backing.ref("network")
    if ref is not None:
        found = world.find(ref)
        if isinstance(found, Network):
            return found
    name = backing.text("deviceName")
    return world.network(name) if name else None


def _port_group(world: World, port: Argument) -> PortGroup:
    key = port.text("portgroupKey") or ""
    group = world.objects.get(key)
    if not isinstance(group, PortGroup):
        raise not_found(Ref("DistributedVirtualPortgroup", key))
    if group.switch.uuid != port.text("switchUuid"):
        raise invalid_argument("deviceChange.device.backing.port.switchUuid", f"{key} is on another switch")
    return group


def read_customization(vm: VirtualMachine, spec: Argument) -> Customization:
    """What the guest is to be configured with. Adapters pair with cards by MAC, else in order."""
    identity = spec.child("identity")
    name_source = identity.child("hostName") if identity else None
    if identity is not None and name_source is None:
        user_data = identity.child("userData")
        name_source = user_data.child("computerName") if user_data else None
    host_name = (name_source.text("name") if name_source else None) or vm.name
    shared = spec.child("globalIPSettings")
    dns = shared.texts("dnsServerList") if shared else []
    domain = (identity.text("domain") if identity else None) or ""
    mappings = list(spec.children("nicSettingMap"))
    if len(mappings) != len(vm.nics):
        raise invalid_argument(
            "spec.nicSettingMap", f"{len(mappings)} adapters for {len(vm.nics)} network cards"
        )
    nics = []
    for position, mapping in enumerate(mappings):
        adapter = mapping.child("adapter")
        if adapter is None:
            raise invalid_argument("spec.nicSettingMap.adapter")
        nics.append(_guest_nic(_card_for(vm, mapping.text("macAddress"), position), adapter, dns))
        domain = domain or adapter.text("dnsDomain") or ""
    return Customization(host_name, domain, nics)


def _card_for(vm: VirtualMachine, mac: str | None, position: int) -> Nic:
    if mac is None:
        return vm.nics[position]
    wanted = mac.lower().replace("-", ":")
    for nic in vm.nics:
        if nic.mac.lower() == wanted:
            return nic
    raise invalid_argument("spec.nicSettingMap.macAddress", f"{vm.name} has no card {mac}")


def _guest_nic(card: Nic, adapter: Argument, dns: list[str]) -> GuestNic:
    addresses: list[GuestAddress] = []
    ip = adapter.child("ip")
    if ip is not None and ip.type == "CustomizationFixedIp":
        mask = adapter.text("subnetMask")
        length = IPv4Network(f"0.0.0.0/{mask}").prefixlen if mask else 24
        addresses.append(GuestAddress(ip.text("ipAddress") or "", length))
    v6 = adapter.child("ipV6Spec")
    gateways = adapter.texts("gateway")
    if v6 is not None:
        gateways = gateways or v6.texts("gateway")
        addresses += [
            GuestAddress(fixed.text("ipAddress") or "", fixed.number("subnetMask") or 64)
            for fixed in v6.children("ip")
            if fixed.type == "CustomizationFixedIpV6"
        ]
    servers = tuple(adapter.texts("dnsServerList") or dns)
    return GuestNic(card.key, card.mac, addresses, gateway=next(iter(gateways), None), dns=servers)
