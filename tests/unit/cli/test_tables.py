"""Tables at the width of a terminal: addresses and names stay whole, and what had no room is named."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from services.cli.rendering.tables import add, table


def _shown(width: int) -> str:
    grid = table("vm", "network", "address", "why", right=("network",), spare=("network",))
    add(grid, "web-00001", "dvportgroup-22", "2001:db8:1:1:250:56ff:fe81:3", "no subnet on wire")
    add(grid, "web-00002", None, "10.32.1.10", None)
    file = StringIO()
    Console(file=file, width=width, legacy_windows=False).print(grid)
    return file.getvalue()


def test_with_room_enough_every_row_is_a_line() -> None:
    head, _line, first, second = _shown(80).splitlines()
    assert head.split() == ["vm", "network", "address", "why"]
    assert first.split() == [
        *("web-00001", "dvportgroup-22", "2001:db8:1:1:250:56ff:fe81:3"),
        *("no", "subnet", "on", "wire"),
    ]
    assert second.split() == ["web-00002", "-", "10.32.1.10", "-"]


def test_sentences_are_folded_and_addresses_are_not() -> None:
    text = _shown(66)
    assert "2001:db8:1:1:250:56ff:fe81:3" in text
    assert "dvportgroup-22" in text
    assert "no room" not in text
    assert all(len(line) <= 66 for line in text.splitlines())


def test_a_spare_column_is_left_out_and_named() -> None:
    text = _shown(50)
    assert "2001:db8:1:1:250:56ff:fe81:3" in text
    assert "dvportgroup" not in text
    assert text.splitlines()[-1] == "no room for network"
    assert all(len(line) <= 50 for line in text.splitlines())


def test_without_rows_there_is_a_header() -> None:
    file = StringIO()
    Console(file=file, width=20, legacy_windows=False).print(table("prefix length", "gateway", "vm"))
    assert "gateway" in file.getvalue()
