"""Names for proposed subnets: after the wire, told apart by prefix where one wire carries several."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from services.allocator.domain.suggestions import Proposal

LONGEST = 60


def name_proposals(
    proposals: Sequence[Proposal], wires: Mapping[UUID, str], taken: Mapping[UUID, Collection[str]]
) -> list[str]:
    """A name for each of `proposals`, unique in its scope. `taken`: names that exist, by scope."""
    used = {(scope, name) for scope, names in taken.items() for name in names}
    names: dict[int, str] = {}
    # The one that most VMs are in has the plain name.
    for place, proposal in sorted(enumerate(proposals), key=lambda pair: (-pair[1].vms, pair[0])):
        name = base = _base(proposal, wires.get(proposal.wires[0], ""))
        number = 1
        while (proposal.scope, name) in used:
            name = f"{base}-{_spelled(proposal)}" + (f"-{number}" if number > 1 else "")
            number += 1
        used.add((proposal.scope, name))
        names[place] = name
    return [names[place] for place in range(len(proposals))]


def _base(proposal: Proposal, wire: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", wire).strip("-.")[:LONGEST] or "subnet"
    try:
        UUID(slug)
    except ValueError:
        pass
    else:
        slug = f"subnet-{slug}"  # what looks like an id is looked up as one
    return f"{slug}-v6" if proposal.prefix.version == 6 else slug


def _spelled(proposal: Proposal) -> str:
    return str(proposal.prefix).replace("/", "-").replace(":", ".").replace("..", "-")
