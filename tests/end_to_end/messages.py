"""CloudEvents built and read by hand, as a stranger to this code base would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

CONTENT_TYPE = "application/cloudevents+json"


def cloud_event(kind: str, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    """A structured-mode CloudEvent of version 1 of `kind`."""
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/provisioning/test",
        "type": kind,
        "time": datetime.now(UTC).isoformat(),
        "subject": subject,
        "datacontenttype": "application/json",
        "dataschema": f"urn:patchbay:event:{kind}:1",
        "data": data,
    }


def nic_addresses(event: dict[str, Any]) -> set[str]:
    """The addresses of a nic.* event's record."""
    return {place["address"] for place in event["data"]["nic"]["addresses"]}
