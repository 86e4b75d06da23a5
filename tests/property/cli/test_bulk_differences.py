"""What a file says differently: nothing of what was exported; and each mistake in it, with its line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.bulk import csv_text, yaml_text
from services.cli.bulk.differences import check, compare, normal
from services.cli.bulk.forms import Entry, Kind
from services.cli.bulk.orders import commands_for, in_order
from tests.property.cli.test_bulk_files import entries


def entry(kind: Kind, line: int = 1, **values: Any) -> Entry:
    return Entry(kind, values, line)


def subnet(line: int = 1, **values: Any) -> Entry:
    return entry("subnet", line, **{"name": "web", "prefix": "10.0.0.0/24", "wire": "web", **values})


def _distinct(found: list[Entry]) -> list[Entry]:
    return [one for one in {e.key: e for e in found}.values() if one.kind != "reserved"]


@given(entries())
def test_what_is_known_written_and_read_differs_in_nothing(found: list[Entry]) -> None:
    known = _distinct(found)
    for spelling in (yaml_text.read(yaml_text.write(known)), csv_text.read(csv_text.write(known))):
        assert {d.what for d in compare(known, spelling[0])} <= {"unchanged"}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), st.booleans()), max_size=6), st.data())
def test_reserved_addresses_are_compared_one_by_one(
    spans: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    known, wanted = {}, {}
    for first, more, noted in spans:
        for number in range(first, first + more):
            known[number] = "lab" if noted else None
            if data.draw(st.booleans()):
                wanted[number] = data.draw(st.sampled_from(["lab", None]))
    differences = compare(_entries(known), _entries(wanted))
    for one in differences:
        low, _, high = str(one.entry.values["addresses"]).partition("-")
        numbers = range(int(low.rpartition(".")[2]), int((high or low).rpartition(".")[2]) + 1)
        note = one.entry.values.get("note")
        for number in numbers:
            if one.what == "removed":
                assert number in known
                assert number not in wanted
            else:
                assert wanted[number] == note
        same = all(number in known and known[number] == note for number in numbers)
        assert (one.what == "unchanged") == (one.what != "removed" and same)
    removed = sum(_size(one.entry) for one in differences if one.what == "removed")
    assert removed == len(known.keys() - wanted.keys())


def _entries(state: dict[int, str | None]) -> list[Entry]:
    """Maximal ranges with one note."""
    found: list[tuple[int, int, str | None]] = []
    for number in sorted(state):
        if found and found[-1][1] == number - 1 and found[-1][2] == state[number]:
            found[-1] = (found[-1][0], number, state[number])
        else:
            found.append((number, number, state[number]))
    rows = []
    for first, last, note in found:
        values = {"addresses": f"10.0.0.{first}" + (f"-10.0.0.{last}" if last > first else "")}
        rows.append(Entry("reserved", {**values, "note": note} if note else values, 1))
    return rows


def _size(one: Entry) -> int:
    low, _, high = str(one.values["addresses"]).partition("-")
    return int((high or low).rpartition(".")[2]) - int(low.rpartition(".")[2]) + 1


@pytest.mark.parametrize(
    ("found", "line", "said"),
    [
        ([subnet(), subnet(2, prefix="10.1.0.0/24")], 2, "subnet 'web' is in line 1 already"),
        (
            [subnet(), subnet(2, name="app", prefix="10.0.0.128/25")],
            2,
            "overlaps 10.0.0.0/24 of 'web' in line 1",
        ),
        ([subnet(7, gateway="10.1.0.1")], 7, "the gateway 10.1.0.1 is outside 10.0.0.0/24"),
        ([subnet(3, vlan=4095)], 3, "4094"),
        ([subnet(3, mtu=1)], 3, "68"),
        ([subnet(3, ranges=("10.0.0.1-10.0.1.9",))], 3, "reaches outside"),
        (
            [entry("reserved", 4, addresses="10.0.0.1-10.0.0.9"), entry("reserved", 9, addresses="10.0.0.9")],
            9,
            "again",
        ),
    ],
)
def test_each_mistake_is_told_with_its_line(found: list[Entry], line: int, said: str) -> None:
    (problem,) = check(found)
    assert problem.line == line
    assert said in problem.message


def test_all_problems_of_a_file_are_told_at_once_with_their_lines() -> None:
    text = (
        "subnets:\n"
        "- name: web\n"
        "  prefix: 10.0.0.1/24\n"
        "  wire: web\n"
        "- name: app\n"
        "  prefix: 10.1.0.0/24\n"
        "  colour: red\n"
        "reserved:\n"
        "- addresses: ten\n"
        "nonsense: []\n"
    )
    _, problems = yaml_text.read(text)
    assert [(p.line, p.message.split(";")[0].split(":")[0]) for p in problems] == [
        (2, "prefix"),
        (5, "a subnet has no field 'colour'"),
        (5, "the subnet has no wire"),
        (9, "addresses"),
        (10, "there is no section 'nonsense'"),
    ]
    _, problems = csv_text.read("kind,name,prefix,wire\nsubnet,web,10.0.0.0/33,w\nnet,a,b,c\nsubnet,,,\n")
    assert [p.line for p in problems] == [2, 3, 4, 4, 4]


def test_a_change_becomes_the_commands_that_make_it() -> None:
    old = subnet(mtu=1500, gateway="10.0.0.1", labels=("a=b",))
    new = subnet(wire="app", gateway="10.0.0.2", vlan=7)
    (difference,) = compare([old], [new])
    update, move = commands_for(difference, "joe")
    assert update.model_dump(exclude_none=True, exclude_defaults=True) == {
        "by": "joe", "subnet": "web", "gateway": "10.0.0.2", "vlan": 7, "clear": ("mtu", "labels"),
    }  # fmt: skip
    assert move.model_dump(exclude_defaults=True) == {"by": "joe", "subnet": "web", "wire": "app"}


def test_removals_come_first_and_from_the_end() -> None:
    known = [
        subnet(name="old"), entry("reserved", addresses="10.0.0.9"),
        entry("fix", vm="a", nic=4000, fixed=("10.0.0.5",)),
    ]  # fmt: skip
    wanted = [subnet(name="new"), entry("binding", address="10.0.0.7", mac="00:50:56:00:00:01")]
    order = [(d.what, d.entry.kind) for d in in_order(compare(known, wanted))]
    assert order == [
        ("removed", "fix"), ("removed", "reserved"), ("removed", "subnet"),
        ("added", "subnet"), ("added", "binding"),
    ]  # fmt: skip


def test_defaults_and_spellings_are_no_difference() -> None:
    plain = subnet(ranges=("10.0.0.1-10.0.0.100", "10.0.0.101-10.0.0.254"), cooldown_seconds=1800)
    assert normal(plain).values == subnet().values
