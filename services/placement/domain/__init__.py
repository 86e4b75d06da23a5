"""Decisions of placement, pure: what is known in, a choice or a refusal with its reasons out.

No I/O, no clock, no randomness. The same request against the same world has the same answer, in whatever
order hosts, wires and subnets are listed.
"""
