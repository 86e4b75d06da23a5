"""The address ledger: which addresses of a scope are held, by whom, and which are free.

In: claims, releases, wishes for free addresses and operators' subnets, inside the caller's transaction.
Out: what was granted, what was refused and who holds it, and free addresses that nobody else gets.
Owns: the `ipam` schema, alone. `subnets` keeps subnets and their wires, `ledger` the addresses in them.
"""
