"""Placement: where a new VM goes, on which port groups, with which addresses.

In: create-VM requests and reservation commands (queue placement.requests), facts about VMs (placement.facts).
Out: vm.create.placed or refused with every reason, then vm.create.confirmed, cancelled or expired; replies.
Owns: the schema `placement` (requests with their answers, reservations) and the addresses that reservations
hold in the ledger, until the allocator takes them over for a NIC record. Reads the schema `inventory`.
"""
