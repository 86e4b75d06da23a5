"""Whether what was chosen on a world of a moment ago is still what it was, asked under its locks."""

from __future__ import annotations

from collections.abc import Iterable

from services.placement import loading_queries as sql
from services.placement.domain.deciding import Choice
from shared.store.pool import Connection


async def still_so(conn: Connection, choices: Iterable[Choice]) -> frozenset[str]:
    """What is true now of all that `choices` name; `agrees` compares."""
    hosts = {choice.host.key for choice in choices}
    options = [option for choice in choices for option in choice.options]
    rows = await conn.fetch(
        sql.CHOSEN,
        [host.vcenter for host in hosts],
        [host.moid for host in hosts],
        list({option.wire.id for option in options}),
        list({subnet.id for option in options for subnet in option.subnets}),
    )
    return frozenset(row[0] for row in rows)


def agrees(choice: Choice, now_true: frozenset[str]) -> bool:
    """Whether host, wires, subnets and their roles are unchanged."""
    return all(words in now_true for words in _chosen(choice))


def _chosen(choice: Choice) -> Iterable[str]:
    key, order = choice.host.key, choice.host.order
    yield f"host {key.vcenter} {key.moid} {order[0]} {order[1]}"
    for option in choice.options:
        wire = option.wire
        yield f"wire {wire.id} {wire.order[0]} {wire.order[1]}"
        for subnet, role in zip(option.subnets, option.roles, strict=True):
            yield f"subnet {subnet.id} {subnet.revision}"
            yield f"role {subnet.id} {wire.id} {role}"
