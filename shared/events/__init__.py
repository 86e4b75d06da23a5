"""The published contract: envelope, every event and command, and the broker topology, as data.

In: nothing. Out: pydantic models, the registry that maps (type, version) to a model, and the codec between
models and bus messages. Owns: names, versions and shapes of all that crosses the bus.
"""
