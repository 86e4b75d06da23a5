"""Create-VM requests from flags and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.outcome import Misused
from services.cli.requests import (
    build_request,
    disk,
    fields_of,
    file_content,
    labels,
    mebibytes,
    nic_request,
    peer,
    seconds,
)


@pytest.mark.parametrize(
    ("text", "expected"), [("4G", 4096), ("512M", 512), ("4096", 4096), ("1.5 GiB", 1536), ("1tb", 1048576)]
)
def test_memory_sizes(text: str, expected: int) -> None:
    assert mebibytes(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "4X", "-1G"])
def test_a_wrong_memory_size_says_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="4G"):
        mebibytes(text)


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("15m", 900), ("2h", 7200), ("1d", 86400)])
def test_spans(text: str, expected: int) -> None:
    assert seconds(text) == expected


def test_a_nic_is_a_subnet_name_or_fields_or_anything() -> None:
    assert nic_request("any").subnet is None
    assert nic_request("prod").subnet == "prod"
    nic = nic_request("wire=web, address=10.0.0.9, mac=00:50:56:00:00:01")
    assert (nic.wire, nic.address, nic.mac) == ("web", "10.0.0.9", "00:50:56:00:00:01")


def test_mistakes_in_a_nic_are_named() -> None:
    with pytest.raises(ValueError, match="did you mean 'subnet'"):
        nic_request("subnte=prod")
    with pytest.raises(ValueError, match="not both"):
        nic_request("subnet=a,wire=b")
    with pytest.raises(ValueError, match=r"10\.0\.0\.999"):
        nic_request("subnet=a,address=10.0.0.999")
    with pytest.raises(ValueError, match="key=value"):
        nic_request("subnet=a,address")


def test_a_file_holds_the_whole_request(tmp_path: Path) -> None:
    path = tmp_path / "vm.yaml"
    path.write_text(
        """
        name: web-7
        cpus: 2
        memory: 4G
        nics: [prod, {wire: web-b, family: ipv6}]
        where: {cluster: east}
        """
    )
    request = build_request(fields_of(file_content(path), path))
    assert request.memory_mb == 4096
    assert [nic.subnet for nic in request.nics] == ["prod", None]
    assert request.where.cluster == "east"
    assert request.request_id.startswith("cli-")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("text", "one request"),
        ("{name: [", "neither YAML nor JSON"),
        ("{name: a, cpus: 1, memory: much, nics: [x]}", "memory"),
    ],
)
def test_a_wrong_file_says_so(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "vm.yaml"
    path.write_text(content)
    with pytest.raises(Misused, match=complaint):
        fields_of(file_content(path), path)


def test_a_disk_has_a_size_and_perhaps_a_place() -> None:
    assert (disk("20G").size_gb, disk("1500M").size_gb, disk("1T").size_gb) == (20, 2, 1024)
    fast = disk("20G, datastore=gold, thin=no")
    assert (fast.datastore, fast.thin) == ("gold", False)
    with pytest.raises(ValueError, match="datastore=NAME"):
        disk("20G,gold")
    with pytest.raises(ValueError, match="thin"):
        disk("20G,thin=perhaps")


def test_labels_are_pairs() -> None:
    assert labels(["zone=a", "note=x=y"]) == {"zone": "a", "note": "x=y"}
    with pytest.raises(ValueError, match="zone=a"):
        labels(["zone"])


def test_a_peer_is_a_vm_or_a_group_by_host_or_cluster() -> None:
    near = peer("db-1", required=True)
    assert (near.vm, near.group, near.level, near.required) == ("db-1", None, "host", True)
    far = peer("cluster/group:web", required=False)
    assert (far.vm, far.group, far.level, far.required) == (None, "web", "cluster", False)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="cannot read"):
        file_content(tmp_path / "absent.yaml")


def test_a_mistyped_field_is_recognised() -> None:
    with pytest.raises(Misused, match="did you mean 'memory_mb'"):
        build_request({"name": "a", "cpus": 1, "memry_mb": 4})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(Misused, match="cpus"):
        build_request({"name": "a", "memory_mb": 4})
