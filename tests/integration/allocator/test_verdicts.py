"""Every reason why an address has no record: how it comes about, and that `vm why` says it (G6)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest

from services.allocator import reading
from services.allocator.domain.sentences import Ground, SubnetNamed, explain
from services.allocator.explaining import why
from shared.events import commands as cmd
from shared.events.address import Verdict
from shared.events.address_commands import AddressBind, AddressReserve, AddressUnbind
from shared.events.subnet import AddressRange
from shared.events.subnet_commands import SubnetMove
from shared.ipam.domain import Holder
from shared.ipam.ledger import allocate
from shared.model.identifiers import scope_id
from shared.store.pool import Pool, transaction
from tests.integration.allocator.story import START, Stage, Teller, instance

pytestmark = pytest.mark.postgres

Scene = Callable[[Stage, Teller], Awaitable[None]]


async def _no_subnet(stage: Stage, say: Teller) -> None:
    await stage.tell(say.guest("a", "10.0.0.5"))


async def _outside(stage: Stage, say: Teller) -> None:
    await stage.subnet("prod", "10.9.0.0/24", "app")
    await stage.tell(say.guest("a", "10.0.0.5"))


async def _other_wire(stage: Stage, say: Teller) -> None:
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.tell(say.guest("a", "10.0.0.5"))


async def _ambiguous(stage: Stage, say: Teller) -> None:
    for name in ("left", "right"):
        await stage.subnet(name, "10.0.0.0/24", "app", scope=name)
    await stage.tell(say.guest("a", "10.0.0.5"))


async def _denied(stage: Stage, say: Teller) -> None:
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="deny"))
    await stage.tell(say.guest("a", "10.0.0.5"))


async def _conflict(stage: Stage, say: Teller) -> None:
    await stage.subnet("prod", "10.0.0.0/24", "app")
    await stage.tell(say.vm("b", "app"), say.guest("b", "10.0.0.5"), say.guest("a", "10.0.0.5"))


async def _reserved(stage: Stage, say: Teller) -> None:
    subnet = await stage.subnet("prod", "10.0.0.0/24", "app")
    async with transaction(stage.pool) as conn:
        holder = Holder("reservation", instance("reservation"))
        await allocate(conn, subnet, 1, holder, START, now=START, wanted="10.0.0.5")
    await stage.tell(say.guest("a", "10.0.0.5"))


async def _weaker(stage: Stage, say: Teller) -> None:
    await stage.subnet("prod", "10.0.0.0/24", "app")
    await stage.tell(say.guest("a", tools="running", unplaced="10.0.0.5"))


async def _link_local(stage: Stage, say: Teller) -> None:
    await stage.tell(say.guest("a", "169.254.0.5"))


async def _wire_unknown(stage: Stage, say: Teller) -> None:
    await stage.tell(say.vm("a", None), say.guest("a", "10.0.0.5"))


SCENES: dict[str, tuple[Scene, str]] = {
    "no_subnet_on_wire": (_no_subnet, "patchbay subnet create NAME PREFIX --wire app"),
    "outside_prefix": (_outside, "outside of 'prod' (10.9.0.0/24)"),
    "subnet_on_other_wire": (_other_wire, "1 of 2 sightings needed"),
    "ambiguous": (_ambiguous, "'left' (scope left), 'right' (scope right) fit equally well"),
    "denied": (_denied, "an operator denied for subnet 'prod'"),
    "conflict": (_conflict, "belongs to the NIC record of VM 'b'"),
    "reserved": (_reserved, "held by reservation"),
    "weaker_source": (_weaker, "not on which device"),
    "link_local": (_link_local, "identifies nobody"),
    "wire_unknown": (_wire_unknown, "whose network is not known"),
}


@pytest.mark.parametrize("verdict", SCENES)
async def test_g6_each_verdict_comes_about_and_is_explained(pool: Pool, verdict: str) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"), say.vm("a", "pg-2"))
    scene, said = SCENES[verdict]
    await scene(stage, _NamedGroups(say))
    assert verdict in (await stage.unmatched()).values()
    told = [t.data for t in await stage.told() if t.type == "address.unmatched"]
    assert told[-1].verdict == verdict
    addresses = [a for port in (await why(pool, "a")).ports for a in port.addresses if not a.recorded]
    assert [a.verdict for a in addresses] == [verdict]
    assert said in addresses[0].because
    held = await stage.ledger()
    if verdict != "link_local":
        assert addresses[0].address in held, "G7: it counts as in use"


class _NamedGroups(Teller):
    """A teller whose VMs are put on port groups by their names."""

    def __init__(self, say: Teller) -> None:
        super().__init__(say.vcenter, say.epoch)
        self.sequence = say.sequence

    def vm(self, name: str, *networks: str | None, **more: Any) -> Any:
        """A VM on the port groups of these names."""
        return super().vm(name, *({"app": "pg-2", "web": "pg-1"}.get(n or "", n) for n in networks), **more)


def test_the_list_of_verdicts_is_closed_and_each_has_its_sentence() -> None:
    assert set(SCENES) <= set(get_args(Verdict)), "what people state and declare has tests of its own"
    for verdict in get_args(Verdict):
        ground = Ground(verdict, "10.0.0.5", "vm", "NIC", wire="wire", subnets=[SubnetNamed("s", "p", "w")])
        assert "10.0.0.5" in explain(ground)


async def because(pool: Pool) -> str:
    """What `vm why` says of the only address of VM "a"."""
    (address,) = (await why(pool, "a")).ports[0].addresses
    return address.because


def commands(sentence: str) -> list[list[str]]:
    """The commands in it, as words."""
    return [shlex.split(text)[1:] for text in re.findall(r"patchbay [^,;]+", sentence)]


@pytest.mark.parametrize(
    ("prefix", "address"), [("10.0.0.0/24", "10.0.0.5"), ("2001:db8::/64", "2001:db8::5")]
)
async def test_g6_what_is_suggested_speaks_of_the_address_space(
    pool: Pool, prefix: str, address: str
) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"), say.vm("a", "pg-2"))
    await stage.subnet("prod", prefix, "web", scope="lab")
    await stage.subnet("there", "10.9.0.0/24", "web")
    await pool.execute("UPDATE inventory.vcenter SET scope_id = $1", scope_id("lab"))
    await stage.tell(say.guest("a", address))
    assert commands(await because(pool)) == [
        ["subnet", "set-wires", "prod", "--pin", "app", "--scope", "lab"],
    ]  # fmt: skip
    await stage.command(cmd.SubnetSetWire(subnet="prod", scope="lab", wire="app", policy="deny"))
    assert commands(await because(pool)) == [
        ["subnet", "set-wires", "prod", "--clear", "app", "--scope", "lab"],
    ]  # fmt: skip
    await stage.command(cmd.SubnetDelete(subnet="prod", scope="lab"))
    assert commands(await because(pool)) == [
        ["subnet", "create", "NAME", "PREFIX", "--wire", "app", "--scope", "lab"],
    ]  # fmt: skip


async def test_g6_an_address_that_is_bound_to_a_mac_says_how_to_unbind_it(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.vm("a", "pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.command(AddressBind(address="10.0.0.5", mac="00:50:56:00:00:99", by="joe"))
    await stage.tell(say.guest("a", "10.0.0.5"))
    said = (
        "10.0.0.5 is on Network adapter 1 of VM 'a' on wire 'web', but an operator keeps it for "
        "00:50:56:00:00:99; change the guest, or end that with: patchbay address unbind 10.0.0.5"
    )
    assert await because(pool) == said
    assert [t.data.explanation for t in await stage.told() if t.type == "address.unmatched"] == [said]
    assert (await stage.command(AddressUnbind(address="10.0.0.5", by="joe"))).complaint is None
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def test_g6_ambiguous_ends_with_one_of_the_commands_that_it_suggests(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"), say.vm("a", "pg-2"))
    await stage.subnet("left", "10.0.0.0/24", "app", scope="left")
    await stage.subnet("right", "10.0.0.0/24", "app", scope="right")
    await stage.tell(say.guest("a", "10.0.0.5"))
    assert commands(await because(pool)) == [
        ["subnet", "move", "left", "OTHER-WIRE", "--leave", "--scope", "left"],
        ["subnet", "move", "right", "OTHER-WIRE", "--leave", "--scope", "right"],
    ]
    moved = SubnetMove(subnet="right", scope="right", wire="web", keep_old=False)
    assert (await stage.command(moved)).complaint is None
    assert await stage.nics() == {"a/4000": ["10.0.0.5"]}


async def test_g6_a_conflict_names_what_makes_it_the_holders_for_good(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.vm("a", "pg-1"), say.vm("b", "pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.tell(say.guest("b", "10.0.0.5"), say.guest("a", "10.0.0.5"))
    fix, share = commands(await because(pool))
    assert (fix[:4], share) == (["vm", "fix-nics", "b", "--nic"], ["address", "share", "10.0.0.5"])
    port, _, address = fix[4].rpartition("=")
    stated = cmd.VmFixNics(vm="b", fixes=(cmd.PortFix(port=port, address=address),))
    assert (await stage.command(stated)).complaint is None
    assert await stage.nics() == {"b/4000": ["10.0.0.5"]}


async def test_g6_an_unsettled_address_says_what_it_waits_for(pool: Pool) -> None:
    stage, say = Stage(pool, change_settle_seconds=60), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.vm("a", "pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    await stage.tell(say.guest("a", "10.0.0.5"))
    say.sequence += 100
    await stage.tell(say.guest("a", "10.0.0.6"))
    (port,) = (await why(pool, "a")).ports
    assert port.summary == "has a NIC record with 10.0.0.5"
    (waiting,) = [a for a in port.addresses if not a.recorded]
    assert (waiting.address, waiting.verdict) == ("10.0.0.6", "unsettled")
    assert waiting.because == (
        "10.0.0.6 is on Network adapter 1 of VM 'a' on wire 'web', but only since a short while; when it has "
        "stayed for the allocator's change_settle_seconds it takes the place of what the port had before"
    )


async def test_g6_a_reserved_address_says_by_what_and_when_it_ends(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"), say.vm("a", "pg-2"))
    await _reserved(stage, say)
    (address,) = (await why(pool, "a")).ports[0].addresses
    assert address.verdict == "reserved"
    assert address.because == (
        f"10.0.0.5 is on Network adapter 1 of VM 'a' on wire 'app', but it is held by reservation "
        f"{instance('reservation')}; it becomes part of the record when the reservation is confirmed for "
        "this VM, or is free for it when the reservation ends"
    )


async def test_g6_an_address_that_an_operator_keeps_says_how_to_get_it(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.vm("a", "pg-1"))
    await stage.subnet("prod", "10.0.0.0/24", "web")
    spot = (AddressRange(first="10.0.0.5", last="10.0.0.5"),)
    await stage.command(AddressReserve(ranges=spot, note="printer", by="joe"))
    await stage.tell(say.guest("a", "10.0.0.5"))
    (address,) = (await why(pool, "a")).ports[0].addresses
    assert address.verdict == "reserved"
    assert address.because == (
        "10.0.0.5 is on Network adapter 1 of VM 'a' on wire 'web', but an operator keeps it reserved; "
        "change the guest, or give it back with: patchbay address release 10.0.0.5"
    )


async def test_g6_a_port_whose_tools_are_silent_says_so(pool: Pool) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.vm("a", "pg-1"))
    assert "nothing was heard of the guest's Tools" in (await why(pool, "a")).ports[0].summary
    await stage.tell(say.guest("a"))
    assert (await why(pool, "a")).ports[0].summary == (
        "has no NIC record: Tools are not running and never named an address of it; state it with: "
        "patchbay vm fix-nics a --nic 4000=ADDRESS"
    )


@pytest.mark.parametrize(
    ("prefix", "near", "far"),
    [("10.0.0.0/24", "10.0.0.{}", "10.7.0.{}"), ("2001:db8::/64", "2001:db8::{}", "2001:db8:7::{}")],
)
async def test_a_subnet_or_wire_change_looks_at_the_parked_ports_it_may_concern_and_no_others(
    pool: Pool, prefix: str, near: str, far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, say = Stage(pool), Teller()
    await stage.tell(say.portgroup("pg-1", "web"), say.portgroup("pg-2", "app"), say.portgroup("pg-3", "db"))
    for n in range(10, 40):
        group, pattern = (("pg-1", near), ("pg-2", near), ("pg-2", far))[n % 3]
        await stage.tell(say.vm(f"v{n}", group), say.guest(f"v{n}", pattern.format(n)))
    looked_at: set[str] = set()

    async def read(conn: Any, addresses: set[str], *rest: Any, **named: Any) -> Any:
        looked_at.update(addresses)
        return await reading.read(conn, addresses, *rest, **named)

    monkeypatch.setattr("services.allocator.settling.read", read)
    inside = {near.format(n) for n in range(10, 40) if n % 3 != 2}
    outside = {far.format(n) for n in range(10, 40) if n % 3 == 2}
    await stage.subnet("prod", prefix, "web")
    assert looked_at == inside, "in the prefix, on whatever wire; nobody else is parked on its own wire"
    looked_at.clear()
    await stage.command(cmd.SubnetSetWire(subnet="prod", wire="app", policy="pin"))
    assert looked_at == inside | outside, "with what is parked on the wire it is used from now"
    looked_at.clear()
    await stage.tell(say.portgroup("pg-3", "db-renamed"), say.portgroup("pg-1", "web-renamed"))
    assert looked_at == set(), "a name decides nothing"
