"""Decisions of the collector, pure: raw values in, facts and verdicts out.

Comes in: pages of changes (`changes`), values as vSphere states them (`raw`, `state`).
Goes out: facts of `shared.events`, ready but for their sequence; verdicts on sight and sweep.
Owns: which change is a real one (`mirror`, `guests`), what loss of sight is (`sight`), when a sweep waits
(`brake`).
"""
