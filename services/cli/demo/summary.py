"""What `patchbay demo --check` prints: read back from the log and the database, after the story has ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from services.cli.demo.reading import Reading
from services.cli.demo.stage import Stage
from services.cli.demo.steps import Report
from shared.bus.port import Bus
from shared.events.base import Event
from shared.events.codec import decode
from shared.events.placement import VmCreateConfirmed, VmCreateRefused
from shared.events.subnet import SubnetWireAttached

SHOWN = 100
"""Unmatched addresses listed one by one; all are counted."""


async def summarise(stage: Stage, reading: Reading, seconds: float) -> dict[str, Any]:
    """The summary, ready for JSON."""
    log = await _logged(stage.bus)
    unmatched = await reading.unmatched()
    attached = [e for e in log if isinstance(e, SubnetWireAttached) and e.how == "detected"]
    confirmed = [e for e in log if isinstance(e, VmCreateConfirmed)]
    refused = [e for e in log if isinstance(e, VmCreateRefused)]
    latency = stage.witness.latency
    return {
        "ok": stage.report.ok,
        "seconds": round(seconds, 1),
        "vms": len(await reading.vms()),
        "wires": len(await reading.wires()),
        "subnets": len(await reading.subnets()),
        "nic_records": len({row.id for row in await reading.nics()}),
        "unmatched_addresses": {
            "count": len(unmatched),
            "by_reason": dict(Counter(row.verdict for row in unmatched)),
            "addresses": [
                {"address": row.address, "vm": row.vm_name, "reason": row.verdict, "says": row.explanation}
                for row in unmatched[:SHOWN]
            ],
        },
        "additional_wires": [_attached(event) for event in attached],
        "placements_confirmed": [
            {"request": e.request_id, "vm": e.vm_moid, "recognised_by": e.recognised_by} for e in confirmed
        ],
        "refusals": [
            {
                "request": e.request_id,
                "reason": e.reason,
                "ruled_out": [r.because for r in e.rulings if not r.passed][:10],
            }
            for e in refused
        ],
        "change_to_nic_event_seconds": {
            "changes": len(latency.seconds),
            "p50": _rounded(latency.quantile(0.5)),
            "p99": _rounded(latency.quantile(0.99)),
        },
        "events": dict(sorted(Counter(event.TYPE for event in log).items())),
        "steps": steps(stage.report),
    }


def steps(report: Report) -> list[dict[str, Any]]:
    """Every step with what was expected and found."""
    return [asdict(step) for step in report.steps]


def _attached(event: SubnetWireAttached) -> dict[str, Any]:
    return {
        "subnet": event.subnet_name,
        "wire": event.wire_name,
        "evidence": [
            {"vm": item.vm_name, "address": item.address, "strong": item.strong} for item in event.evidence
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


async def _logged(bus: Bus) -> list[Event]:
    return [decode(entry.message.body).data async for entry in bus.read_log("first")]
