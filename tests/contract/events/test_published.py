"""The published documents are what the code makes of them, and the code keeps what they promise."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from services.cli.contract_folder import differing, read_schemas, wanted
from shared.events.contract.asyncapi import key_of
from shared.events.contract.compatibility import INSTEAD
from shared.events.contract.components import Components
from shared.events.contract.files import broken, schemas
from shared.events.contract.guidance import GUIDANCE
from shared.events.contract.schemas import envelope_schema
from shared.events.registry import EVENTS, TYPES
from shared.events.upcasts import UPCASTS
from tests.contract.events.examples import GOLDEN, golden_messages

PUBLISHED = Path(__file__).parents[3] / "docs" / "reference"
MESSAGES = golden_messages()


def test_a_published_version_is_never_broken() -> None:
    found = broken(read_schemas(PUBLISHED))
    told = "\n".join(f"{name}: {one}" for name, several in found.items() for one in several)
    assert not found, f"\n{told}\n{INSTEAD}"


def test_the_documents_are_as_the_code_makes_them() -> None:
    lifted = {f"schemas/{name}.v{version}.json" for name, version in UPCASTS}
    behind = set(differing(PUBLISHED, wanted(GOLDEN))) - lifted
    assert not behind, f"{sorted(behind)} in docs/reference are behind the code; run: make contract"


def test_every_type_says_why_it_exists_and_what_to_do_with_it() -> None:
    assert set(GUIDANCE) == TYPES, "shared/events/contract/guidance.py"


@pytest.mark.parametrize("model", EVENTS, ids=key_of)
def test_golden_message_fits_the_schemas(model: Any) -> None:
    """By a validator that is not ours: of the data, and of the whole payload in the AsyncAPI document."""
    message = MESSAGES[key_of(model)]
    schema = schemas()[key_of(model)]
    Draft7Validator.check_schema(schema)
    assert [error.message for error in Draft7Validator(schema).iter_errors(message["data"])] == []
    components = Components()
    payload = components.message(model)
    whole = payload | {"components": {"schemas": components.schemas}}
    assert [error.message for error in Draft7Validator(whole).iter_errors(message)] == []


@pytest.mark.parametrize("field", ["data", "type", "id", "time", "dataschema"])
def test_the_payload_schema_refuses_what_is_no_such_event(field: str) -> None:
    model = next(one for one in EVENTS if one.TYPE == "nic.created")
    components = Components()
    whole = components.message(model) | {"components": {"schemas": components.schemas}}
    message = copy.deepcopy(MESSAGES["nic.created.v1"])
    message[field] = 7
    assert not Draft7Validator(whole).is_valid(message)
    del message[field]
    assert not Draft7Validator(whole).is_valid(message)


def test_the_envelope_schema_takes_every_golden_message() -> None:
    validator = Draft7Validator(envelope_schema("patchbay"))
    assert [name for name, message in MESSAGES.items() if not validator.is_valid(message)] == []


def test_the_schemas_of_our_own_messages_know_no_null() -> None:
    ours = json.dumps(
        {name: one for name, one in schemas().items() if not name.startswith(("command.", "vm."))}
    )
    assert '"null"' not in ours
