"""The command line: the top room, which may import every service.

In: what an operator types, and what the services' query modules read. Out: tables for people, JSON for
programs, commands on the bus. Owns: exit codes, messages, the demo; no state and no SQL of its own.
"""
