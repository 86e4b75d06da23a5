"""Answers of RetrievePropertiesEx, odd ones included."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim as typed_vim

from services.collector.vsphere.decoding.documents import Unreadable
from services.collector.vsphere.decoding.objects import Found, decode_objects
from services.collector.vsphere.decoding.tally import Absence
from tests.unit.decoding.test_oddities import enveloped, fault

vim: Any = typed_vim
NAME = '<propSet><name>name</name><val xsi:type="xsd:string">web</val></propSet>'


def result(*objects: str) -> bytes:
    inner = f"<returnval>{''.join(objects)}</returnval>" if objects else ""
    return enveloped(
        f'<RetrievePropertiesExResponse xmlns="urn:vim25">{inner}</RetrievePropertiesExResponse>'
    )


def one(*parts: str, type_name: str = "VirtualMachine") -> str:
    return f'<objects><obj type="{type_name}">vm-1</obj>{"".join(parts)}</objects>'


def missing(path: str, why: str) -> str:
    reason = f'<fault><fault xsi:type="{why}"/></fault>'
    return f"<missingSet><path>{path}</path>{reason}</missingSet>"


def test_fields_and_reasons_for_missing_ones() -> None:
    body = result(one(NAME, missing("guest.net", "NotAuthenticated"), missing("runtime.host", "SolarFlare")))
    reasons: dict[str, Absence] = {"guest.net": "not_authenticated", "runtime.host": "other"}
    assert decode_objects(body) == [Found("VirtualMachine", "vm-1", {"name": "web"}, reasons, frozenset())]


def test_an_odd_value_costs_one_field() -> None:
    odd = '<propSet><name>runtime.powerState</name><val xsi:type="VirtualMachinePowerState"></val></propSet>'
    [found] = decode_objects(result(one(NAME, odd)))
    assert found.fields == {"name": "web"}
    assert found.unread == {"VirtualMachine.runtime.powerState"}


def test_other_types_and_other_paths_are_stepped_over() -> None:
    other = '<propSet><name>overallStatus</name><val xsi:type="ManagedEntityStatus">green</val></propSet>'
    found = decode_objects(result(one(NAME, type_name="Datastore"), one(NAME, other)))
    assert [(object_.type_name, object_.fields) for object_ in found] == [("VirtualMachine", {"name": "web"})]


def test_no_result_is_no_objects() -> None:
    assert decode_objects(result()) == []


def test_an_unusual_spelling_is_left_to_pyvmomi() -> None:
    body = result(one(NAME, missing("guest.net", "ManagedObjectNotFound")))
    foreign = body.replace(b"<soapenv:Body>", b'<soapenv:Body xmlns:x="urn:elsewhere">')
    assert decode_objects(foreign) == decode_objects(body)


def test_a_fault_is_raised_and_junk_is_no_answer() -> None:
    with pytest.raises(vim.fault.NotAuthenticated):
        decode_objects(fault("NotAuthenticated"))
    with pytest.raises(Unreadable):
        decode_objects(b"<html/>")
