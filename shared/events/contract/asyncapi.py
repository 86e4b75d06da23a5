"""The AsyncAPI 3.1 document: every channel, operation, reply, queue and message of the bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.events.base import Event
from shared.events.commands import Command
from shared.events.contract.components import Components
from shared.events.contract.guidance import GUIDANCE
from shared.events.contract.remarks import sentence
from shared.events.contract.schemas import writer_of
from shared.events.envelope import CONTENT_TYPE
from shared.events.registry import REGISTRY
from shared.events.topology import EXCHANGE, LOG, TOPOLOGY, Queue

Document = dict[str, Any]

REPLIES = "replies"
_BINDING = "0.3.0"
_CREATE = "vm.create"
_REPLIED = "command.replied"
_ANSWERS = {
    f"{_CREATE}.requested": (f"{_CREATE}.placed", f"{_CREATE}.refused"),
    f"{_CREATE}.batch.requested": (f"{_CREATE}.batch.answered",),
}


def document(version: str, examples: Mapping[str, Mapping[str, Any]]) -> Document:
    """The document for release `version`. `examples` are whole messages by "<type>.v<version>"."""
    models = list(REGISTRY.values())
    components = Components()
    ours_first = sorted(models, key=lambda model: writer_of(model) == "others")
    messages = {key_of(model): _message(model, components, examples) for model in ours_first}
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Patchbay",
            "version": version,
            "description": "VMware's inventory as facts, and what Patchbay makes of them: wires, subnets, "
            "NIC records, placements. Every message is a CloudEvents 1.0 event in structured JSON mode.",
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "rabbitmq": {
                "host": "localhost:5672",
                "protocol": "amqp",
                "protocolVersion": "0-9-1",
                "description": "RabbitMQ 3.10 or newer; yours, as PATCHBAY_AMQP_URL names it.",
            }
        },
        "channels": {
            **{name: _channel(name) for name in sorted({model.TYPE for model in models})},
            REPLIES: _replies(),
            **{f"queue.{queue.name}": _queue(queue) for queue in TOPOLOGY.queues},
        },
        "operations": {key_of(model): _operation(model) for model in models},
        "components": {"messages": messages, "schemas": components.schemas},
    }


def key_of(model: type[Event]) -> str:
    """Name of a version of a type, as files, messages and operations carry it."""
    return f"{model.TYPE}.v{model.VERSION}"


def answers_to(model: type[Event]) -> tuple[str, ...]:
    """Types of the messages that answer this one to its `reply_to`; none for what nobody answers."""
    if issubclass(model, Command):
        return (_REPLIED,)
    return _ANSWERS.get(model.TYPE, ())


def _versions(name: str) -> list[str]:
    return [key_of(model) for (kind, _), model in REGISTRY.items() if kind == name]


def _message(
    model: type[Event], components: Components, examples: Mapping[str, Mapping[str, Any]]
) -> Document:
    key = key_of(model)
    guidance = GUIDANCE.get(model.TYPE)
    message: Document = {
        "name": key,
        "title": f"{model.TYPE}, version {model.VERSION}",
        "summary": sentence(model.__doc__),
        "contentType": CONTENT_TYPE,
        "correlationId": {"location": "$message.payload#/correlationid"},
        "tags": [{"name": model.TYPE.partition(".")[0]}],
        "bindings": {"amqp": {"messageType": model.TYPE, "bindingVersion": _BINDING}},
        "payload": components.message(model),
    }
    if guidance is not None:
        message["description"] = f"{guidance.why} {guidance.do}"
    if key in examples:
        message["examples"] = [{"name": key, "payload": dict(examples[key])}]
    return message


def _channel(name: str) -> Document:
    return {
        "address": f"{name}.{{vcenter}}.{{subnet}}",
        "parameters": {
            "vcenter": {"description": "Id of the vCenter that the event concerns; - where there is none."},
            "subnet": {"description": "Id of the subnet that the event concerns; - where there is none."},
        },
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in _versions(name)},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": _BINDING,
            }
        },
    }


def _replies() -> Document:
    names = sorted({_REPLIED, *(name for several in _ANSWERS.values() for name in several)})
    keys = [key for name in names for key in _versions(name)]
    return {
        "address": None,
        "description": "The queue that a request's reply_to property names. The answer's correlation_id "
        "property is the request's correlation_id, or its message_id where it has none.",
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in keys},
    }


def _queue(queue: Queue) -> Document:
    bound = ", ".join(queue.bindings)
    return {
        "address": queue.name,
        "description": f"A {queue.kind} queue, bound to exchange {queue.exchange} with {bound}."
        + (
            " Pass over entries of AMQP type patchbay.log.end: they are no events."
            if queue.name == LOG
            else ""
        ),
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"name": queue.name, "durable": True, "exclusive": False, "autoDelete": False},
                "bindingVersion": _BINDING,
            }
        },
        "x-queue": {
            "type": queue.kind,
            "exchange": queue.exchange,
            "bindings": list(queue.bindings),
            "deliveryLimit": queue.delivery_limit,
            "maxAgeHours": queue.max_age_hours,
            "maxBytes": queue.max_bytes,
        },
    }


def _operation(model: type[Event]) -> Document:
    key = key_of(model)
    asked = writer_of(model) == "others"
    operation: Document = {
        "action": "receive" if asked else "send",
        "summary": sentence(model.__doc__),
        "channel": {"$ref": f"#/channels/{model.TYPE}"},
        "messages": [{"$ref": f"#/channels/{model.TYPE}/messages/{key}"}],
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": _BINDING}},
    }
    if answers := answers_to(model):
        operation["reply"] = {
            "address": {
                "location": "$message.header#/reply_to",
                "description": "AMQP's reply_to property; without it nobody is answered.",
            },
            "channel": {"$ref": f"#/channels/{REPLIES}"},
            "messages": [
                {"$ref": f"#/channels/{REPLIES}/messages/{answer}"}
                for name in answers
                for answer in _versions(name)
            ],
        }
    return operation
