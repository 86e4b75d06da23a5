"""The objects of the pretended vCenter and what the vSphere API shows of them.

In: plain attribute changes made by the world's operations. Out: property values for any path of any object.
Owns: the objects' state (`entities.py`, `machines.py`, `hosts.py`, `networks.py`), their property trees
(`*_properties.py`) and the list of names that exist (`names.py`).
"""
