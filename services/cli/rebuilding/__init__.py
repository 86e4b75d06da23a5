"""The state made again from the log: beside the live one, compared with it, or in its place.

In: entries of the log, a snapshot file, the live database. Out: differences; a swapped state; a snapshot
file. Owns nothing of its own but the databases that it makes for a while. Facts are folded by the
allocator's own code; decisions and answers are written as the events say that tell of them, never carried
out again.
"""
