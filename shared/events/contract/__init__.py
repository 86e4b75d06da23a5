"""The published contract as documents: JSON Schemas, an AsyncAPI document, a page per event.

In: the registry, the topology, and example messages. Out: texts by file name (`files.contract_files`), and
the differences between two schemas that would break somebody (`compatibility.breaks`). Owns: what is said
about each event beside its shape. Writes no file.
"""
