"""Which command leads where."""

from __future__ import annotations

from typing import Any

from services.allocator import (
    address_commands,
    binding_commands,
    rebinding,
    reshaping_commands,
    sharing,
    wire_mapping,
)
from services.allocator.announcing import Announcements
from services.allocator.dispatching import Commands
from services.allocator.fixing import fix_nics, unfix_nics
from services.allocator.settling import Policy
from services.allocator.subnet_commands import create, delete, update
from services.allocator.wire_commands import set_wire_policy, set_wires
from shared.events import commands, vm_nics, wire_commands
from shared.events.envelope import Envelope
from shared.runtime.errors import PermanentError
from shared.store.pool import Connection

_HANDLERS: Commands = {
    **address_commands.COMMANDS,
    **binding_commands.COMMANDS,
    **reshaping_commands.COMMANDS,
    **rebinding.COMMANDS,
    **wire_mapping.COMMANDS,
    **sharing.COMMANDS,
}


async def carry_out(
    conn: Connection, envelope: Envelope[Any], out: Announcements, policy: Policy
) -> dict[str, Any]:
    """Carry out a command and return its result, as JSON types.

    Raises `PermanentError` for every mistake in it; the transaction must then be rolled back.
    """
    command = envelope.data
    handler = _HANDLERS.get(type(command))
    if handler is not None:
        return await handler(conn, envelope, command, out, policy)
    if isinstance(command, commands.SubnetCreate):
        return await create(conn, envelope, command, out, policy)
    if isinstance(command, commands.SubnetUpdate):
        return await update(conn, envelope, command, out, policy)
    if isinstance(command, commands.SubnetDelete):
        return await delete(conn, envelope, command, out, policy)
    if isinstance(command, commands.SubnetSetWire):
        return await set_wire_policy(conn, envelope, command, out, policy)
    if isinstance(command, wire_commands.SubnetSetWires):
        return await set_wires(conn, envelope, command, out, policy)
    if isinstance(command, commands.VmFixNics):
        return await fix_nics(conn, envelope, command, out, policy)
    if isinstance(command, vm_nics.VmUnfixNics):
        return await unfix_nics(conn, envelope, command, out, policy)
    raise PermanentError(f"the allocator does not know {envelope.type}", code="unknown_command")
