"""A subnet's life and a file of all of it, typed at a running installation."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Installed, Shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

USER = ["--user", "administrator@vsphere.local"]
MAC = "00:50:56:00:00:99"


def test_a_subnet_lives_and_comes_back_from_a_file(here: Shell, installed: Installed, tmp_path: Path) -> None:
    here.ask("status", "--wait", "60s")
    here.run("vcenter", "add", "lab", installed.vcenter, *USER, typed="vmware\n")
    deadline = time.monotonic() + 60
    while not any(row["name"] == "web-101" for row in here.ask("wire", "list")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    wrong = here.run(
        *("subnet", "create", "x", "10.9.0.0/24", "--wire", "web-101"),
        *("--vlan", "4095", "--mtu", "10", "--gateway", "10.8.0.1"),
        code=2,
    )
    assert all(word in wrong.stderr for word in ("4094", "65535", "outside 10.9.0.0/24"))
    here.run("subnet", "create", "life", "172.30.0.0/24", "--wire", "web-101", "--gateway", "172.30.0.1")
    here.run("subnet", "create", "six", "2001:db8:30::/64", "--wire", "web-101")
    here.run("address", "reserve", "172.30.0.200-209", "2001:db8:30::5", "--note", "lab", "--until", "30d")
    here.run("address", "bind", MAC, "172.30.0.240", "--note", "db")
    assert "is reserved" in here.run("address", "bind", MAC, "172.30.0.200", code=1).stderr
    tried = here.ask("subnet", "split", "life", "--at", "/25", "--name", "upper", "--dry-run")
    assert tried["events"][0]["type"] == "subnet.split"
    assert not any(event["type"].startswith("nic.") for event in tried["events"])
    assert "no gateway" in here.run("subnet", "split", "life", "--at", "/25", "--name", "upper").stdout
    page = here.ask("subnet", "addresses", "upper", "--used")
    assert {row["state"] for row in page["rows"]} == {"network", "reserved", "bound", "broadcast"}
    for name in ("plan.yaml", "plan.csv"):
        path = tmp_path / name
        here.run("export", str(path))
        kept = path.read_bytes()
        again = here.ask("import", str(path))
        assert {one["what"] for one in again["differences"]} == {"unchanged"}
        here.run("export", str(path))
        assert path.read_bytes() == kept, "an import of an export changes nothing, byte for byte"
    here.run("address", "unbind", "172.30.0.240")
    here.run("address", "release", "172.30.0.200-172.30.0.209")
    merged = here.ask("subnet", "merge", "life", "upper")
    assert (merged["prefix"], [wire["role"] for wire in merged["wires"]]) == ("172.30.0.0/24", ["default"])
    here.run("subnet", "move", "life", "app-102")
    assert here.ask("subnet", "show", "life")["wires"][1]["role"] == "pinned"
    here.run("subnet", "update", "life", "--prefix", "172.30.0.0/26", "--clear", "gateway")
    plan = str(tmp_path / "plan.yaml")
    tried = here.ask("import", plan, "--dry-run", "--delete-missing")
    assert {one["what"] for one in tried["differences"]} == {"added", "changed", "unchanged"}
    assert here.ask("import", plan)["failed"] == []
    assert {one["what"] for one in here.ask("import", plan)["differences"]} == {"unchanged"}
    assert len(here.ask("address", "list", "--bound")) == 1
    lines = ["subnets:", "- name: a", "  prefix: 10.0.0.1/24", "  wire: web-101"]
    lines += ["- name: b", "  prefix: 10.1.0.0/24", "  wire: wbe"]
    (tmp_path / "bad.yaml").write_text("\n".join(lines))
    bad = here.run("import", str(tmp_path / "bad.yaml"), code=2).stderr
    assert "bad.yaml:2: prefix" in bad
    assert "bad.yaml:5: subnet 'b': there is no wire 'wbe'" in bad
