"""Playing events again: out of the log or a file, into one queue or a file; and dead letters sent back.

In: entries of the log, lines of a file. Out: marked messages in one queue, never on the exchange; or lines
of a file. Owns: the table `bus.replay`, which says how far each replay came, and the format of event files.
"""
