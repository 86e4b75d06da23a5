"""Answers in the words of the contract."""

from __future__ import annotations

from uuid import UUID

from services.placement.domain.answering import annotation, fingerprint, refused
from services.placement.domain.deciding import Refusal
from services.placement.domain.finding import Finding, amount, listed, rulings
from shared.events.placement import NicRequest, Where
from tests.unit.placement.worlds import request


def test_the_annotation_is_what_the_collector_reads() -> None:
    reservation = UUID(int=7)
    assert annotation(reservation) == f"patchbay-reservation: {reservation}"


def test_any_difference_in_a_request_shows_in_its_fingerprint() -> None:
    asked = request()
    variants = [
        request(cpus=3),
        request(lease_seconds=60),
        request(where=Where(host="esx-1")),
        request(NicRequest(subnet="net-2")),
        request(NicRequest(subnet="net-1", labels={"a": "b"})),
    ]
    assert fingerprint(asked) == fingerprint(request())
    assert len({fingerprint(asked), *map(fingerprint, variants)}) == len(variants) + 1


def test_a_long_answer_is_shortened_and_says_what_is_left_out() -> None:
    findings = [Finding("host", str(n), f"esx-{n}", "memory", False, "too small") for n in range(300)]
    findings.append(Finding("host", "x", "esx-x", "chosen", True, "best"))
    published = rulings(findings, 10)
    assert len(published) == 11
    assert published[0].rule == "chosen"
    assert published[-1].because == "further rulings are kept with the request: 291 by host rule 'memory'"
    assert len(rulings(findings)) == 301


def test_a_refusal_carries_reason_and_rulings() -> None:
    finding = Finding("host", "host-1", "esx-1", "maintenance", False, "it is in maintenance mode")
    event = refused(request(), Refusal("nowhere", (finding,)))
    assert (event.request_id, event.reason) == ("order-1", "nowhere")
    assert event.rulings[0].rule == "maintenance"


def test_amounts_and_lists_for_people() -> None:
    assert [amount(n) for n in (512, 1024, 1536, 65536)] == ["512 MiB", "1 GiB", "1.5 GiB", "64 GiB"]
    assert listed([]) == "none"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"] * 9) == "a, a, a, a, a and 4 more"
