"""Methods on hosts, switches and port groups, removal of anything, and searching."""

from __future__ import annotations

from ipaddress import ip_address

from services.simulator.inventory.entities import Entity
from services.simulator.inventory.hosts import Host
from services.simulator.inventory.machines import VirtualMachine
from services.simulator.inventory.networks import Network, PortGroup, Switch, Trunk
from services.simulator.methods.registry import Call, method
from services.simulator.methods.tasks import run_task
from services.simulator.soap.faults import invalid_argument, invalid_power_state, not_supported
from services.simulator.soap.reader import Argument
from services.simulator.soap.values import Value, refs


@method("Destroy_Task")
def destroy(call: Call) -> Value:
    entity = call.entity(Entity)
    if not isinstance(entity, VirtualMachine | Network):
        raise not_supported(f"Destroy_Task on a {entity.kind}")

    def work() -> Value:
        if isinstance(entity, VirtualMachine):
            if entity.power != "poweredOff":
                raise invalid_power_state("poweredOff", entity.power)
            call.world.remove_vm(entity)
        else:
            call.world.remove_portgroup(entity, force=False)
        return None

    return run_task(call, entity, work)


@method("EnterMaintenanceMode_Task", "ExitMaintenanceMode_Task", "DisconnectHost_Task", "ReconnectHost_Task")
def change_host(call: Call) -> Value:
    host = call.entity(Host)

    def work() -> Value:
        if call.method == "EnterMaintenanceMode_Task":
            call.world.maintenance(host, True)
        elif call.method == "ExitMaintenanceMode_Task":
            call.world.maintenance(host, False)
        elif call.method == "DisconnectHost_Task":
            call.world.disconnect_host(host)
        else:
            call.world.reconnect_host(host)
        return None

    return run_task(call, host, work)


@method("AddDVPortgroup_Task", "CreateDVPortgroup_Task")
def add_port_groups(call: Call) -> Value:
    switch = call.entity(Switch)
    specs = list(call.arguments.children("spec"))

    def work() -> Value:
        made = None
        for spec in specs:
            name = spec.text("name") or ""
            call.world.check_name(switch.parent, name)
            made = call.world.make_port_group(switch, name, _vlan(spec) or 0)
        return made.ref if made is not None and call.method == "CreateDVPortgroup_Task" else None

    return run_task(call, switch, work)


@method("ReconfigureDVPortgroup_Task")
def reconfigure_port_group(call: Call) -> Value:
    group = call.entity(PortGroup)
    spec = call.arguments.child("spec")
    if spec is None:
        raise invalid_argument("spec")

    def work() -> Value:
        name = spec.text("name")
        if name and name != group.name:
            call.world.rename(group, name)
        vlan = _vlan(spec)
        if vlan is not None:
            call.world.set_vlan(group, vlan if isinstance(vlan, int) else [list(pair) for pair in vlan])
        return None

    return run_task(call, group, work)


def _vlan(spec: Argument) -> int | Trunk | None:
    config = spec.child("defaultPortConfig")
    vlan = config.child("vlan") if config else None
    if vlan is None:
        return None
    if vlan.type.endswith("TrunkVlanSpec"):
        return tuple((part.number("start") or 0, part.number("end") or 0) for part in vlan.children("vlanId"))
    return vlan.number("vlanId") or 0


@method("FindByUuid", "FindAllByUuid")
def find_by_uuid(call: Call) -> Value:
    wanted = (call.arguments.text("uuid") or "").lower()
    if not call.arguments.flag("vmSearch"):
        hosts = call.world.of_kind("HostSystem")
        found: list[Entity] = [host for host in hosts if isinstance(host, Host) and host.uuid == wanted]
    elif call.arguments.flag("instanceUuid"):
        found = [vm for vm in call.world.machines.values() if vm.instance_uuid == wanted]
    else:
        found = [vm for vm in call.world.machines.values() if vm.uuid == wanted]
    return _found(call, found)


@method("FindByIp", "FindAllByIp")
def find_by_ip(call: Call) -> Value:
    try:
        wanted = str(ip_address(call.arguments.text("ip") or ""))
    except ValueError as error:
        raise invalid_argument("ip", str(error)) from None
    found = [
        vm
        for vm in call.world.machines.values()
        if vm.guest.tools_running and any(a.address == wanted for nic in vm.guest.nics for a in nic.addresses)
    ]
    return _found(call, list(found))


def _found(call: Call, found: list[Entity]) -> Value:
    datacenter = call.arguments.ref("datacenter")
    if datacenter is not None:
        found = [e for e in found if call.world.datacenter_of(e).moid == datacenter.moid]
    if "All" in call.method:
        return refs([entity.ref for entity in found])
    return found[0].ref if found else None


@method("FindChild")
def find_child(call: Call) -> Value:
    parent = call.directory.entity(call.arguments.ref("entity"))
    name = call.arguments.text("name")
    return next((child.ref for child in parent.children() if child.name == name), None)


@method("FindByInventoryPath")
def find_by_inventory_path(call: Call) -> Value:
    current: Entity = call.world.root
    for part in (call.arguments.text("inventoryPath") or "").strip("/").split("/"):
        if not part:
            continue
        below = next((child for child in current.children() if child.name == part), None)
        if below is None:
            return None
        current = below
    return current.ref
