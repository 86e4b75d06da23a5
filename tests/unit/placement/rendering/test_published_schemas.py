"""What is rendered for cloud-init is valid by the schemas that cloud-init publishes.

They are cloud-init's own files: of one that is installed (24.3 or newer for network configuration), or of a
checkout of canonical/cloud-init, whose folder cloudinit/config/schemas the environment names.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft4Validator, Draft7Validator

from services.placement.domain.rendering import guest_configuration
from shared.events.guest_configuration import CloudInit
from shared.events.placement import VmCreatePlaced
from tests.property.placement.test_rendering import answers
from tests.unit.placement.rendering.test_golden import ANSWERS

FOLDER = "PATCHBAY_TEST_CLOUD_INIT_SCHEMAS"
INSTALLED = Path("/usr/lib/python3/dist-packages/cloudinit/config/schemas")
NETWORK, CLOUD_CONFIG = "schema-network-config-v2.json", "schema-cloud-config-v1.json"


@cache
def schema(name: str) -> dict[str, Any] | None:
    """A published schema; None where this machine has none."""
    for folder in (os.environ.get(FOLDER), INSTALLED):
        if folder and (file := Path(folder) / name).is_file():
            found: dict[str, Any] = json.loads(file.read_text())
            return found
    return None


def needed(name: str) -> dict[str, Any]:
    found = schema(name)
    if found is None:
        pytest.skip(f"no {name} of cloud-init: set {FOLDER} to cloudinit/config/schemas of a checkout of it")
    return found


def mistakes(network: dict[str, Any], config: object) -> list[str]:
    """As cloud-init reads it: from YAML, at the top or under `network`."""
    validator = Draft7Validator(network)
    forms = (config, {"network": config})
    return [
        error.message
        for form in forms
        for error in validator.iter_errors(yaml.safe_load(yaml.safe_dump(form)))
    ]


def told(answer: VmCreatePlaced) -> CloudInit | None:
    return guest_configuration(answer).cloud_init


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_golden_network_configurations_are_valid(answer: VmCreatePlaced) -> None:
    network, rendering = needed(NETWORK), told(answer)
    if rendering is not None:
        assert mistakes(network, rendering.network_config) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(answers())
def test_any_network_configuration_is_valid(answer: VmCreatePlaced) -> None:
    network, rendering = needed(NETWORK), told(answer)
    if rendering is not None:
        assert mistakes(network, rendering.network_config) == []


def test_the_schema_finds_mistakes() -> None:
    """Or its silence would prove nothing."""
    network = needed(NETWORK)
    assert mistakes(network, {"version": 2, "ethernets": {"nic0": {"addresses": "10.0.0.1/24"}}})
    assert mistakes(network, {"version": 2, "ethernets": {"nic0": {"match": {"mac": "00:50:56:00:00:01"}}}})
    assert mistakes(network, {"ethernets": {}})


@settings(deadline=None)
@given(answers())
def test_vendor_data_is_a_valid_cloud_config(answer: VmCreatePlaced) -> None:
    config, rendering = needed(CLOUD_CONFIG), told(answer)
    if rendering is None or rendering.vendor_data is None:
        return
    head, _, body = rendering.vendor_data.partition("\n")
    assert head == "#cloud-config"
    errors = Draft4Validator(config).iter_errors(yaml.safe_load(body))
    assert [error.message for error in errors] == []
