"""Answers to create-VM requests, and the rulings behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from services.allocator.sight import Sight, sight
from services.cli.rendering.sentences import vlan_text
from services.cli.rendering.sight import age, with_sight
from services.cli.rendering.tables import add, cell, facts, table
from shared.events.placement import Ruling, VmCreateBatchAnswered, VmCreatePlaced, VmCreateRefused

Answer = VmCreatePlaced | VmCreateRefused


def render_placed(
    answers: Sequence[Answer], batch: VmCreateBatchAnswered | None, *, dry: bool
) -> RenderableType:
    """One answer with every ruling; of many a line each, and the reasons against those refused."""
    if batch is None:
        return render_answer(answers[0], dry=dry)
    grid = table("vm", "host", "addresses", "reservation", "refused because")
    for answer in answers:
        if isinstance(answer, VmCreatePlaced):
            add(
                grid, _name(answer), answer.host_name, addresses_of(answer), str(answer.reservation)[:8], None
            )
        else:
            add(grid, answer.request_id, None, None, None, Text(answer.reason, style="yellow"))
    style = "yellow" if batch.refused else "green"
    shown = Group(Text(batch.reason, style=style), Text(), grid)
    if batch.refused:
        # They were decided on what was known together: it shows what was out of sight, too.
        return with_sight(shown, sights_in(batch.refused[0]))
    oldest = max((answer.facts_age_seconds for answer in batch.placed), default=0.0)
    return Group(shown, Text(), Text(f"decided on facts that were {age(oldest)} old", style="bright_black"))


def _name(answer: VmCreatePlaced) -> Text:
    return Text(answer.name, style="bold")


def addresses_of(answer: VmCreatePlaced) -> list[str]:
    """All that was reserved, by NIC."""
    return [place.address for nic in answer.nics for place in nic.addresses]


def render_answer(answer: Answer, *, dry: bool, why: bool = True) -> RenderableType:
    """The answer; with every ruling, unless `why` is False."""
    if isinstance(answer, VmCreateRefused):
        reason = Text(f"refused: {answer.reason}", style="yellow")
        parts = [reason, Text(), render_rulings(answer.rulings)] if why else [reason]
        return with_sight(Group(*parts), sights_in(answer))
    reasons = [Text(), *render_alternates(answer), render_rulings(answer.explanation)] if why else []
    verb = "would go" if dry else "goes"
    held: dict[str, object] = {"reservation": answer.reservation, "held_until": answer.expires_at}
    if dry:
        held = {"reservation": "none, this was a dry run"}
    return Group(
        Text(f"{answer.name} {verb} to {answer.host_name}", style="green"),
        facts(
            request=answer.request_id,
            **(held if why else {}),
            cluster=answer.cluster_name,
            datacenter=answer.datacenter,
            **({"folder": answer.folder} if answer.folder else {}),
            size=_size(answer),
            guest=_guest(answer),
            facts_were=f"{age(answer.facts_age_seconds)} old ({cell(answer.facts_as_of)})",
        ),
        Text(),
        _nics(answer),
        *_notes(answer),
        *reasons,
    )


def sights_in(answer: VmCreateRefused) -> list[Sight]:
    """How much of each vCenter was known when the request was refused."""
    return [
        sight(
            seen.vcenter,
            seen.name,
            seen.state,
            None,
            current_to=seen.as_of,
            now=(seen.as_of or datetime.now(UTC)) + timedelta(seconds=seen.age_seconds or 0),
        )
        for seen in answer.facts
    ]


def _size(answer: VmCreatePlaced) -> str:
    disks = "".join(f", {disk.size_gb} GiB disk" for disk in answer.disks)
    return f"{answer.cpus} CPUs, {answer.memory_mb} MiB{disks}"


def _guest(answer: VmCreatePlaced) -> str | None:
    told = answer.guest_configuration
    if told is None:
        return None
    formats = ["CustomizationSpec"]
    formats += ["cloud-init"] if told.cloud_init else []
    formats += ["NetworkManager"] if told.keyfiles else []
    formats += ["Ignition"] if told.ignition else []
    return f"{told.hostname}, {answer.guest.os}; as {', '.join(formats)}"


def _notes(answer: VmCreatePlaced) -> list[RenderableType]:
    told = answer.guest_configuration
    notes = told.notes if told is not None else ()
    return [Text(f"note: {note}", style="yellow") for note in notes]


def render_alternates(answer: VmCreatePlaced) -> list[RenderableType]:
    """The next best hosts, and an empty line; nothing where there were none."""
    if not answer.alternates:
        return []
    grid = table("next best", "cluster", "because")
    for other in answer.alternates:
        add(grid, other.host_name, other.cluster_name, other.because)
    return [grid, Text()]


def _nics(answer: VmCreatePlaced) -> RenderableType:
    grid = table("nic", "port group", "vlan", "mac", "address", "subnet", "gateway", "dns")
    for nic in answer.nics:
        wire = (nic.index, nic.wire.name, vlan_text(nic.wire.vlan), nic.mac or "by vCenter")
        if not nic.addresses:
            add(grid, *wire, None, None, None, None)
        for place in nic.addresses:
            address = f"{place.address}/{place.prefix}"
            add(grid, *wire, address, place.subnet_name, place.gateway, place.dns)
    return grid


def render_rulings(rulings: Sequence[Ruling]) -> RenderableType:
    """One line for each thing that a rule let through, chose or ruled out."""
    grid = table("", "what", "name", "rule", "because")
    for ruling in rulings:
        mark = Text("✓", style="green") if ruling.passed else Text("✗", style="red")
        add(grid, mark, ruling.kind, ruling.name, ruling.rule, ruling.because)
    return grid
