"""A file of subnets, addresses and fixes comes back byte for byte, in YAML and in CSV."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.bulk import csv_text, yaml_text
from services.cli.bulk.forms import Entry, Kind

TEXT = (
    st.text(
        st.characters(
            exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff\x85"
        ),
        min_size=1,
        max_size=12,
    )
    .map(str.strip)
    .filter(bool)
)
ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str).filter(lambda text: not text.startswith("::ffff:")),
)
MACS = st.integers(0, 2**48 - 1).map(lambda n: ":".join(f"{n:012x}"[i : i + 2] for i in range(0, 12, 2)))
LABELS = st.tuples(TEXT.filter(lambda t: "=" not in t), TEXT).map("=".join)
ROUTES = st.sampled_from(["10.9.0.0/16=10.0.0.254", "2001:db8:9::/48=fe80::1"])
RANGES = st.sampled_from(["10.0.0.9", "10.0.0.10-10.0.0.20", "2001:db8::1-2001:db8::ff"])
LISTS = {
    "ranges": RANGES, "dns": ADDRESSES, "ntp": TEXT, "routes": ROUTES, "labels": LABELS, "fixed": ADDRESSES,
}  # fmt: skip
SINGLE: dict[str, st.SearchStrategy[Any]] = {
    "scope": TEXT,
    "name": TEXT,
    "prefix": st.sampled_from(["10.0.0.0/24", "2001:db8::/64"]),
    "wire": TEXT,
    "gateway": ADDRESSES,
    "domain": TEXT,
    "mtu": st.integers(0, 70000),
    "vlan": st.integers(0, 5000),
    "auto_allocate": st.booleans(),
    "allocation_order": st.sampled_from(["lowest", "longest_unused"]),
    "cooldown_seconds": st.integers(0, 10**6),
    "addresses": RANGES,
    "note": TEXT,
    "until": st.sampled_from(["2026-12-31T12:00:00Z", "2026-12-31T12:00:00.250000Z"]),
    "address": ADDRESSES,
    "mac": MACS,
    "vm": TEXT,
    "nic": st.integers(0, 9999),
}


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    """Entries of every kind, in the order of the sections."""
    from services.cli.bulk.forms import FORMS  # noqa: PLC0415

    found = []
    kinds: tuple[Kind, ...] = ("subnet", "reserved", "binding", "fix")
    for kind in kinds:
        for _ in range(draw(st.integers(0, 3))):
            values: dict[str, Any] = {}
            for name, form in FORMS[kind].items():
                if form.required or draw(st.booleans()):
                    some = LISTS.get(name)
                    values[name] = (
                        draw(SINGLE[name])
                        if some is None
                        else tuple(draw(st.lists(some, min_size=1, max_size=3)))
                    )
            found.append(Entry(kind, values))
    return found


@pytest.mark.parametrize("spelling", [yaml_text, csv_text])
@given(written=entries())
def test_a_file_round_trips_byte_for_byte(spelling: Any, written: list[Entry]) -> None:
    text = spelling.write(written)
    read, problems = spelling.read(text)
    assert problems == []
    assert read == written
    assert spelling.write(read) == text


@given(st.text(max_size=200))
def test_any_text_is_read_or_complained_about_with_a_line(text: str) -> None:
    for read in (yaml_text.read, csv_text.read):
        _, problems = read(text)
        assert all(problem.line >= 1 and problem.message for problem in problems)
