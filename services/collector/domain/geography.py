"""Where things are: from an object up through folders and clusters to its datacenter."""

from __future__ import annotations

from typing import NamedTuple

from services.collector.domain.state import Place

_DEEPEST = 64
"""Folders nest; a longer way up is a circle out of a half-read tree."""


class Spot(NamedTuple):
    """A place by id and name."""

    moid: str
    name: str | None


class Geography:
    """The tree of places, as far as it is known."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}

    def datacenter(self, moid: str | None) -> Spot | None:
        """The datacenter at or above the place `moid`."""
        for _ in range(_DEEPEST):
            place = self.places.get(moid) if moid else None
            if place is None:
                return None
            if place.type == "datacenter":
                return Spot(place.moid, place.name)
            moid = place.parent
        return None

    def cluster(self, parent: str | None) -> Spot | None:
        """The cluster of a host whose parent is `parent`; a stand-alone host has none."""
        place = self.places.get(parent) if parent else None
        return Spot(place.moid, place.name) if place is not None and place.type == "cluster" else None

    def name_of(self, moid: str | None) -> str | None:
        """The name of the place `moid`."""
        place = self.places.get(moid) if moid else None
        return place.name if place is not None else None

    def resource_pool(self, parent: str | None) -> str | None:
        """The root resource pool of a host whose parent is `parent`."""
        place = self.places.get(parent) if parent else None
        return place.resource_pool if place is not None else None
