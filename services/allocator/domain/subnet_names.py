"""Names for proposed subnets: after the wire, told apart by prefix where one wire carries several."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from services.allocator.domain.suggestions import Proposal

LONGEST = 60


def name_proposals(
    proposals: Sequence[Proposal], wires: Mapping[UUID, str], taken: Mapping[UUID, Collection[str]]
) -> list[str]:
    """A name for each of `proposals`, unique in its scope. `taken`: names that exist, by scope."""
    bases = [_base(p, wires.get(p.wires[0], "")) for p in proposals]
    common = Counter((p.scope, base) for p, base in zip(proposals, bases, strict=True))
    used = {(scope, name) for scope, names in taken.items() for name in names}
    names = []
    for proposal, base in zip(proposals, bases, strict=True):
        name = base
        if common[proposal.scope, base] > 1 or (proposal.scope, name) in used:
            name = f"{base}-{_spelled(proposal)}"
        number = 2
        while (proposal.scope, name) in used:
            name = f"{base}-{_spelled(proposal)}-{number}"
            number += 1
        used.add((proposal.scope, name))
        names.append(name)
    return names


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
