"""Placing VMs from the command line against a running installation, in the order of the tests."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from services.cli.applying import Watch
from services.cli.main import app
from tests.integration.cli.conftest import Installed, Shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

USER = ["--user", "administrator@vsphere.local"]


def _until(ask: Callable[[], Any], fits: Callable[[Any], bool], within: float = 30) -> Any:
    deadline = time.monotonic() + within
    while not fits(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def test_01_a_vcenter_and_a_subnet(here: Shell, installed: Installed) -> None:
    here.ask("status", "--wait", "60s")
    here.run("vcenter", "add", "lab", installed.vcenter, *USER, typed="vmware\n")
    _until(lambda: here.ask("vcenter", "list")[0], lambda row: row["state"] == "watching")
    wires = _until(lambda: here.ask("wire", "list"), lambda rows: any(row["hosts"] for row in rows))
    wire = max((row for row in wires if row["kind"] == "distributed"), key=lambda row: row["hosts"])
    flags = ["--wire", wire["id"], "--gateway", "198.18.0.1", "--dns", "198.18.0.53", "--domain", "shop.test"]
    here.run("subnet", "create", "shop", "198.18.0.0/28", *flags)
    assert "asked for yet" in here.run("placement", "list").stdout


def test_02_one_is_placed_shown_and_explained(here: Shell) -> None:
    flags = ["--nic", "shop", "--vcenter", "lab", "--disk", "5G", "--time-zone", "Europe/Berlin"]
    placed = here.ask("place", "one", "--request-id", "order-1", *flags)
    assert placed["guest_configuration"]["hostname"] == "one"
    assert placed["disks"] == [{"size_gb": 5, "datastore": None, "thin": True}]
    [row] = here.ask("placement", "list", "placed")
    assert (row["request_id"], row["state"], row["addresses"]) == ("order-1", "held", ["198.18.0.2"])
    for name in ("one", "order-1", placed["reservation"], placed["reservation"][:8]):
        assert here.ask("placement", "show", name)["answer"]["reservation"] == placed["reservation"]
    shown = here.run("placement", "show", "one").stdout
    assert "198.18.0.2/28" in shown
    assert "held" in shown
    explained = here.ask("placement", "explain", "one")
    assert {ruling["rule"] for ruling in explained["rulings"]} >= {"chosen"}
    assert "next free address" in here.run("placement", "explain", "one").stdout
    assert "Did you mean 'one'" in here.run("placement", "show", "onne", code=1).stderr


def test_03_the_guest_is_told_in_each_format(here: Shell) -> None:
    config = yaml.safe_load(here.run("placement", "show", "one", "--as", "network-config").stdout)
    assert config["ethernets"]["nic0"]["addresses"] == ["198.18.0.2/28"]
    assert yaml.safe_load(here.run("placement", "show", "one", "--as", "meta-data").stdout)["instance-id"]
    spec = json.loads(here.run("placement", "show", "one", "--as", "customization").stdout)
    assert spec["identity"]["timeZone"] == "Europe/Berlin"
    assert "address1=198.18.0.2/28" in here.run("placement", "show", "one", "--as", "keyfiles").stdout
    assert json.loads(here.run("placement", "show", "one", "--as", "ignition").stdout)["storage"]
    assert "vendor-data" in here.run("placement", "show", "one", "--as", "vendor-data", code=2).stderr
    here.run("reservation", "cancel", "one")


def test_04_a_refused_request_is_kept_with_its_reasons(here: Shell) -> None:
    here.run("place", "huge", "--memory", "30T", "--nic", "shop", code=1)
    [row] = here.ask("placement", "list", "refused")
    assert "lack" in row["reason"] or "memory" in row["reason"]
    assert "refused" in here.run("placement", "list").stdout
    assert "refused" in here.run("placement", "show", "huge").stdout
    assert "memory" in here.run("placement", "explain", "huge").stdout


def test_05_many_are_placed_together_or_not_at_all(here: Shell, tmp_path: Path) -> None:
    many = here.ask("place", "web", "--count", "3", "--nic", "shop", "--request-id", "webs")
    assert [answer["name"] for answer in many["answers"]] == ["web-1", "web-2", "web-3"]
    assert len({answer["nics"][0]["addresses"][0]["address"] for answer in many["answers"]}) == 3
    too_many = here.ask("place", "sea", "--count", "40", "--nic", "shop", code=1)
    assert {answer["type"] for answer in too_many["answers"]} == {"vm.create.refused"}
    path = tmp_path / "vms.yaml"
    path.write_text(
        """
        memory: 512M
        nics: [shop]
        vms:
          - {name: a, request_id: a-1}
          - {name: b, request_id: b-1, memory: 30T}
        """
    )
    assert {a["type"] for a in here.ask("place", "-f", str(path), code=1)["answers"]} == {"vm.create.refused"}
    path.write_text(path.read_text().replace("-1}", "-2}").replace("b-1", "b-2"))
    fit = here.ask("place", "-f", str(path), "--as-many-as-fit", code=1)
    assert [answer["type"] for answer in fit["answers"]] == ["vm.create.placed", "vm.create.refused"]
    for row in here.ask("reservation", "list"):
        here.run("reservation", "cancel", row["id"])


def test_06_placed_vms_are_created_confirmed_and_verified(here: Shell) -> None:
    made = here.ask("place", "made", "--count", "2", "--nic", "shop", "--apply")
    assert all(vm["created"] for vm in made["vms"])
    rows = _until(
        lambda: here.ask("reservation", "list", "--all")[:2],
        lambda rows: all(row["state"] == "confirmed" and row["verdict"] == "verified" for row in rows),
    )
    assert {row["vm_moid"] for row in rows} == {vm["created"] for vm in made["vms"]}
    assert "verified" in here.run("placement", "show", "made-1").stdout
    nics = here.ask("nic", "list", "--subnet", "shop")
    assert {row["vm_name"]: row["vm_moid"] for row in nics} == {
        vm["answer"]["name"]: vm["created"] for vm in made["vms"]
    }


def test_07_a_template_is_cloned(here: Shell) -> None:
    template = next(row for row in here.ask("vm", "list") if row["template"])
    here.monkeypatch.setenv("ADMIN", "vmware")
    admin = ["--as-user", "administrator@vsphere.local", "--password-env", "ADMIN"]
    cloned = here.ask("place", "clone-1", "--nic", "shop", "--apply", "--template", template["name"], *admin)
    _until(
        lambda: here.ask("reservation", "list", "--all")[0],
        lambda row: (row["state"], row["verdict"]) == ("confirmed", "verified"),
    )
    assert cloned["created"] in {row["moid"] for row in here.ask("vm", "list", "clone-1")}
    flags = ["--nic", "shop", "--apply", "--template"]
    assert "no template 'nothing'" in here.run("place", "clone-2", *flags, "nothing", code=1).stderr


def test_08_g9_what_cannot_be_created_is_given_back(here: Shell, tmp_path: Path) -> None:
    before = {row["moid"] for row in here.ask("vm", "list")}
    failed = here.run("place", "lost", "--nic", "shop", "--apply", "--disk", "1G,datastore=absent", code=1)
    assert "does not reach datastore 'absent'" in failed.stderr
    assert "free again" in failed.stderr
    assert here.ask("placement", "show", "lost")["reservation"]["state"] == "cancelled"
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    flags = ["--as-user", "somebody", "--password-file", str(secret)]
    stranger = here.run("place", "lost-2", "--nic", "shop", "--apply", *flags, code=1)
    assert "refused the login" in stranger.stderr
    assert "hunter2" not in stranger.output
    twice = here.run("place", "made-1", "--nic", "shop", "--apply", code=1)
    assert "DuplicateName" in twice.stderr
    _until(lambda: {row["moid"] for row in here.ask("vm", "list")}, lambda now: now == before)
    assert here.ask("reservation", "list") == []


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_08a_an_interrupted_creation_leaves_nothing(here: Shell) -> None:
    """Ctrl-C while the guests are customized: no VM is left, no reservation held."""

    @contextmanager
    def interrupting(_vms: int) -> Iterator[Watch]:
        pressed: list[str] = []

        def tell(what: str, _percent: int) -> None:
            if what.startswith("customizing") and not pressed:
                pressed.append(what)
                os.kill(os.getpid(), signal.SIGINT)

        yield lambda _answer: tell

    before = {row["moid"] for row in here.ask("vm", "list")}
    here.monkeypatch.setattr("services.cli.placing.watched", interrupting)
    here.run("place", "cut", "--count", "6", "--nic", "shop", "--apply", "--lease", "30s", code=130)
    assert here.ask("reservation", "list") == []
    states = {row["state"] for row in here.ask("placement", "list", "-n", "6")}
    assert states <= {"cancelled", "confirmed"}, "confirmed: seen before it was deleted"
    _until(lambda: {row["moid"] for row in here.ask("vm", "list")} ^ before, lambda changed: not changed)


def test_09_wrong_flags_say_what_is_right(here: Shell, tmp_path: Path) -> None:
    def complaint(*words: str) -> str:
        return " ".join(here.run("place", *words, code=2).stderr.split())

    assert "hostname" in complaint("a", "--os", "windows", "--hostname", "longer-than-fifteen-characters")
    assert "zone=a" in complaint("a", "--require", "zone")
    assert "--apply" in complaint("a", "--template", "t")
    assert "--apply" in complaint("a", "--as-user", "somebody")
    assert "Give --as-user" in complaint("a", "--apply", "--password-env", "X")
    assert "one host name" in complaint("a", "--count", "2", "--hostname", "h")
    path = tmp_path / "vms.yaml"
    path.write_text("vms: [{name: a}, {name: b, nics: [{subnte: x}]}]")
    assert "VM 2 (b): not a create-VM request: nics.0.subnte" in complaint("-f", str(path))
    assert "names and request ids of their own" in complaint("c", "-f", str(path))


def test_10_what_would_be_is_told_and_nothing_held(here: Shell) -> None:
    room = here.ask("place", "--fit", "--memory", "1G", "--nic", "shop")
    free = 13 - len(here.ask("nic", "list", "--subnet", "shop"))
    assert room["count"] == sum(room["by_host"].values()) <= free
    assert room["stopped_by"]
    assert f"{room['count']} more fit" in here.run("place", "--fit", "--memory", "1G", "--nic", "shop").stdout
    assert here.ask("place", "--fit", "--memory", "30T", "--nic", "shop")["count"] == 0
    chosen = here.ask("place", "x", "--nic", "shop", "--dry-run")["host_name"]
    other = here.ask("place", "x", "--nic", "shop", "--without-host", chosen)
    assert other["host"] != chosen
    assert other["host"] in here.run("place", "x", "--nic", "shop", "--without-host", chosen).stdout
    refused = here.ask("place", "x", "--nic", "shop", "--host", chosen, "--without-host", chosen, code=1)
    assert refused["type"] == "vm.create.refused"
    assert "no host 'absent'" in here.run("place", "x", "--without-host", "absent", code=1).stderr
    assert here.ask("reservation", "list") == []


def test_11_a_hosts_absence_and_a_subnets_end_are_foreseen(here: Shell) -> None:
    host = here.ask("placement", "show", "made-1")["answer"]["host_name"]
    words = ("placement", "evacuate", host)
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    stranded = [move["vm"] for move in found["moves"] if move["to"] is None]
    assert "made-1" in {move["vm"] for move in found["moves"]}
    assert host in here.run(*words, code=1 if stranded else 0).stdout
    forecast = here.ask("subnet", "forecast", "shop")
    assert (forecast["capacity"], forecast["used"] > 0) == (13, True)
    assert "because" in here.run("subnet", "forecast", "shop").stdout
    assert "no subnet 'absent'" in here.run("subnet", "forecast", "absent", code=1).stderr
