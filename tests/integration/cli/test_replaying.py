"""Tail, replay and dead letters as an operator types them, against a running installation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import PROJECT, Installed, Shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

USER = ["--user", "administrator@vsphere.local"]


def _until(ask: Callable[[], Any], fits: Callable[[Any], bool], within: float = 60) -> Any:
    deadline = time.monotonic() + within
    while not fits(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def _events(shell: Shell, *words: str, since: str = "0") -> list[dict[str, Any]]:
    printed = shell.run("events", "tail", "--since", since, "--no-follow", "--json", *words).stdout
    return [json.loads(line) for line in printed.splitlines()]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def _begin(installed: Installed, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "events", "replay", *words],
        env={**os.environ, "PATCHBAY_DATA_DIR": str(installed.folder), "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _newest(shell: Shell) -> dict[str, Any]:
    newest: dict[str, Any] = next(iter(shell.ask("events", "replays")), {"sent": 0, "target": {}})
    return newest


def test_01_a_log_with_something_in_it(here: Shell, installed: Installed) -> None:
    here.ask("status", "--wait", "60s")
    secret = installed.folder.parent / "password"
    secret.write_text("vmware\n")
    here.run("vcenter", "add", "lab", installed.vcenter, *USER, "--password-file", str(secret))
    _until(lambda: here.ask("vm", "list"), lambda rows: len(rows) == 40)
    _until(lambda: _events(here, "-t", "inventory.snapshot.completed"), bool)


def test_02_tail_takes_every_filter(here: Shell) -> None:
    vm = here.ask("vm", "list")[0]
    by_name = _events(here, "--vm", vm["name"])
    assert {"inventory.vm.changed"} <= {event["type"] for event in by_name}
    assert by_name == _events(here, "--vm", vm["id"])
    assert all(event["vcenter"] == vm["vcenter"] for event in _events(here, "--vcenter", "lab", "-n", "20"))
    wire = here.ask("wire", "list")[0]
    on_wire = {event["type"] for event in _events(here, "--wire", wire["id"])}
    assert {"inventory.portgroup.changed", "wire.created"} <= on_wire
    everything = _events(here)
    part = _events(here, "--count", "2", since=str(everything[3]["offset"]))
    assert part == everything[3:5]
    assert _events(here, "--until", "1h") == []
    assert _events(here, "-t", "vcenter.*", "-n", "1")[0]["type"].startswith("vcenter.")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["tail", "-t", "inventory.vm.chagned", "-F"], 1, "inventory.vm.changed"),
        (["tail", "--vm", "nobody", "-F"], 1, "no VM 'nobody'"),
        (["tail", "--wire", "nowhere", "-F"], 1, "no wire 'nowhere'"),
        (["tail", "--subnet", "none", "-F"], 1, "no subnet 'none'"),
        (["tail", "--vcenter", "lba", "-F"], 1, "lab"),
        (["tail", "--address", "10.0.0", "-F"], 2, "10.0.0"),
        (["tail", "--since", "1h", "--until", "2h"], 2, "before"),
        (["replay"], 2, "exactly one of"),
        (["replay", "--queue", "a", "--file", "b"], 2, "exactly one of"),
        (["replay", "--queue", "patchbay.log"], 2, "the log itself"),
        (["replay", "--queue", "alocator.facts"], 1, "allocator.facts"),
        (["replay", "--new-queue", "allocator.facts"], 2, "already"),
        (["replay", "--from", "last week", "--file", "x"], 2, "first, last, an offset"),
        (["replay", "--from", "id:nobody", "--file", "x"], 1, "no event 'nobody'"),
        (["replay", "--rate", "fast", "--file", "x"], 2, "50/s"),
        (["replay", "--resume", "zzz"], 1, "no replay 'zzz'"),
        (["replay", "--resume", "zzz", "--rate", "5"], 2, "no other options"),
        (["play", "/nowhere/at.all", "--queue", "allocator.facts"], 2, "can't read"),
    ],
)
def test_03_each_mistake_has_its_own_words(here: Shell, words: list[str], code: int, said: str) -> None:
    assert said in " ".join(here.run("events", *words, code=code).stderr.split())


def test_04_a_look_before_and_a_file(here: Shell, tmp_path: Path) -> None:
    path = tmp_path / "vms.jsonl"
    found = here.ask("events", "replay", "--dry-run", "-t", "inventory.vm", "--file", str(path))
    assert found["count"] >= 40
    assert set(found["types"]) == {"inventory.vm.changed"}
    assert not path.exists()
    done = here.ask(
        "events", "replay", "-t", "inventory.vm", "--to", str(found["last"]["offset"]), "--file", str(path)
    )
    assert (done["state"], done["sent"]) == ("done", found["count"])
    assert [line["type"] for line in _lines(path)] == ["inventory.vm.changed"] * found["count"]
    assert "already" in here.run("events", "replay", "--file", str(path), code=2).stderr
    assert [e["data"]["replay"] for e in _events(here, "-t", "replay.started")][-1] == done["id"]
    assert _events(here, "-t", "replay.ended")[-1]["data"]["sent"] == found["count"]
    assert done["id"] in here.run("events", "replays").stdout


def _state(shell: Shell) -> list[dict[str, Any]]:
    """What is listed, without how old it is."""
    rows = [row for noun in ("vm", "nic", "wire") for row in shell.ask(noun, "list")]
    return [{name: value for name, value in row.items() if name != "sight"} for row in rows]


def test_05_g3_facts_played_again_change_nothing(here: Shell) -> None:
    before = _state(here)
    for queue in ("allocator.facts", "placement.facts"):
        assert here.ask("events", "replay", "--queue", queue)["sent"] >= 40
    _until(
        lambda: here.ask("status"),
        lambda status: sum(service["waiting"] for service in status["services"]) == 0,
    )
    assert before == _state(here)
    assert here.ask("status")["dead_letters"] == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_06_g2_an_interrupted_replay_goes_on_and_has_each_event_once(
    here: Shell, installed: Installed, tmp_path: Path, how: signal.Signals
) -> None:
    path = tmp_path / "slow.jsonl"
    last = str(_events(here)[79]["offset"])
    process = _begin(installed, "--to", last, "--rate", "20/s", "--file", str(path))
    _until(lambda: _newest(here), lambda newest: newest["target"].get("file") == str(path) and newest["sent"])
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    newest = _newest(here)
    if how is signal.SIGINT:
        assert process.returncode == 1
        assert f"--resume {newest['id']}" in said
    assert newest["state"] == ("paused" if how is signal.SIGINT else "interrupted")
    assert 0 < newest["sent"] < 80
    assert here.ask("events", "replay", "--resume", newest["id"][:6])["sent"] == 80
    offsets = [line["offset"] for line in _lines(path)]
    assert offsets == sorted(set(offsets))
    assert len(offsets) == 80
    assert here.ask("events", "replay", "--resume", newest["id"])["state"] == "done"


def test_07_g8_dead_letters_from_their_death_to_their_end(here: Shell, tmp_path: Path) -> None:
    path, poisoned = tmp_path / "one.jsonl", tmp_path / "poisoned.jsonl"
    here.run("events", "replay", "-t", "inventory.vm.changed", "--file", str(path))
    head, first = path.read_bytes().splitlines()[:2]
    line = json.loads(first)
    line["message_id"] = line["event"]["id"] = "poison-1"
    line["event"]["data"]["ports"] = "none"
    half = {**line, "message_id": "poison-2", "body": "eyJoYWxm"}
    del half["event"]
    poisoned.write_bytes(b"\n".join([head, json.dumps(line).encode(), json.dumps(half).encode()]) + b"\n")
    assert here.ask("events", "play", str(poisoned), "--queue", "allocator.facts")["sent"] == 2

    letters = _until(lambda: here.ask("dead-letters", "list"), lambda letters: len(letters) == 2)
    assert [letter["reason"] for letter in letters] == ["invalid_data", "broken_body"]
    assert "data.ports" in letters[0]["detail"]
    (shown,) = here.ask("dead-letters", "show", "poison-1")
    assert shown["faults"][0]["field"] == "data.ports"
    assert shown["faults"][0]["found"] == "'none'"
    assert "x-patchbay-replay" in shown["headers"]
    for word in ("data.ports", "allocator.facts", "the event"):
        assert word in here.run("dead-letters", "show", "poison-1").stdout
    assert "half" in here.run("dead-letters", "show", "poison-2").stdout
    assert len(here.ask("dead-letters", "list", "--reason", "broken_*", "--queue", "allocator.facts")) == 1
    assert here.ask("dead-letters", "list", "--older", "1d") == []
    assert "dead-letters list" in here.run("status").stderr

    assert here.ask("dead-letters", "retry", "--all", "--dry-run")["count"] == 2
    assert here.ask("dead-letters", "retry", "poison-1")["count"] == 1
    again = _until(lambda: here.ask("dead-letters", "list"), lambda letters: len(letters) == 2)
    assert {letter["id"]: letter["retried"] for letter in again} == {"poison-1": 1, "poison-2": 0}

    copy = tmp_path / "dead.jsonl"
    assert here.ask("dead-letters", "export", str(copy))["count"] == 2
    assert {line["headers"]["x-patchbay-reason"] for line in _lines(copy)} == {"invalid_data", "broken_body"}
    assert "note" in here.run("dead-letters", "drop", "--all", "--note", " ", code=2).stderr
    for words in (
        ["retry"],
        ["retry", "--all", "poison-1"],
        ["retry", "--matching"],
        ["retry", "--all", "-t", "nic"],
    ):
        here.run("dead-letters", *words, code=2)
    assert "poison-1" in here.run("dead-letters", "retry", "poison-", code=1).stderr
    dropped = here.ask(
        "dead-letters", "drop", "--matching", "--reason", "broken_body", "--note", "half of it"
    )
    assert dropped["count"] == 1
    here.run("dead-letters", "drop", "poison-1", "--note", "a test's")
    assert here.ask("dead-letters", "list") == []
    told = _events(here, "-t", "dead_letter.dropped")
    assert [event["data"]["note"] for event in told] == ["half of it", "a test's"]
    assert all(event["data"]["by"] for event in told)
