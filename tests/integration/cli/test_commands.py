"""Every command against a running installation: an operator's day in the order of the tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Installed, Shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

USER = ["--user", "administrator@vsphere.local"]


def _until(ask: Callable[[], Any], fits: Callable[[Any], bool], within: float = 30) -> Any:
    deadline = time.monotonic() + within
    while not fits(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def test_01_the_services_run(here: Shell) -> None:
    status = here.ask("status", "--wait", "60s")
    assert {row["service"]: row["running"] for row in status["services"]} == {
        "collector": True,
        "allocator": True,
        "placement": True,
    }
    assert here.ask("db", "status")["up_to_date"]
    assert "running" in here.run("status").stdout


def test_02_nothing_there_says_what_to_do(here: Shell) -> None:
    assert here.ask("vcenter", "list") == []
    assert "patchbay vcenter add" in here.run("vcenter", "list").stdout
    assert "patchbay vcenter add" in here.run("wire", "list").stdout
    assert "patchbay subnet create" in here.run("subnet", "list").stdout
    assert "no vCenter 'lab'" in here.run("vcenter", "check", "lab", code=1).stderr


def test_03_g9_a_vcenter_is_added_with_a_typed_password(here: Shell, installed: Installed) -> None:
    typed = here.run("vcenter", "add", "lab", installed.vcenter, *USER, "--json", typed="vmware\n")
    added = json.loads(typed.stdout)
    path = Path(added["password"].removeprefix("file:"))
    assert path.parent == installed.folder / "secrets"
    assert path.read_text() == "vmware\n"
    assert "vmware" not in typed.output.replace("patchbay", "")
    again = here.run("vcenter", "add", "lab", installed.vcenter, *USER, code=2, typed="other\n")
    assert "already" in again.stderr
    assert path.read_text() == "vmware\n", "the first one's password is kept"


def test_04_the_vcenter_is_checked_and_watched(here: Shell, installed: Installed, tmp_path: Path) -> None:
    checks = here.ask("vcenter", "check", "lab")
    assert all(item["ok"] for item in checks)
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    here.run("vcenter", "add", "twin", installed.vcenter, *USER, "--password-file", str(wrong))
    failed = [item for item in here.ask("vcenter", "check", "twin", code=1) if not item["ok"]]
    assert failed[0]["name"] == "login"
    assert failed[0]["remedy"]
    assert "not it" not in here.run("vcenter", "check", "twin", code=1).output
    here.run("vcenter", "remove", "twin")
    assert wrong.exists(), "a file that was named is not ours to remove"
    rows = _until(lambda: here.ask("vcenter", "list"), lambda rows: rows[0]["state"] == "watching")
    assert isinstance(rows[0]["suppressed"], dict)


def test_05_wires_and_vms_are_listed(here: Shell) -> None:
    wires = _until(lambda: here.ask("wire", "list", "--vcenter", "lab"), lambda rows: len(rows) >= 5)
    web = next(row for row in wires if row["name"] == "web-101")
    assert here.ask("wire", "show", web["network"])["id"] == web["id"]
    vms = _until(lambda: here.ask("vm", "list"), lambda rows: len(rows) == 40)
    assert {row["name"] for row in here.ask("vm", "list", "web")} < {row["name"] for row in vms}
    wrong = here.run("wire", "show", "web-1O1", code=1)
    assert "web-101" in wrong.stderr
    assert "web-101" in here.run("wire", "list").stdout


def test_06_a_subnet_is_made_changed_and_shown(here: Shell) -> None:
    prefix = _prefix_of(here, "web-101")
    network = prefix.rpartition(".")[0]
    here.run(
        *("subnet", "create", "web", prefix, "--wire", "web-101", "--gateway", f"{network}.1"),
        *("--dns", "192.0.2.53", "--cooldown", "0", "--label", "site=lab"),
    )
    row = here.ask("subnet", "show", "web")
    assert (row["prefix"], row["gateway"], row["labels"]) == (prefix, f"{network}.1", {"site": "lab"})
    here.run("subnet", "update", "web", "--domain", "example.net")
    assert here.ask("subnet", "show", "web")["domain"] == "example.net"
    here.run("subnet", "set-wires", "web", "--pin", "app-102")
    roles = {role["wire_name"]: role["role"] for role in here.ask("subnet", "show", "web")["wires"]}
    assert roles["web-101"] == "default"
    assert roles["app-102"] == "pinned"
    here.run("subnet", "set-wires", "web", "--clear", "app-102")
    assert "web-101" in here.run("subnet", "list").stdout


def test_07_refusals_are_answers(here: Shell) -> None:
    prefix = _prefix_of(here, "web-101")
    overlap = here.run("subnet", "create", "twin", prefix, "--wire", "web-101", "--json", code=1)
    assert json.loads(overlap.stdout)["error"]["code"] == "subnet_overlaps"
    assert "web" in overlap.stderr
    nowhere = here.run("subnet", "create", "x", "192.0.2.0/24", "--wire", "wbe-101", "--json", code=1)
    assert json.loads(nowhere.stdout)["error"]["code"] == "wire_unknown"
    assert "web-101" in nowhere.stderr
    assert "in use" in here.run("subnet", "delete", "web", code=1).stderr


def test_08_nic_records_and_why(here: Shell) -> None:
    nics = here.ask("nic", "list", "--subnet", "web")
    assert nics
    one = nics[0]
    assert here.ask("nic", "list", "--address", one["address"])[0]["vm_name"] == one["vm_name"]
    why = here.ask("vm", "why", one["vm_moid"])
    recorded = [a for port in why["ports"] for a in port["addresses"] if a["recorded"]]
    assert one["address"] in {a["address"] for a in recorded}
    assert one["address"] in here.run("vm", "why", one["vm_name"]).stdout
    assert here.ask("vm", "show", one["vm_name"])["nics"][0]["address"]
    unmatched = here.ask("nic", "unmatched")
    assert all(row["explanation"] for row in unmatched)
    assert "patchbay" in here.run("nic", "unmatched").stdout
    assert "vm list" in here.run("vm", "why", "no-such-vm", code=1).stderr


def test_09_a_place_is_asked_for_held_and_given_back(here: Shell, tmp_path: Path) -> None:
    dry = here.ask("place", "new-1", "--memory", "1G", "--nic", "web", "--dry-run")
    assert dry["type"] == "vm.create.placed"
    assert here.ask("reservation", "list") == []
    request = tmp_path / "vm.yaml"
    request.write_text("{name: new-1, cpus: 1, memory: 1G, nics: [web], request_id: r-1}")
    placed = here.ask("place", "--file", str(request))
    assert here.ask("place", "--file", str(request))["nics"] == placed["nics"], "same id, same answer"
    assert [row["name"] for row in here.ask("reservation", "list")] == ["new-1"]
    here.run("reservation", "extend", "new-1", "--by", "2h")
    here.run("reservation", "cancel", "r-1", "--note", "changed my mind")
    assert here.ask("reservation", "list") == []
    assert here.ask("reservation", "list", "--all")[0]["state"] == "cancelled"
    assert "no reservation" in here.run("reservation", "cancel", "new-9", code=1).stderr


def test_10_g6_a_refused_place_has_its_reasons(here: Shell) -> None:
    refused = here.ask("place", "huge", "--memory", "30T", "--nic", "web", code=1)
    assert refused["type"] == "vm.create.refused"
    assert {r["rule"] for r in refused["rulings"] if not r["passed"]} == {"memory"}
    assert "30720" in here.run("place", "huge", "--memory", "30T", "--nic", "web", code=1).stdout


def test_11_a_placed_vm_is_created(here: Shell) -> None:
    created = here.ask("place", "made-1", "--memory", "1G", "--nic", "web", "--apply")
    address = created["nics"][0]["addresses"][0]["address"]
    rows = _until(lambda: here.ask("nic", "list", "--subnet", "web", "--address", address), bool)
    assert (rows[0]["vm_moid"], rows[0]["source"]) == (created["created"], "reservation")
    _until(
        lambda: here.ask("reservation", "list", "--all"),
        lambda rows: rows[0]["state"] == "confirmed" and rows[0]["vm_moid"] == created["created"],
    )


def test_12_events_are_read_from_the_log(here: Shell) -> None:
    words = ["events", "tail", "--from", "first", "--no-follow"]
    lines = here.run(*words, "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["offset"] for event in events] == sorted(event["offset"] for event in events)
    assert events[0]["specversion"] == "1.0"
    nics = here.run(*words, "-t", "nic", "--subnet", "web", "--json").stdout.splitlines()
    assert nics
    assert all(json.loads(line)["type"].startswith("nic.") for line in nics)
    made = here.run(*words, "--vm", "made-1").stdout
    assert "vm.create.confirmed" in made
    assert "nic.created" in made
    assert len(here.run(*words, "-n", "3").stdout.splitlines()) == 3
    logins = here.run("events", "tail", "--since", "1h", "-F", "-t", "vcenter.connected").stdout
    assert logins.count("lab:") == 1
    last = events[-1]["offset"]
    assert json.loads(here.run("events", "tail", "--from", str(last), "-n", "1", "--json").stdout)


def test_13_a_vcenter_is_paused_resumed_and_read_anew(here: Shell) -> None:
    here.run("vcenter", "pause", "lab")
    _until(lambda: here.ask("vcenter", "list"), lambda rows: rows[0]["state"] == "paused")
    here.run("vcenter", "resume", "lab")
    rows = _until(lambda: here.ask("vcenter", "list"), lambda rows: rows[0]["state"] == "watching")
    here.run("vcenter", "resync", "lab")
    _until(lambda: here.ask("vcenter", "list"), lambda now: now[0]["epoch"] > rows[0]["epoch"])
    assert "nothing" in here.run("vcenter", "release-brake", "lab", code=1).stderr


def test_14_nothing_was_dropped(here: Shell) -> None:
    assert here.ask("dead-letters", "list") == []
    assert here.run("dead-letters", "list").stdout.strip() == "no dead letters"


def test_14a_a_vcenter_is_changed_while_it_is_watched(here: Shell, tmp_path: Path) -> None:
    before = here.ask("vcenter", "list")[0]
    secret = tmp_path / "password"
    secret.write_text("vmware")
    words = ["--password-file", str(secret), "--proxy", "direct", "--scope", "laboratory"]
    changed = here.ask("vcenter", "change", "lab", *words)
    assert (changed["password"], changed["proxy"]) == (f"file:{secret}", "direct")
    assert (changed["scope"], changed["url"]) == ("laboratory", before["url"])
    _until(
        lambda: here.ask("vcenter", "list")[0],
        lambda row: row["state"] == "watching" and row["epoch"] > before["epoch"],
    )
    assert "say what to change" in here.run("vcenter", "change", "lab", code=2).stderr
    assert "credentials" in here.run("vcenter", "change", "lab", "--proxy", "http://a:b@p", code=2).stderr
    here.run("vcenter", "change", "lab", "--scope", "default")
    _until(
        lambda: here.ask("vcenter", "list")[0],
        lambda row: row["state"] == "watching" and row["epoch"] > before["epoch"] + 1,
    )


def test_14b_one_vm_and_one_datacenter_are_read_again(here: Shell) -> None:
    before = here.ask("vcenter", "list")[0]
    vm = here.ask("vm", "list")[0]
    again = here.ask("vcenter", "resync", "lab", "--vm", vm["name"])
    assert again["read_again"].startswith("vm/vm-")
    refused = here.run("vcenter", "resync", "lab", "--datacenter", "nowhere", code=1).stderr
    assert "has no datacenter 'nowhere'; known are: " in refused
    known = refused.partition("known are: ")[2].strip().split(", ")[0]
    here.run("vcenter", "resync", "lab", "--datacenter", known)
    here.run("vcenter", "resync", "lab", "--datacenter", known, "--vm", "x", code=2)
    assert here.ask("vcenter", "list")[0]["epoch"] == before["epoch"]


def test_15_g4_a_removed_vcenter_takes_nothing_along(here: Shell, installed: Installed) -> None:
    before = here.ask("nic", "list")
    here.run("vcenter", "remove", "lab")
    assert here.ask("vcenter", "list") == []
    assert list((installed.folder / "secrets").iterdir()) == []
    assert len(here.ask("nic", "list")) == len(before)


def _prefix_of(here: Shell, wire: str) -> str:
    """The /24 that guests on `wire` use, from what is seen there."""
    seen = here.ask("nic", "unmatched") + here.ask("nic", "list")
    address = next(row["address"] for row in seen if row["wire_name"] == wire and ":" not in row["address"])
    return f"{address.rpartition('.')[0]}.0/24"
