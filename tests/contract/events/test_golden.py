"""Every published type and version has a golden message, and golden messages stay readable for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.bus.topics import matches
from shared.events.base import Part
from shared.events.codec import decode, encode
from shared.events.envelope import routing_key
from shared.events.registry import EVENTS, REGISTRY
from shared.events.topology import TOPOLOGY

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"))


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_every_type_and_version_has_a_golden_message() -> None:
    assert {path.name for path in FILES} == {f"{name}.v{version}.json" for name, version in REGISTRY}


def test_no_type_is_registered_twice() -> None:
    assert len(EVENTS) == len(REGISTRY)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_message_is_read_and_written_unchanged(path: Path) -> None:
    golden = _load(path)
    envelope = decode(json.dumps(golden).encode())
    assert f"{envelope.data.TYPE}.v{envelope.data.VERSION}" == path.stem
    assert json.loads(encode(envelope)) == golden


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_message_is_a_cloudevent(path: Path) -> None:
    golden = _load(path)
    assert golden["specversion"] == "1.0"
    assert all(golden[name] for name in ("id", "source", "type", "time", "subject", "dataschema"))
    names = set(golden) - {"data"}
    assert all(name.isalnum() and name == name.lower() and len(name) <= 20 for name in names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_message_is_routed_by_type_vcenter_and_subnet(path: Path) -> None:
    data = decode(path.read_bytes()).data
    key = routing_key(data)
    assert key.split(".")[:-2] == data.TYPE.split(".")
    assert matches(f"{data.TYPE}.#", key)
    assert matches(f"#.{data.vcenter_of() or '-'}.*", key)
    assert matches(f"{data.TYPE}.*.{data.subnet_of() or '-'}", key)
    assert len(key) <= 255


def test_every_command_has_a_consumer() -> None:
    """A command nobody is bound to would wait for an answer that can't come."""
    taken = [
        b
        for queue in TOPOLOGY.queues
        if queue.kind == "quorum" and queue.exchange == "patchbay"
        for b in queue.bindings
    ]
    commands = [
        _load(path) for path in FILES if path.name.startswith("command.") and "replied" not in path.name
    ]
    assert commands
    for command in commands:
        assert any(matches(binding, f"{command['type']}.-.-") for binding in taken), command["type"]


def _parts(part: type[Part]) -> set[type[Part]]:
    return {part} | {found for sub in part.__subclasses__() for found in _parts(sub)}


def test_what_is_left_out_when_empty_may_be_left_out() -> None:
    """Messages are written without empty fields; a reader that insisted on one would refuse its own words."""
    insisting = [
        f"{part.__name__}.{name}"
        for part in _parts(Part)
        for name, field in part.model_fields.items()
        if field.is_required() and type(None) in get_args(field.annotation)
    ]
    assert insisting == []
