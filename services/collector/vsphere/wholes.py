"""Single objects read whole, where a change of them was not understood. Every function blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyVmomi import vim, vmodl

from services.collector.domain.changes import Change
from services.collector.domain.state import ObjectKind
from services.collector.vsphere.paths import WATCHED
from services.collector.vsphere.reading import plain_fields

_Collector: Any = vmodl.query.PropertyCollector
_TYPES: dict[tuple[str, str], Any] = {
    ("host", ""): vim.HostSystem,
    ("switch", ""): vim.dvs.VmwareDistributedVirtualSwitch,
    ("portgroup", "standard"): vim.Network,
    ("portgroup", "opaque"): vim.OpaqueNetwork,
    ("portgroup", "distributed"): vim.dvs.DistributedVirtualPortgroup,
    ("vm", ""): vim.VirtualMachine,
}


def read_wholes(
    content: Any, objects: Iterable[tuple[ObjectKind, str, str]], left_out: frozenset[str]
) -> list[Change]:
    """All that is watched of each object, by kind, finer type and id; those that are gone are left out.

    `left_out` are the paths that this vCenter does not know, as "Type.path".
    """
    changes = (_read(content, kind, finer, moid, left_out) for kind, finer, moid in objects)
    return [change for change in changes if change is not None]


def _read(content: Any, kind: ObjectKind, finer: str, moid: str, left_out: frozenset[str]) -> Change | None:
    vim_type = _TYPES[kind, finer]
    watched = WATCHED[vim_type._wsdlName]
    paths = [path for path in watched.fields if f"{vim_type._wsdlName}.{path}" not in left_out]
    spec = _Collector.FilterSpec(
        objectSet=[_Collector.ObjectSpec(obj=vim_type(moid, content._stub), skip=False)],
        propSet=[_Collector.PropertySpec(type=vim_type, all=False, pathSet=paths)],
    )
    try:
        answer = content.propertyCollector.RetrievePropertiesEx([spec], _Collector.RetrieveOptions())
    except vmodl.fault.ManagedObjectNotFound:
        return None
    for found in answer.objects if answer is not None else ():
        for absent in found.missingSet or ():
            if isinstance(absent.fault, vim.fault.NotAuthenticated):
                raise absent.fault
        unreadable = {absent.path for absent in found.missingSet or ()}
        # What is neither here nor said to be missing is unset.
        fields = {watched.fields[path].name: None for path in paths if path not in unreadable}
        told = plain_fields(watched, ((value.name, value.val) for value in found.propSet or ()))
        return Change("modify", kind, moid, watched.type, {**fields, **told})
    return None
