"""The allocator's decisions.

In: facts and rows as values. Out: what must hold: sightings, verdicts, holders, NIC records.
Pure: no I/O, no clock, no randomness. What comes out depends on what is known, never on when it was heard.
"""
