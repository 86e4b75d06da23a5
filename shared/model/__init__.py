"""Values used by every service: identifiers, MAC and IP addresses, the order of facts.

In: plain strings and numbers from the edges. Out: checked, canonical, hashable values.
Owns: what counts as the same MAC, the same address, the same port; which fact is newer.
"""
