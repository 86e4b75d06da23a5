"""Methods on VMs and on the folders they are made in."""

from __future__ import annotations

from services.simulator.inventory.entities import Entity, Folder, ResourcePool
from services.simulator.inventory.hosts import Host
from services.simulator.inventory.machines import VirtualMachine
from services.simulator.methods.registry import Call, method
from services.simulator.methods.specs import (
    apply_device_changes,
    furnish_machine,
    read_customization,
    reconfigure,
)
from services.simulator.methods.tasks import run_task
from services.simulator.soap.faults import (
    invalid_argument,
    invalid_power_state,
    invalid_state,
)
from services.simulator.soap.reader import Argument
from services.simulator.soap.values import Ref, Value


@method("CreateVM_Task")
def create_vm(call: Call) -> Value:
    folder = call.entity(Folder)
    config = call.arguments.child("config")
    if config is None:
        raise invalid_argument("config")
    pool = call.directory.entity(call.arguments.ref("pool"))
    if not isinstance(pool, ResourcePool):
        raise invalid_argument("pool")
    host = _host(call, call.arguments.ref("host"), pool)

    def work() -> Value:
        name = config.text("name") or ""
        call.world.check_name(folder, name)
        if not call.world.usable(host):
            raise invalid_state(f"host {host.name} is {host.connection} or in maintenance mode")
        vm = call.world.make_machine(
            name, folder=folder, host=host, pool=pool, instance_uuid=config.text("instanceUuid")
        )
        furnish_machine(call.world, vm, config)
        call.world.introduce(vm)
        return vm.ref

    return run_task(call, folder, work)


def _host(call: Call, ref: Ref | None, pool: ResourcePool) -> Host:
    if ref is None:
        able = [host for host in pool.owner.hosts.values() if call.world.usable(host)]
        if not able:
            raise invalid_state(f"no host of {pool.owner.name} can take a VM")
        return min(able, key=lambda host: len(host.vms))
    host = call.world.find(ref)
    if not isinstance(host, Host) or host.cluster is not pool.owner:
        raise invalid_argument("host", "not a host of the pool's cluster")
    return host


@method("CloneVM_Task")
def clone_vm(call: Call) -> Value:
    source = call.entity(VirtualMachine)
    folder = call.directory.entity(call.arguments.ref("folder"))
    spec = call.arguments.child("spec")
    if not isinstance(folder, Folder) or spec is None:
        raise invalid_argument("folder" if spec else "spec")
    location = spec.child("location")
    pool_ref = location.ref("pool") if location else None
    pool = call.directory.entity(pool_ref) if pool_ref else source.pool
    if not isinstance(pool, ResourcePool):
        raise invalid_argument("spec.location.pool", "a template is in no pool: name one")
    host_ref = location.ref("host") if location else None
    if host_ref is None and source.host.cluster is pool.owner and call.world.usable(source.host):
        host_ref = source.host.ref
    host = _host(call, host_ref, pool)

    def work() -> Value:
        vm = call.world.clone(source, call.arguments.text("name") or "", folder, host)
        if location is not None:
            apply_device_changes(call.world, vm, location)
        config = spec.child("config")
        if config is not None:
            reconfigure(call.world, vm, config)
        customization = spec.child("customization")
        if customization is not None:
            _customize(call, vm, customization)
        if spec.flag("template"):
            call.world.set_template(vm, True)
        elif spec.flag("powerOn"):
            call.world.power(vm, True)
        return vm.ref

    return run_task(call, source, work)


@method("ReconfigVM_Task")
def reconfig_vm(call: Call) -> Value:
    vm = call.entity(VirtualMachine)
    spec = _spec(call)

    def work() -> Value:
        reconfigure(call.world, vm, spec)
        return None

    return run_task(call, vm, work)


def _spec(call: Call) -> Argument:
    spec = call.arguments.child("spec")
    if spec is None:
        raise invalid_argument("spec")
    return spec


