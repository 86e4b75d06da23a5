"""Renderings as files, to be read by people: a change of one is meant, or a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.placement.domain.rendering import guest_configuration
from shared.events.placement import Guest, VmCreatePlaced
from tests.unit.placement.rendering.answers import BACKUP, STORAGE, WEB, placed
from tests.unit.placement.rendering.readers import (
    read_cloud_init,
    read_customization,
    read_ignition,
    read_keyfile,
)

GOLDEN = Path(__file__).parent / "golden"
ANSWERS = {
    "linux": placed(WEB, STORAGE, guest=Guest(search_domains=("example.org",), time_zone="Europe/Berlin")),
    "linux-ipv6-only": placed(BACKUP, guest=Guest(dns=("2001:db8::53",))),
    "linux-dhcp": placed(()),
    "linux-macs-by-vcenter": placed(WEB, STORAGE, macs=False),
    "windows": placed(
        WEB, STORAGE, guest=Guest(os="windows", hostname="web-1.corp.example.org", time_zone="Europe/Berlin")
    ),
    "windows-ipv6-only": placed(BACKUP, guest=Guest(os="windows", domain="corp.example.org")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_rendering_is_as_written_down(name: str) -> None:
    rendering = guest_configuration(ANSWERS[name]).model_dump(mode="json", exclude_none=True)
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert rendering == golden


def test_no_golden_rendering_is_forgotten() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == ANSWERS.keys()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_golden_rendering_is_readable(answer: VmCreatePlaced) -> None:
    configuration = guest_configuration(answer)
    assert len(read_customization(configuration.customization)) == len(answer.nics)
    if configuration.cloud_init is not None and configuration.ignition is not None:
        assert len(read_cloud_init(configuration.cloud_init)) == len(answer.nics)
        assert [read_keyfile(file).mac for file in configuration.keyfiles] == [nic.mac for nic in answer.nics]
        assert len(read_ignition(configuration.ignition)) == 1 + len(answer.nics)
