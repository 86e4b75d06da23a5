"""Requests for many VMs from files and flags."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.batches import batch_of, is_batch, numbered
from services.cli.outcome import Misused
from services.cli.requests import build_request

SHOPS: dict[str, Any] = {
    "mode": "as-many-as-fit",
    "batch_id": "shops",
    "memory": "2G",
    "nics": ["shop"],
    "guest": {"os": "linux", "domain": "a.test"},
    "vms": [{"name": "a"}, {"name": "b", "memory": "4G", "guest": {"hostname": "bee"}, "nics": ["any"]}],
}


def test_what_stands_beside_the_vms_holds_for_each_that_does_not_say_otherwise() -> None:
    assert is_batch(SHOPS)
    batch = batch_of(SHOPS, {}, "shops.yaml")
    assert (batch.batch_id, batch.mode) == ("shops", "as_many_as_fit")
    first, second = batch.requests
    assert (first.memory_mb, first.cpus, first.nics[0].subnet) == (2048, 1, "shop")
    assert (second.memory_mb, second.nics[0].subnet) == (4096, None)
    assert (second.guest.hostname, second.guest.domain) == ("bee", "a.test")


def test_flags_win_entry_by_entry() -> None:
    flags = {"cpus": 8, "guest": {"domain": "b.test"}, "where": {"cluster": "east"}}
    first, second = batch_of(SHOPS, flags, "shops.yaml").requests
    assert (first.cpus, second.guest.domain, second.guest.hostname) == (8, "b.test", "bee")
    assert first.where.cluster == "east"


@pytest.mark.parametrize(
    ("content", "flags", "complaint"),
    [
        ({"vms": []}, {}, "list of requests"),
        ({"vms": ["a"]}, {}, "VM 1 is no mapping"),
        ({"vms": [{"name": "a"}, {"nmae": "b"}]}, {}, r"VM 2 \(no name\).*did you mean 'name'"),
        ({"vms": [{"name": "a", "memory": "lots"}]}, {}, r"VM 1 \(a\): memory: 'lots'"),
        ({"vms": [{"name": "a", "request_id": "1"}, {"name": "b", "request_id": "1"}]}, {}, "more than once"),
        ({"vms": [{"name": "a"}], "mode": "some"}, {}, "mode"),
        ({"vms": [{"name": "a"}]}, {"name": "b"}, "names and request ids of their own"),
    ],
)
def test_a_mistake_names_the_vm_and_the_field(
    content: dict[str, Any], flags: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Misused, match=complaint):
        batch_of(content, flags, "shops.yaml")


def test_copies_are_numbered_under_one_request_id() -> None:
    shape = build_request({"name": "web", "cpus": 1, "memory_mb": 64, "request_id": "order-1"})
    batch = numbered(shape, 3, None)
    assert [one.name for one in batch.requests] == ["web-1", "web-2", "web-3"]
    assert [one.request_id for one in batch.requests] == ["order-1/1", "order-1/2", "order-1/3"]
    assert batch.batch_id == "order-1"


@pytest.mark.parametrize(
    "fields", [{"guest": {"hostname": "h"}}, {"nics": [{"subnet": "s", "address": "10.0.0.9"}]}]
)
def test_what_only_one_can_have_is_not_copied(fields: dict[str, Any]) -> None:
    shape = build_request({"name": "web", "cpus": 1, "memory_mb": 64} | fields)
    with pytest.raises(Misused, match="can't have one"):
        numbered(shape, 2, None)