@method("RelocateVM_Task")
def relocate_vm(call: Call) -> Value:
    vm = call.entity(VirtualMachine)
    spec = _spec(call)
    host_ref, pool_ref = spec.ref("host"), spec.ref("pool")
    pool = call.world.find(pool_ref) if pool_ref else None
    host = call.world.find(host_ref) if host_ref else None
    if host is None and isinstance(pool, ResourcePool) and vm.host.cluster is not pool.owner:
        host = _host(call, None, pool)

    def work() -> Value:
        if isinstance(host, Host):
            if not call.world.usable(host):
                raise invalid_state(f"host {host.name} is {host.connection} or in maintenance mode")
            call.world.move_vm(vm, host)
        if isinstance(pool, ResourcePool):
            call.world.set_pool(vm, pool)
        apply_device_changes(call.world, vm, spec)
        return None

    return run_task(call, vm, work)


@method("MigrateVM_Task")
def migrate_vm(call: Call) -> Value:
    vm = call.entity(VirtualMachine)
    host = call.directory.entity(call.arguments.ref("host"))
    if not isinstance(host, Host):
        raise invalid_argument("host")

    def work() -> Value:
        call.world.move_vm(vm, host)
        return None

    return run_task(call, vm, work)


@method("PowerOnVM_Task", "PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task")
def change_power(call: Call) -> Value:
    vm = call.entity(VirtualMachine)

    def work() -> Value:
        if call.method == "PowerOnVM_Task":
            call.world.power(vm, True)
        elif call.method == "PowerOffVM_Task":
            call.world.power(vm, False)
        elif call.method == "SuspendVM_Task":
            call.world.suspend(vm)
        else:
            _restart(call, vm)
        return None

    return run_task(call, vm, work)


def _restart(call: Call, vm: VirtualMachine) -> None:
    if vm.power != "poweredOn":
        raise invalid_power_state("poweredOn", vm.power)
    call.world.power(vm, False)
    call.world.power(vm, True)


@method("ShutdownGuest", "RebootGuest")
def guest_power(call: Call) -> Value:
    vm = call.entity(VirtualMachine)
    if vm.power != "poweredOn":
        raise invalid_power_state("poweredOn", vm.power)
    if call.method == "ShutdownGuest":
        call.world.power(vm, False)
    else:
        _restart(call, vm)
    return None


@method("CustomizeVM_Task")
def customize_vm(call: Call) -> Value:
    vm = call.entity(VirtualMachine)
    spec = _spec(call)

    def work() -> Value:
        _customize(call, vm, spec)
        return None

    return run_task(call, vm, work)


def _customize(call: Call, vm: VirtualMachine, spec: Argument) -> None:
    if vm.power != "poweredOff":
        raise invalid_power_state("poweredOff", vm.power)
    vm.pending = read_customization(vm, spec)
    vm.guest.customization = "TOOLSDEPLOYPKG_PENDING"
    vm.guest.customization_start = call.world.now()
    vm.guest.customization_end = None
    call.world.touch(vm, "guest.customizationInfo")


@method("MarkAsTemplate")
def mark_as_template(call: Call) -> Value:
    call.world.set_template(call.entity(VirtualMachine), True)
    return None


@method("MarkAsVirtualMachine")
def mark_as_virtual_machine(call: Call) -> Value:
    vm = call.entity(VirtualMachine)
    host = call.arguments.ref("host")
    if host is not None:
        call.world.move_vm(vm, host.moid)
    call.world.set_template(vm, False)
    return None


@method("UnregisterVM")
def unregister_vm(call: Call) -> Value:
    call.world.unregister_vm(call.entity(VirtualMachine))
    return None


@method("Rename_Task")
def rename(call: Call) -> Value:
    entity = call.entity(Entity)

    def work() -> Value:
        call.world.rename(entity, call.arguments.text("newName") or "")
        return None

    return run_task(call, entity, work)


@method("CreateFolder")
def create_folder(call: Call) -> Value:
    parent = call.entity(Folder)
    name = call.arguments.text("name") or ""
    call.world.check_name(parent, name)
    prefix = parent.moid.rpartition("-")[0] + f"-{parent.moid.rpartition('-')[2][:1]}"
    folder = Folder(call.world.new_id(prefix), name, parent, parent.child_types)
    call.world.settle(parent, folder)
    return folder.ref
