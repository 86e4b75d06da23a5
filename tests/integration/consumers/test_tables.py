"""G2, G3: the programs in docs/how-to/consumers keep a correct table, whatever happens to broker and them."""

from __future__ import annotations

import ast
import asyncio
import json
import shutil
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from shared.bus.rabbitmq import connect
from tests.contract.events.examples import golden_messages
from tests.integration.consumers.broker import Allocator, bind_queue, make_user
from tests.servers.node_packages import find_node
from tests.servers.processes import Server, missing, private_folder, tail
from tests.servers.rabbitmq import PrivateRabbit

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow, pytest.mark.timeout(240)]

PROGRAMS = Path(__file__).parents[3] / "docs" / "how-to" / "consumers"
QUEUE = "dash.nics"
STREAM_READER = ("^$", "^$", r"^patchbay\.log$")
QUEUE_READER = ("^$", "^$", r"^dash\.nics$")


@dataclass
class Program:
    """A consumer as a process, with the table it keeps."""

    command: list[str]
    folder: Path
    process: Server | None = None

    @property
    def table(self) -> Path:
        return self.folder / "nics.json"

    def start(self) -> None:
        self.process = Server(self.command, log=self.folder / "log")
        self.process.start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.stop(how=signal.SIGKILL)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.table.read_text()) if self.table.exists() else {}
        return found

    async def reaches(self, expected: dict[str, Any], sequence: int) -> None:
        """Wait until the table is right and the vCenter as fresh as said."""
        for _ in range(600):
            state = self.state()
            fresh = [one["order"][1] for one in state.get("vcenters", {}).values()]
            if state.get("nics") == expected and fresh == [sequence]:
                return
            await asyncio.sleep(0.1)
        found = self.state()
        raise AssertionError(f"{found} lacks some of {sorted(expected)}\n{tail(self.folder / 'log')}")


def program(kind: str, broker: PrivateRabbit, url: str) -> Program:
    folder = private_folder("dash")
    table = str(folder / "nics.json")
    rights = QUEUE_READER if kind == "shell" else STREAM_READER
    user = make_user(broker, url, rights)
    if kind == "python":
        return Program([sys.executable, "-I", str(PROGRAMS / "nics.py"), user, table], folder)
    if kind == "node":
        # Node looks for packages beside the program.
        (folder / "node_modules").symlink_to(find_node() / "node_modules")
        shutil.copy(PROGRAMS / "nics.mjs", folder)
        return Program(["node", str(folder / "nics.mjs"), user, table], folder)
    for tool in ("amqp-consume", "jq"):
        if shutil.which(tool) is None:
            missing(tool, "install it (apt-get install amqp-tools jq)")
    return Program([str(PROGRAMS / "nics.sh"), user, QUEUE, table], folder)


async def catch_up(shell: Program, url: str) -> None:
    """What `patchbay events tail --json --no-follow --from first` prints, into the table."""
    bus = await connect(url, name="tail")
    entries = [entry.message async for entry in bus.read_log("first", follow=False)]
    lines = [message.body for message in entries if message.routing_key.startswith(("nic.", "vcenter."))]
    await bus.close()
    child = await asyncio.create_subprocess_exec(
        PROGRAMS / "nics.sh", "apply", shell.table, stdin=asyncio.subprocess.PIPE
    )
    await child.communicate(b"\n".join(lines))
    assert child.returncode == 0


async def read_to_the_end(url: str) -> None:
    """Read the log as Patchbay does: that leaves a mark in it."""
    bus = await connect(url, name="reader")
    assert [entry async for entry in bus.read_log("first", follow=False)]
    await bus.close()


async def pretend(broker: PrivateRabbit, url: str) -> None:
    """Somebody who may ask for VMs says in a request's body that there is a NIC."""
    rights = ("^$", "^patchbay$", "^$"), (r"^vm\.create\.requested\.", "^$")
    liar = await aio_pika.connect(make_user(broker, url, *rights))
    async with liar:
        exchange = await (await liar.channel()).get_exchange("patchbay", ensure=False)
        body = json.dumps(golden_messages()["nic.created.v1"] | {"id": "a lie"}).encode()
        await exchange.publish(aio_pika.Message(body, type="nic.created"), "vm.create.requested.-.-")


@pytest.mark.parametrize("kind", ["python", "node", "shell"])
async def test_g2_g3_the_table_is_right_through_restarts(kind: str, broker: PrivateRabbit) -> None:
    url = broker.vhost()
    allocator = Allocator(url)
    await allocator.publish(
        allocator.created("a"), allocator.created("b"), allocator.created("c"), allocator.alive()
    )
    await read_to_the_end(url)
    await allocator.publish(allocator.renamed("b", "b2"), allocator.released("c"), allocator.again(0))
    await pretend(broker, url)
    consumer = program(kind, broker, url)
    if kind == "shell":
        await bind_queue(url, QUEUE, "nic.#", "vcenter.#")
        await catch_up(consumer, url)
    consumer.start()
    await consumer.reaches(allocator.expected, 1)

    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)
    await read_to_the_end(url)
    await allocator.publish(
        allocator.created("d"), allocator.again(1), allocator.again(2, replayed=True), allocator.alive()
    )
    await consumer.reaches(allocator.expected, 2)

    await asyncio.to_thread(consumer.kill)
    many = [allocator.created(f"vm-{number}") for number in range(60)]
    await allocator.publish(*many, allocator.released("a"), *many[:5], allocator.alive())
    await read_to_the_end(url)
    await asyncio.to_thread(consumer.start)
    await consumer.reaches(allocator.expected, 3)
    consumer.kill()


@pytest.mark.parametrize("kind", ["python", "node"])
async def test_a_table_begins_with_a_list_and_goes_on_from_a_time(kind: str, broker: PrivateRabbit) -> None:
    url = broker.vhost()
    allocator = Allocator(url)
    await allocator.publish(allocator.created("a"), allocator.created("b"))
    listed = dict(allocator.expected) | {"older than the log": {"vm_name": "old"}}
    begin = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    await allocator.publish(allocator.released("a"), allocator.renamed("b", "b2"), allocator.alive())
    consumer = program(kind, broker, url)
    consumer.table.write_text(json.dumps({"seen": [], "vcenters": {}, "nics": listed}))
    consumer.command += ["--begin", begin] if kind == "python" else [begin]
    consumer.start()
    expected = allocator.expected | {"older than the log": {"vm_name": "old"}}
    await consumer.reaches(expected, 1)
    consumer.kill()


@pytest.mark.parametrize("kind", ["python", "node"])
async def test_who_was_away_for_longer_than_the_log_is_kept_is_told(kind: str, broker: PrivateRabbit) -> None:
    """A log whose front was cut off begins behind the place that the table wants to go on at."""
    url = broker.vhost()
    allocator = Allocator(url)
    await allocator.publish(allocator.created("a"), allocator.alive())
    consumer = program(kind, broker, url)
    # As if offsets before 0 had been there, and were cut off.
    consumer.table.write_text(json.dumps({"offset": -5, "seen": [], "vcenters": {}, "nics": {}}))
    consumer.start()
    for _ in range(300):
        if "begin with a new table" in (consumer.folder / "log").read_text():
            break
        await asyncio.sleep(0.1)
    assert "begin with a new table" in (consumer.folder / "log").read_text()
    assert consumer.state()["nics"] == {}
    consumer.kill()


def test_the_python_program_uses_nothing_of_ours() -> None:
    tree = ast.parse((PROGRAMS / "nics.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names - set(sys.stdlib_module_names) == {"aio_pika"}
