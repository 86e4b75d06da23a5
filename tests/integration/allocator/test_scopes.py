"""A vCenter's scope comes with its facts; in another scope its addresses are looked at anew."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest

from shared.events.base import Fact
from shared.events.envelope import Envelope
from shared.events.vcenter import VcenterConnected
from shared.model.identifiers import scope_id
from shared.store.pool import Pool
from tests.integration.allocator.story import VC1, VC2, Stage, Teller

pytestmark = pytest.mark.postgres


class Scoped(Teller):
    """Tells facts of a vCenter in a scope."""

    scope = "default"

    def envelope(self, model: type[Fact], /, **values: Any) -> Envelope[Any]:
        return super().envelope(model, scope=self.scope, **values)

    def log_in(self, scope: str) -> Envelope[Any]:
        """A new epoch, in `scope`."""
        self.epoch, self.sequence, self.scope = self.epoch + 1, 0, scope
        return self.envelope(VcenterConnected, name="lab", product="vCenter")

    def inventory(self) -> list[Envelope[Any]]:
        """Two port groups, and a VM on each: that on "app" has an address of the subnet on "web"."""
        return [
            self.portgroup("pg-1", "web"),
            self.portgroup("pg-2", "app"),
            self.vm("w", "pg-1"),
            self.vm("a", "pg-2"),
            self.guest("w", "10.0.0.4"),
            self.guest("a", "10.0.0.5"),
        ]


async def scope_of(pool: Pool) -> Any:
    return await pool.fetchval("SELECT scope_id FROM inventory.vcenter WHERE id = $1", VC1)


async def verdicts(pool: Pool) -> dict[str, tuple[str, str]]:
    """Verdict and scope that the address counts as in use in, by unmatched address."""
    rows = await pool.fetch(
        """
        SELECT host(u.address) AS address, u.verdict, s.name AS scope
        FROM inventory.unmatched u
        JOIN ipam.address a ON a.address = u.address AND a.holder_kind = 'sighting'
        JOIN ipam.scope s ON s.id = a.scope_id
        """
    )
    return {row["address"]: (row["verdict"], row["scope"]) for row in rows}


async def test_addresses_count_in_the_scope_of_their_vcenter(pool: Pool) -> None:
    stage, say = Stage(pool), Scoped()
    await stage.tell(say.log_in("dmz"), *say.inventory())
    assert await scope_of(pool) == scope_id("dmz")
    assert {scope for _, scope in (await verdicts(pool)).values()} == {"dmz"}
    await stage.subnet("prod", "10.0.0.0/24", "web", scope="dmz")
    assert await stage.nics() == {"w/4000": ["10.0.0.4"]}
    assert await verdicts(pool) == {"10.0.0.5": ("subnet_on_other_wire", "dmz")}


async def test_equal_addresses_of_two_vcenters_in_two_scopes_are_no_conflict(pool: Pool) -> None:
    stage = Stage(pool)
    for teller, scope in ((Scoped(VC1), "left"), (Scoped(VC2), "right")):
        vm = f"vm-{scope}"
        await stage.tell(
            teller.log_in(scope),
            teller.portgroup("pg-1"),
            teller.vm(vm, "pg-1"),
            teller.guest(vm, "10.0.0.4"),
        )
    assert await pool.fetchval("SELECT count(*) FROM inventory.conflict") == 0
    assert await pool.fetchval("SELECT count(*) FROM ipam.address WHERE address = '10.0.0.4'") == 2


async def test_a_vcenter_that_moves_to_another_scope_is_matched_anew(pool: Pool) -> None:
    stage, say = Stage(pool), Scoped()
    await stage.tell(say.log_in("default"), *say.inventory())
    await stage.subnet("prod", "10.0.0.0/24", "web", scope="dmz")
    # On its own wire the subnet's scope does not matter; the other address fits nothing in "default".
    assert await stage.nics() == {"w/4000": ["10.0.0.4"]}
    before = await verdicts(pool)
    assert before["10.0.0.5"][1] == "default"
    await stage.tell(say.log_in("dmz"))
    assert await verdicts(pool) == {"10.0.0.5": ("subnet_on_other_wire", "dmz")}
    assert await stage.nics() == {"w/4000": ["10.0.0.4"]}
    await stage.tell(say.log_in("default"), *say.inventory())
    assert await verdicts(pool) == before


async def test_evidence_is_weighed_in_the_new_scope(pool: Pool) -> None:
    stage, say = Stage(pool), Scoped()
    await stage.tell(say.log_in("default"), *say.inventory(), say.vm("b", "pg-2"), say.guest("b", "10.0.0.6"))
    await stage.subnet("prod", "10.0.0.0/24", "web", scope="dmz")
    assert set(await verdicts(pool)) == {"10.0.0.5", "10.0.0.6"}
    await stage.tell(say.log_in("dmz"))
    assert await verdicts(pool) == {}
    assert await stage.nics() == {"a/4000": ["10.0.0.5"], "b/4000": ["10.0.0.6"], "w/4000": ["10.0.0.4"]}


@pytest.mark.parametrize("order", [*permutations(range(3))], ids=str)
async def test_g3_the_scope_is_that_of_the_newest_epoch_in_whatever_order(
    pool: Pool, order: Iterable[int]
) -> None:
    say = Scoped()
    epochs = [[say.log_in(scope), *say.inventory()] for scope in ("left", "default", "right")]
    stage = Stage(pool)
    for number in order:
        await stage.each(epochs[number])
    await stage.each(epochs[1])
    assert await scope_of(pool) == scope_id("right")
    assert {scope for _, scope in (await verdicts(pool)).values()} == {"right"}
    assert await pool.fetchval("SELECT count(*) FROM ipam.address") == 2


async def test_any_fact_tells_the_scope_of_its_epoch(pool: Pool) -> None:
    """The login's own fact may come late."""
    stage, say = Stage(pool), Scoped()
    late = say.log_in("dmz")
    await stage.tell(*say.inventory())
    assert {scope for _, scope in (await verdicts(pool)).values()} == {"dmz"}
    await stage.tell(late)
    assert await scope_of(pool) == scope_id("dmz")
