"""Base classes of everything that crosses the bus."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.model.ordering import Order


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; write it like 2026-01-31T12:00:00Z")
    return value


Timestamp = Annotated[datetime, AfterValidator(_aware)]
"""A point in time with its zone; ISO 8601 on the wire."""


class Part(BaseModel):
    """A piece of an event: immutable, and any field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_timedelta="float")


class Event(Part):
    """Data of one event or command type.

    `TYPE` and `VERSION` together name the shape for ever: a change that an old reader would not
    survive is a new version, never an edit.
    """

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def subject_of(self) -> str:
        """What the event is about, such as "vm/vm-42": the CloudEvents subject."""
        raise NotImplementedError

    def vcenter_of(self) -> UUID | None:
        """The vCenter the event concerns, if one: second last word of its routing key."""
        return None

    def subnet_of(self) -> UUID | None:
        """The subnet the event concerns, if one: last word of its routing key."""
        return None


class Fact(Event):
    """Something a vCenter said: the full state of one object, with its place in that vCenter's order."""

    vcenter: UUID
    scope: Annotated[str, Field(min_length=1)] = "default"
    """The address space that the vCenter's addresses are in, as registered."""
    epoch: Annotated[int, Field(ge=1)]
    sequence: Annotated[int, Field(ge=1)]

    @property
    def order(self) -> Order:
        """Place in the vCenter's order: only a fact with a greater one may replace this one."""
        return Order(self.epoch, self.sequence)

    def vcenter_of(self) -> UUID | None:
        return self.vcenter
