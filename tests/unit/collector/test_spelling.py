"""vSphere's own spellings."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.collector.domain.machines import adapter_name
from services.collector.domain.spelling import (
    object_name,
    option_reservation,
    reservation_in,
    uuid_or_none,
)

ID = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("web%2fapp", "web/app"),
        ("100%25", "100%"),
        ("a%5cb", "a\\b"),
        ("50%20off", "50%20off"),
        ("%252f", "%2f"),
    ],
)
def test_only_what_vsphere_escapes_is_unescaped(text: str, name: str) -> None:
    assert object_name(text) == name


@pytest.mark.parametrize(
    "notes",
    [
        f"patchbay-reservation: {ID}",
        f"Owner: me\n  Patchbay-Reservation:{str(ID).upper()}  \nmore",
        f"a\r\npatchbay-reservation: {ID}\r\n",
    ],
)
def test_a_reservation_is_found_on_its_line(notes: str) -> None:
    assert reservation_in(notes) == ID


@pytest.mark.parametrize(
    "notes", [None, "", "patchbay-reservation: soon", f"see patchbay-reservation: {ID} there"]
)
def test_notes_without_a_reservation(notes: str | None) -> None:
    assert reservation_in(notes) is None


@pytest.mark.parametrize("value", [str(ID), f" {str(ID).upper()}\n", ID.hex, f"patchbay-reservation: {ID}"])
def test_a_reservation_is_an_options_value(value: str) -> None:
    assert option_reservation(value) == ID


@pytest.mark.parametrize("value", [None, "", "soon", f"{ID} {ID}", str(UUID(int=0))])
def test_options_without_a_reservation(value: str | None) -> None:
    assert option_reservation(value) is None


def test_adapters_by_their_short_names() -> None:
    kinds = ["VirtualVmxnet3", "VirtualE1000e", "VirtualPCNet32", "VirtualSriovEthernetCard"]
    assert [adapter_name(kind) for kind in kinds] == ["vmxnet3", "e1000e", "pcnet32", "sriov"]


def test_what_is_no_uuid_is_none() -> None:
    assert uuid_or_none("") is None
    assert uuid_or_none("none of the kind") is None
    assert uuid_or_none(str(UUID(int=0))) is None
    assert uuid_or_none(str(ID)) == ID
