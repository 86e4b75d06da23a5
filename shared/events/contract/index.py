"""The page that lists all events, commands and queues."""

# ruff: noqa: E501  lines of a page, not of code

from __future__ import annotations

from shared.events.base import Event, Fact
from shared.events.commands import Command
from shared.events.contract.pages import HEAD
from shared.events.contract.remarks import sentence
from shared.events.registry import REGISTRY
from shared.events.topology import TOPOLOGY

_OPENING = """# Events and commands

Every message is a [CloudEvents 1.0](https://cloudevents.io) event in structured JSON mode on the durable topic
exchange `patchbay` ([how it maps to AMQP](amqp-mapping.md)). The routing key is `<type>.<vcenter>.<subnet>`,
with `-` where there is none:

| you want | bind |
| --- | --- |
| all NIC events | `nic.#` |
| everything of one vCenter | `#.<vcenter id>.*` |
| NIC events of one subnet | `nic.*.*.<subnet id>` |
| everything | `#` |

[Consume events](../how-to/consume-events.md) tells how to build a table that stays correct, with programs that
run. For machines: the [AsyncAPI document](asyncapi.yaml), and a JSON Schema of each version in [schemas](schemas).

`dataschema` is `urn:patchbay:event:<type>:<version>`; a published version keeps its promises for ever, and
another shape is another version ([what may change](event-versions.md)). `data` of a fact (marked ●) is the full
state of one object and carries `vcenter`, `epoch` and `sequence`: apply it only if `(epoch, sequence)` is greater
than what you have for that object.

`correlationid` names the conversation, `causationid` the event that led to this one. The same event may arrive
twice; its id tells."""

_COMMANDS = """## Commands

Publish with `reply_to` and `correlation_id`; the answer is one `command.replied`, whose `data` has either `result`
or `complaint` (`code`, `message`, `field`)."""

_QUEUES = """Messages that can't be read, or fail for good, are in `patchbay.dead-letter` with the headers `x-patchbay-reason`,
`x-patchbay-detail`, `x-patchbay-queue` and `x-patchbay-dead-since`. `patchbay.log` is a stream: read it from any
offset or time. Pass over its entries of AMQP type `patchbay.log.end`: they are [marks](../decisions/0008-marks-in-the-log.md), not events."""


def index() -> str:
    """The page's text."""
    commands = [model for model in _newest() if issubclass(model, Command)]
    events = [model for model in _newest() if not issubclass(model, Command)]
    parts = [
        HEAD,
        _OPENING,
        "\n".join(["| type | version | when |", "| --- | --- | --- |", *map(_row, events)]),
        _COMMANDS,
        "\n".join(["| type | version | what it asks |", "| --- | --- | --- |", *map(_row, commands)]),
        "## Queues",
        "\n".join(["| queue | kind | bound to |", "| --- | --- | --- |", *_queues()]),
        _QUEUES,
    ]
    return "\n\n".join(parts) + "\n"


def _newest() -> list[type[Event]]:
    newest: dict[str, type[Event]] = {}
    for model in REGISTRY.values():
        known = newest.get(model.TYPE)
        if known is None or known.VERSION < model.VERSION:
            newest[model.TYPE] = model
    return list(newest.values())


def _row(model: type[Event]) -> str:
    mark = " ●" if issubclass(model, Fact) else ""
    return f"| [`{model.TYPE}`](events/{model.TYPE}.md){mark} | {model.VERSION} | {sentence(model.__doc__)} |"


def _queues() -> list[str]:
    return [
        f"| `{queue.name}` | {queue.kind} | {', '.join(map(_code, queue.bindings))} on `{queue.exchange}` |"
        for queue in TOPOLOGY.queues
    ]


def _code(text: str) -> str:
    return f"`{text}`"
