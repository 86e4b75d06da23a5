"""Property filters over everything that is watched, without the paths a vCenter does not know."""

from __future__ import annotations

from typing import Any

from pyVmomi import vmodl

from services.collector.domain.sight import SightLost
from services.collector.vsphere.paths import GROUPS, INDISPENSABLE, WATCHED, Group

_Collector: Any = vmodl.query.PropertyCollector


def watch_groups(content: Any, *, partial: bool = True) -> frozenset[str]:
    """Make a view and a filter per group. Returns the paths left out, as "Type.path". Blocks.

    `partial`: lists are told of element by element.
    """
    left_out: set[str] = set()
    for group in GROUPS:
        view = content.viewManager.CreateContainerView(content.rootFolder, list(group.types), True)
        left_out |= _create_filter(content.propertyCollector, group, view, partial)
    return frozenset(left_out)


def _create_filter(collector: Any, group: Group, view: Any, partial: bool) -> set[str]:
    """Each refusal names one path; without it, the vCenter is asked again."""
    left_out: set[str] = set()
    while True:
        try:
            collector.CreateFilter(filter_spec(group, view, left_out), partial)
        except vmodl.query.InvalidProperty as fault:
            unknown = {f"{kind._wsdlName}.{fault.name}" for kind in group.types}
            if fault.name in INDISPENSABLE or unknown <= left_out:
                raise SightLost(
                    "blind_answer", f"the vCenter does not know the property {fault.name}"
                ) from fault
            left_out |= unknown
        else:
            return left_out


def filter_spec(group: Group, view: Any, left_out: set[str]) -> Any:
    """All watched paths of the group's types, over the objects in the view."""
    return _Collector.FilterSpec(
        objectSet=[
            _Collector.ObjectSpec(
                obj=view,
                skip=True,
                selectSet=[_Collector.TraversalSpec(name="view", type=type(view), path="view", skip=False)],
            )
        ],
        propSet=[
            _Collector.PropertySpec(
                type=kind,
                all=False,
                pathSet=[
                    path
                    for path in WATCHED[kind._wsdlName].fields
                    if f"{kind._wsdlName}.{path}" not in left_out
                ],
            )
            for kind in group.types
        ],
    )
