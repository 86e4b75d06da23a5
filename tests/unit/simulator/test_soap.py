"""Values to XML and requests from XML."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lxml import etree

from services.simulator.soap.faults import Fault, invalid_property, not_authenticated
from services.simulator.soap.reader import parse_request
from services.simulator.soap.values import AnyValue, Data, Enum, Long, Ref, Still, Typed, refs, strings
from services.simulator.soap.writer import any_element, element, escape, response


@pytest.mark.parametrize(
    ("value", "xml"),
    [
        (True, '<v xsi:type="xsd:boolean">true</v>'),
        (7, '<v xsi:type="xsd:int">7</v>'),
        (Long(7), '<v xsi:type="xsd:long">7</v>'),
        ("a<b&c", '<v xsi:type="xsd:string">a&lt;b&amp;c</v>'),
        (Ref("HostSystem", "host-1"), '<v type="HostSystem" xsi:type="ManagedObjectReference">host-1</v>'),
        (Enum("TaskInfoState", "success"), '<v xsi:type="TaskInfoState">success</v>'),
        (strings(["a"]), '<v xsi:type="ArrayOfString"><string>a</string></v>'),
        (refs([]), '<v xsi:type="ArrayOfManagedObjectReference"></v>'),
        (
            datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
            '<v xsi:type="xsd:dateTime">2026-01-02T03:04:05.000006Z</v>',
        ),
        (
            Data("KeyValue", key="k", value=None, more=strings(["x", "y"])),
            '<v xsi:type="KeyValue"><key>k</key><more>x</more><more>y</more></v>',
        ),
        (None, ""),
    ],
)
def test_any_names_its_type(value: object, xml: str) -> None:
    assert any_element("v", value) == xml  # type: ignore[arg-type]  # the parameters are values


def test_declared_types_are_not_repeated_and_derived_ones_are_named() -> None:
    assert element("v", Data("A", x=1)) == "<v><x>1</x></v>"
    assert element("v", Typed("B", x=1)) == '<v xsi:type="B"><x>1</x></v>'
    assert element("v", Data("A", x=AnyValue(1))) == '<v><x xsi:type="xsd:int">1</x></v>'


def test_still_values_are_drawn_once_per_tag() -> None:
    still = Still("B", x=1)
    assert element("v", still) == element("v", still) == '<v xsi:type="B"><x>1</x></v>'
    assert element("w", still).startswith("<w ")


def test_control_characters_cannot_break_the_answer() -> None:
    text = response("X", f"a\x00b\x1bc\n{escape('<')}")
    etree.fromstring(text.encode())


def test_faults_are_well_formed_and_named() -> None:
    root = etree.fromstring(not_authenticated(Ref("Folder", "group-d1")).envelope().encode())
    detail = root.find(".//detail")
    assert detail is not None
    assert etree.QName(detail[0]).localname == "NotAuthenticatedFault"
    assert invalid_property("a.b").fields == {"name": "a.b"}


def test_request_is_read_by_names() -> None:
    body = b"""<?xml version="1.0"?>
    <e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"
      xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>
      <Do xmlns="urn:vim25"><_this type="Folder">group-v3</_this><n>5</n><on>1</on>
      <dev xsi:type="ns:VirtualE1000" xmlns:ns="urn:vim25"><key>4000</key></dev>
      <name>a</name><name>b</name><host type="HostSystem">host-1</host></Do></e:Body></e:Envelope>"""
    request = parse_request(body)
    arguments = request.arguments
    assert (request.method, request.target) == ("Do", Ref("Folder", "group-v3"))
    assert (arguments.number("n"), arguments.flag("on"), arguments.flag("off")) == (5, True, None)
    assert arguments.texts("name") == ["a", "b"]
    assert arguments.refs("host") == [Ref("HostSystem", "host-1")]
    device = arguments.child("dev")
    assert device is not None
    assert (device.type, device.number("key")) == ("VirtualE1000", 4000)
    with pytest.raises(Fault, match="no integer"):
        arguments.number("name")


@pytest.mark.parametrize(
    "body", [b"", b"<a>", b"<a/>", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>']
)
def test_what_is_no_call_is_an_invalid_request(body: bytes) -> None:
    with pytest.raises(Fault) as caught:
        parse_request(body)
    assert caught.value.type == "InvalidRequest"
