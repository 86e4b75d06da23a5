"""Answers that are odd in one place: the rest is read, and what was stepped over is named."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pyVmomi import vim as typed_vim

from services.collector.domain.changes import Change, Page, Signs
from services.collector.domain.raw import Card
from services.collector.vsphere.decoding.answers import WHOLE, decode_page
from services.collector.vsphere.decoding.documents import Unreadable
from services.collector.vsphere.decoding.scanning import Scan
from services.collector.vsphere.decoding.tally import Tally
from services.collector.vsphere.faults import sight_lost_by
from services.collector.vsphere.paths import OPTION_PATH

vim: Any = typed_vim
NOW = datetime(2026, 1, 5, tzinfo=UTC)
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
    "<soapenv:Body>\n"
)
TAIL = "\n</soapenv:Body>\n</soapenv:Envelope>"
CONNECTED = "<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl>\
<connected>true</connected></connectable>"


def enveloped(inner: str) -> bytes:
    return f"{HEAD}{inner}{TAIL}".encode()


def response(inner: str) -> bytes:
    return enveloped(f'<WaitForUpdatesExResponse xmlns="urn:vim25">{inner}</WaitForUpdatesExResponse>')


def update_set(objects: str, more: str = "") -> bytes:
    filter_set = f'<filterSet><filter type="PropertyFilter">f</filter>{objects}</filterSet>'
    return response(f"<returnval><version>7</version>{filter_set}{more}</returnval>")


def entered(*changes: str, type_name: str = "VirtualMachine", kind: str = "enter") -> str:
    obj = f'<kind>{kind}</kind><obj type="{type_name}">vm-1</obj>'
    return f"<objectSet>{obj}{''.join(changes)}</objectSet>"


def changed(path: str, value: str, op: str = "assign") -> str:
    return f"<changeSet><name>{path}</name><op>{op}</op>{value}</changeSet>"


NAMED = changed("name", '<val xsi:type="xsd:string">web</val>')


def device(type_name: str, inner: str) -> str:
    return f'<VirtualDevice xsi:type="{type_name}">{inner}</VirtualDevice>'


def devices(*inner: str) -> str:
    return changed("config.hardware.device", f'<val xsi:type="ArrayOfVirtualDevice">{"".join(inner)}</val>')


def decoded(body: bytes) -> Page:
    page = decode_page(body, NOW)
    assert page is not None
    return page


def fields_of(*changes: str, unread: set[str] | None = None) -> Any:
    page = decoded(update_set(entered(*changes)))
    assert page.unread == (unread or set())
    return page.changes[0].fields


def test_an_answer_without_a_result_says_that_nothing_changed() -> None:
    assert decode_page(response("")) is None


def test_the_frame() -> None:
    page = decoded(update_set(entered(NAMED, kind="modify"), "<truncated>true</truncated>"))
    change = Change("modify", "vm", "vm-1", "", {"name": "web"})
    assert page == Page("7", True, (change,), Signs(answered=1), NOW)


@pytest.mark.parametrize("word", ["", "hibernating", "values"])
def test_an_unknown_word_costs_one_field(word: str) -> None:
    power = changed("runtime.powerState", f'<val xsi:type="VirtualMachinePowerState">{word}</val>')
    fields = fields_of(NAMED, power, unread={"VirtualMachine.runtime.powerState"})
    assert fields == {"name": "web"}


@pytest.mark.parametrize(
    "value",
    [
        '<val xsi:type="VirtualMachineMood">gloomy</val>',
        '<val xsi:type="xsd:duration">P1D</val>',
        '<val xsi:type="xsd:int">many</val>',
        '<val xsi:type="xsd:string"><a>b</a></val>',
        "<val>a</val>",
    ],
)
def test_a_value_of_an_unknown_type_costs_one_field(value: str) -> None:
    fields = fields_of(NAMED, changed("guest.hostName", value), unread={"VirtualMachine.guest.hostName"})
    assert fields == {"name": "web"}


def test_a_known_type_in_an_unexpected_place_is_left_to_pyvmomi() -> None:
    strays: Counter[str] = Counter()
    value = '<val xsi:type="xsd:float">1.5</val>'
    page = decode_page(update_set(entered(changed("config.template", value))), NOW, strays=strays)
    assert page is not None
    assert page.changes[0].fields == {"template": 1.5}
    assert strays == {"VirtualMachine.config.template": 1}


def test_an_unknown_device_is_named_and_not_taken_for_a_card() -> None:
    page = decoded(
        update_set(
            entered(devices(device("VirtualAbacus", "<key>1</key>"), device("VirtualE1000", "<key>2</key>")))
        )
    )
    assert page.changes[0].fields["cards"] == (Card(2, "device 2", "VirtualE1000", None, False, None),)
    assert page.unread == {"VirtualMachine.config.hardware.device VirtualAbacus"}
    assert page.signs == Signs(answered=1, essentials=1)


def test_an_unknown_device_with_a_mac_is_a_card() -> None:
    inner = f"<key>4000</key>{CONNECTED}<macAddress>00:50:56:00:00:01</macAddress><quantum>yes</quantum>"
    page = decoded(update_set(entered(devices(device("VirtualVmxnet9", inner)))))
    card = Card(4000, "device 4000", "VirtualVmxnet9", "00:50:56:00:00:01", True, None)
    assert page.changes[0].fields["cards"] == (card,)


def test_a_card_on_an_unknown_backing_is_not_taken_for_one_without_a_wire() -> None:
    """G4: the wire is out of sight, and not gone."""
    backing = (
        '<key>1</key><backing xsi:type="VirtualEthernetCardTelepathicBackingInfo"><mind>a</mind></backing>'
    )
    fields = fields_of(
        NAMED,
        devices(device("VirtualVmxnet3", backing)),
        unread={"VirtualMachine.config.hardware.device"},
    )
    assert fields == {"name": "web"}


def test_an_unknown_field_of_a_card_is_stepped_over() -> None:
    fields = fields_of(devices(device("VirtualVmxnet3", "<key>1</key><colour><red>1</red></colour>")))
    assert fields["cards"] == (Card(1, "device 1", "VirtualVmxnet3", None, False, None),)


def test_devices_that_are_all_skipped_are_not_an_empty_list() -> None:
    assert decoded(update_set(entered(devices(device("VirtualDisk", "<key>2000</key>"))))).signs == Signs(
        answered=1, essentials=1
    )
    assert decoded(update_set(entered(devices()))).signs == Signs(answered=1, essentials=1, hollow=1)


def test_what_only_looks_like_an_end_is_none() -> None:
    """A card behind a comment that holds an end tag is not lost."""
    tricks = ("<!-- </VirtualDevice> -->", "<![CDATA[</VirtualDevice>]]>", "<?x </VirtualDevice>?>")
    for trick in tricks:
        disk = device("VirtualDisk", f"<key>1</key><deviceInfo>{trick}</deviceInfo>")
        fields = fields_of(devices(disk, device("VirtualE1000", "<key>2</key>")))
        assert [card.key for card in fields["cards"]] == [2]


def test_a_device_within_a_device_does_not_end_it() -> None:
    nested = device("VirtualDisk", device("VirtualKeyboard", "<key>5</key>") + "<key>1</key>")
    fields = fields_of(devices(nested, device("VirtualE1000", "<key>2</key>")))
    assert [card.key for card in fields["cards"]] == [2]


def test_a_namespace_declared_anew_within_an_object_is_heard() -> None:
    value = '<val xmlns:xsd="urn:other" xsi:type="xsd:string">a</val>'
    assert (
        decoded(update_set(entered(NAMED, changed("guest.hostName", value)))).changes[0].fields["name"]
        == "web"
    )


def test_unknown_kinds_and_fields_of_the_frame_are_named() -> None:
    page = decoded(update_set(entered(NAMED) + entered(NAMED, kind="blink"), "<mood>good</mood>"))
    assert len(page.changes) == 1
    assert page.unread == {"VirtualMachine blink", "returnval.mood"}


def test_an_unknown_operation_costs_one_field() -> None:
    value = '<val xsi:type="xsd:string">a</val>'
    fields = fields_of(
        NAMED, changed("guest.hostName", value, op="append"), unread={"VirtualMachine.guest.hostName"}
    )
    assert fields == {"name": "web"}


def test_missing_properties_for_a_reason_nobody_knows_are_missing() -> None:
    missing = '<missingSet><path>name</path><fault><fault xsi:type="SolarFlare"/></fault></missingSet>'
    page = decoded(
        update_set(f'<objectSet><kind>enter</kind><obj type="Folder">g</obj>{missing}</objectSet>')
    )
    assert page.signs == Signs(answered=1, blind=1)


def fault(name: str) -> bytes:
    return enveloped(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>go away</faultstring><detail>"
        f'<{name}Fault xmlns="urn:vim25" xsi:type="{name}"/></detail></soapenv:Fault>'
    )


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("NotAuthenticated", "session_ended"),
        ("InvalidCollectorVersion", "session_ended"),
        ("ManagedObjectNotFound", "session_ended"),
        ("RequestCanceled", "session_ended"),
        ("NoPermission", "rejected_login"),
        ("InvalidType", "unreachable"),
        ("SolarFlare", "blind_answer"),
    ],
)
def test_faults_mean_what_they_mean_with_pyvmomi(name: str, cause: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011  pyVmomi's faults share no narrower class
        decode_page(fault(name))
    assert sight_lost_by(raised.value).cause == cause


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502</body></html>",
        b"<WaitForUpdatesExResponse xmlns='urn:vim25'/>",
        b"not xml at all",
        HEAD.encode(),
        enveloped(""),
        update_set(entered(NAMED)).replace(b"</val>", b"</vel>"),
        update_set(entered(NAMED)).replace(b"web", b"\xff\xfe"),
        update_set(entered(NAMED)).replace(b"web", b"a\x01b"),
        update_set(entered(NAMED)).replace(b"web", b"&nothing;"),
        update_set(entered(NAMED)) + b"<more/>",
    ],
)
def test_what_is_no_answer_is_loss_of_sight(body: bytes) -> None:
    """G4: nothing of it becomes a page."""
    with pytest.raises(Unreadable) as raised:
        decode_page(body)
    assert sight_lost_by(raised.value).cause == "blind_answer"


def test_entities_are_not_expanded() -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e1 "ha">{entities}]>'
    text = update_set(entered(NAMED)).decode().replace("web", "&e12;")
    with pytest.raises(Unreadable):
        decode_page(text.replace("<soapenv:Envelope", f"{bomb}<soapenv:Envelope", 1).encode())


def test_files_are_not_read() -> None:
    text = update_set(entered(NAMED)).decode().replace("web", "&f;")
    outside = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    with pytest.raises(Unreadable):
        decode_page(text.replace("<soapenv:Envelope", f"{outside}<soapenv:Envelope", 1).encode())


def test_answers_may_be_long_and_texts_too() -> None:
    """An answer has no size limit of a parser's making: notes have some kilobytes, pages many megabytes."""
    note = changed("config.annotation", f'<val xsi:type="xsd:string">{"&lt;" * 100_000}</val>')
    page = decoded(update_set("".join(entered(NAMED, note) for _ in range(60))))
    assert len(page.changes) == 60
    assert page == decoded(update_set("".join(entered(note, NAMED) for _ in range(60))))


