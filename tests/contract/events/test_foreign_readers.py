"""Others' software reads what is published: AsyncAPI's own parser, the CloudEvents SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_structured, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.bus.port import Message
from shared.events.codec import decode
from shared.events.registry import REGISTRY, TYPES
from shared.events.topology import TOPOLOGY
from shared.runtime.publishing import message_of
from tests.contract.events.examples import golden_messages
from tests.servers.node_packages import find_node, run_node

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "asyncapi.yaml"
MESSAGES = golden_messages()


@pytest.fixture(scope="session")
def node() -> Path:
    """A folder where Node finds the official parser."""
    return find_node()


def parsed(node: Path, document: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run_node(node, "parse-asyncapi.mjs", document))
    return found


@pytest.mark.slow
def test_the_official_asyncapi_parser_has_nothing_to_say(node: Path) -> None:
    found = parsed(node, DOCUMENT)
    assert found["said"] == []
    read = found["read"]
    assert read["version"] == "3.1.0"
    assert set(read["channels"]) == TYPES | {"replies"} | {f"queue.{queue.name}" for queue in TOPOLOGY.queues}
    assert {one["id"] for one in read["operations"]} == {f"{name}.v{version}" for name, version in REGISTRY}
    asked = {one["id"].rpartition(".v")[0] for one in read["operations"] if one["action"] == "receive"}
    assert asked == {one for one in TYPES if one.startswith("command.") or one.endswith(".requested")} - {
        "command.replied"
    }
    assert {one["id"].rpartition(".v")[0] for one in read["operations"] if one["replied"]} == asked


@pytest.mark.slow
def test_the_official_parser_would_have_found_a_mistake(node: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(DOCUMENT.read_text())
    document["components"]["messages"]["nic.updated.v1"]["payload"]["type"] = 7
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(document))
    places = [one["path"] for one in parsed(node, wrong)["said"]]
    assert any("nic.updated.v1" in place for place in places)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_cloudevents_sdk_reads_every_message_and_writes_what_we_read(name: str) -> None:
    envelope = decode(json.dumps(MESSAGES[name]).encode())
    message: Message = message_of(envelope)
    received = RabbitMQMessage(headers={}, content_type=message.content_type, body=message.body)
    event = from_structured(received, JSONFormat(), CloudEvent)
    assert event.get_id() == envelope.id
    assert event.get_type() == envelope.type
    assert event.get_time() == envelope.time
    assert event.get_subject() == envelope.subject
    assert event.get_dataschema() == envelope.dataschema
    assert event.get_data() == MESSAGES[name]["data"]
    assert event.get_extension("correlationid") == envelope.correlationid
    written = to_structured(event, JSONFormat())
    assert written.content_type == message.content_type
    assert decode(written.body) == envelope
