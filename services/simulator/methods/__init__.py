"""The vSphere methods that the simulator implements, by topic.

In: a `Call` with its session, target and arguments. Out: values, or faults raised. Owns: the table of methods
by wire name (`registry.py`); what is not in it answers NotSupported, naming the method.
"""