def test_another_encoding_is_left_to_pyvmomi() -> None:
    strays: Counter[str] = Counter()
    body = update_set(entered(NAMED)).decode().replace("UTF-8", "UTF-16").encode("utf-16")
    page = decode_page(body, NOW, strays=strays)
    assert page == decoded(update_set(entered(NAMED)))
    assert strays == {WHOLE: 1}


OPTION = (
    '<val xsi:type="OptionValue"><key>guestinfo.patchbay.reservation</key>'
    '<value xsi:type="{}">{}</value></val>'
)
ID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def test_an_option_is_scanned_without_a_parser() -> None:
    body = update_set(entered(NAMED, changed(OPTION_PATH, OPTION.format("xsd:string", ID))))
    scan = Scan(body.decode(), Tally())
    scan.update_set()
    assert (scan.parsed, scan.changes[0].fields["option_reservation"]) == (0, UUID(ID))


@pytest.mark.parametrize("quote", ['"', "&quot;", "&#34;"])
@pytest.mark.parametrize(
    ("value", "named"),
    [
        (OPTION.format("xsd:string", ID), UUID(ID)),
        (OPTION.format("xsd:string", "a &amp; b"), None),
        (OPTION.format("xsd:int", "7"), None),
        (OPTION.partition("<value")[0] + "</val>", None),
    ],
)
def test_an_option_however_it_is_spelled(quote: str, value: str, named: UUID | None) -> None:
    strays: Counter[str] = Counter()
    path = OPTION_PATH.replace('"', quote)
    page = decode_page(update_set(entered(NAMED, changed(path, value))), NOW, strays=strays)
    assert page is not None
    assert page.changes[0].fields == {"name": "web", "option_reservation": named}
    assert (strays, page.unread) == (Counter(), frozenset())
