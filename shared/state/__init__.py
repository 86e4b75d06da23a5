"""The state as rows: what a rebuild compares, a snapshot carries and a swap exchanges.

In: databases with this release's schema. Out: copies of one, differences between two, snapshot files. The
state is every table of `SCHEMAS`, found by asking the database, so that a new table takes part without
being listed anywhere. Owns nothing: rows belong to the services that write them.
"""
