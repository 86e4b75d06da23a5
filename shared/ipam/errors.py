"""What the ledger says when it refuses."""

from __future__ import annotations

from collections.abc import Mapping

from shared.runtime.errors import PermanentError


class LedgerRefusal(PermanentError):
    """The ledger will not do it as long as things stand as they do.

    `code` is stable for programs: a mistake's code, or one of subnet_overlaps, name_taken, subnet_unknown,
    subnet_in_use, subnet_full, address_taken, address_not_allocatable, field_fixed, wire_is_default,
    scope_unknown. `field` names the subnet's field at fault, `details` the values that decided, as JSON
    types.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str | None = None,
        field: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.field = field
        self.details = dict(details or {})
