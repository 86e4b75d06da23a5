"""The allocator: which port holds which address.

In: facts (`vcenter.*`, `inventory.*`, `guest.*`), confirmed and ended reservations, commands about subnets
and fixed addresses. Out: `wire.*`, `subnet.*`, `nic.*`, `address.*`, `command.replied`, through the outbox.
Owns: the `inventory` schema. Writes the address ledger through `shared.ipam`.
"""
