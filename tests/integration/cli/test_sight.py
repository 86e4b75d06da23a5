"""A lost vCenter is plain to see wherever anything of it is shown, for people and in JSON."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.events.inventory import VmPort
from shared.store.pool import Pool
from tests.integration.cli.conftest import Shell
from tests.integration.placement.inventory import VCENTER, Inventory

pytestmark = pytest.mark.postgres

LISTINGS = (
    ("vm", "list"), ("vm", "show", "old"), ("vm", "why", "old"), ("nic", "list"), ("nic", "unmatched"),
    ("subnet", "list"), ("subnet", "show", "net-1"), ("wire", "list"), ("wire", "show", "pg-1"),
    ("placement", "list"), ("reservation", "list"), ("placement", "evacuate", "esx-1"),
    ("place", "--fit", "--nic", "net-1"),
)  # fmt: skip


@pytest.fixture
async def listed(shell: Shell, database: str, pool: Pool) -> Shell:
    """A shell on an installation that knows a VM, a wire and a subnet of one vCenter."""
    shell.monkeypatch.setenv("PATCHBAY_DATABASE_URL", database)
    made = Inventory(pool)
    await made.vcenter(current_to=datetime.now(UTC))
    await made.host(1)
    await made.host(2)
    await made.subnet(1, await made.portgroup(1, [1, 2]))
    port = VmPort(key=4000, label="NIC", adapter="vmxnet3", network="dvportgroup-1", connected=True)
    await made.show(made.vm_fact("vm-1", port, name="old"))
    return shell


async def lose(pool: Pool, minutes: int = 14) -> None:
    await pool.execute(
        "UPDATE inventory.vcenter SET state = 'lost', detail = 'login: denied', current_to = $1",
        datetime.now(UTC) - timedelta(minutes=minutes, seconds=5),
    )


async def run(shell: Shell, *words: str, code: int = 0) -> str:
    return (await asyncio.to_thread(lambda: shell.run(*words, code=code))).stdout


async def asked(shell: Shell, *words: str, code: int = 0) -> Any:
    return await asyncio.to_thread(lambda: shell.ask(*words, code=code))


def sights(data: Any) -> list[dict[str, Any]]:
    rows = data if isinstance(data, list) else [data]
    return [sight for row in rows for sight in row["sight"]]


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
async def test_what_is_shown_says_how_old_it_is_and_what_is_out_of_sight(
    listed: Shell, pool: Pool, words: tuple[str, ...]
) -> None:
    # An evacuation that strands a VM ends with 1, and of a lost vCenter nothing can be told.
    assert "vc-a as it was " in await run(listed, *words)
    await lose(pool)
    code = 1 if words[1] == "evacuate" else 0
    text = await run(listed, *words, code=code)
    assert "vc-a is out of sight: what is shown of it is 14 min old" in text
    assert "login: denied" in text
    for seen in sights(await asked(listed, *words, code=code)):
        assert (seen["vcenter"], seen["name"], seen["seen"]) == (str(VCENTER), "vc-a", "lost")
        assert seen["age_seconds"] > 14 * 60


async def test_rows_of_json_carry_it(listed: Shell) -> None:
    for words in (("vm", "list"), ("wire", "list"), ("subnet", "list")):
        assert [seen["seen"] for seen in sights(await asked(listed, *words))] == ["current"]


async def test_a_refusal_says_what_was_known(listed: Shell, pool: Pool) -> None:
    await lose(pool)
    words = ("place", "new", "--nic", "net-1", "--dry-run")
    assert "vc-a is out of sight: what is shown of it is 14 min old" in await run(listed, *words, code=1)
    [seen] = (await asked(listed, *words, code=1))["facts"]
    assert (seen["name"], seen["state"]) == ("vc-a", "lost")
    assert seen["age_seconds"] > 14 * 60


async def test_a_vcenter_that_was_never_read_is_not_from_1970(listed: Shell, pool: Pool) -> None:
    await pool.execute("UPDATE inventory.vcenter SET current_to = 'epoch'")
    text = await run(listed, "vm", "list")
    assert "vc-a was never read to the end: nothing of it is known yet" in text
    assert "1970" not in text
    [seen] = sights(await asked(listed, "vm", "list"))
    assert (seen["seen"], seen["current_to"], seen["age_seconds"]) == ("never", None, None)


async def test_status_tells_of_every_vcenter(listed: Shell, pool: Pool) -> None:
    """Nothing runs here, and a collector that is gone loses nothing: it falls silent."""
    await pool.execute("UPDATE inventory.vcenter SET current_to = now() - interval '3 hours'")
    text = await run(listed, "status", code=1)
    assert "vc-a is silent: what is shown of it is 3 h old" in text
    [seen] = (await asked(listed, "status", code=1))["vcenters"]
    assert seen["seen"] == "stale"
