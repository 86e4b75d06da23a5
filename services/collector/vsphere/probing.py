"""Is this session one that sees? Silence alone does not tell: a dead one can stay silent for ever."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from services.collector.domain.sight import SightLost

_Collector: Any = vmodl.query.PropertyCollector


def probe(content: Any) -> None:
    """Read a name that is always there. Raises `SightLost`, or what the call raises. Blocks."""
    spec = _Collector.FilterSpec(
        objectSet=[_Collector.ObjectSpec(obj=content.rootFolder, skip=False)],
        propSet=[_Collector.PropertySpec(type=vim.Folder, all=False, pathSet=["name"])],
    )
    answer = content.propertyCollector.RetrievePropertiesEx([spec], _Collector.RetrieveOptions())
    objects = answer.objects if answer is not None else ()
    for absent in (absent for entry in objects for absent in entry.missingSet or ()):
        raise absent.fault
    if not any(entry.propSet for entry in objects):
        raise SightLost("blind_answer", "the root folder, which every session sees, is not there")
