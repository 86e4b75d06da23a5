"""Property filters over everything that is watched, without the paths a vCenter does not know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from pyVmomi import vmodl

from services.collector.domain.sight import SightLost
from services.collector.vsphere.paths import GROUPS, INDISPENSABLE, WATCHED, Group

_Collector: Any = vmodl.query.PropertyCollector
_ASKED = 20
"""VMs that are asked whether single elements of their lists can be told."""


def watch_groups(content: Any, *, partial: bool = True) -> frozenset[str]:
    """Make a view and a filter per group. Returns the paths left out, as "Type.path". Blocks.

    `partial`: lists are told of element by element.
    """
    left_out: set[str] = set()
    for group in GROUPS:
        view = content.viewManager.CreateContainerView(content.rootFolder, list(group.types), True)
        left_out |= _never_told(content.propertyCollector, group, view)
        left_out |= _create_filter(content.propertyCollector, group, view, partial, left_out)
    return frozenset(left_out)


def _never_told(collector: Any, group: Group, view: Any) -> set[str]:
    """Paths to single elements that a filter would take and never tell of, as "Type.path".

    What is no vCenter may have no such paths, and say so only to who reads. An element that an object lacks
    is another matter: nothing is said of it then.
    """
    single = _single_elements(group)
    if not single:
        return set()
    spec = filter_spec(group, view, _all_paths(group) - single)
    try:
        answer = collector.RetrievePropertiesEx([spec], _Collector.RetrieveOptions(maxObjects=_ASKED))
    except vmodl.query.InvalidProperty:
        return single
    if answer is None or not answer.objects:
        return set()
    if answer.token:
        # The rest of the read would end with the session, too; what matters is told by the next call.
        with contextlib.suppress(vmodl.RuntimeFault):
            collector.CancelRetrievePropertiesEx(answer.token)
    return set.intersection(*map(_refused, answer.objects)) & single


def _refused(found: Any) -> set[str]:
    return {
        f"{found.obj._wsdlName}.{absent.path}"
        for absent in found.missingSet or ()
        if isinstance(absent.fault, vmodl.query.InvalidProperty)
    }


def _all_paths(group: Group) -> set[str]:
    names = [kind._wsdlName for kind in group.types]
    return {f"{name}.{path}" for name in names for path in WATCHED[name].fields}


def _single_elements(group: Group) -> set[str]:
    return {path for path in _all_paths(group) if path.endswith("]")}


def _create_filter(
    collector: Any, group: Group, view: Any, partial: bool, unsupported: Iterable[str]
) -> set[str]:
    """Each refusal names one path; without it, the vCenter is asked again."""
    left_out = set(unsupported)
    while True:
        try:
            collector.CreateFilter(filter_spec(group, view, left_out), partial)
        except vmodl.query.InvalidProperty as fault:
            unknown = {f"{kind._wsdlName}.{fault.name}" for kind in group.types}
            if not unknown & _all_paths(group):
                # A part of a path: only those to single elements are made of more than names.
                unknown = _single_elements(group) or unknown
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
