"""The schema's history: one SQL file per step under `versions/`, run by Alembic.

A step is `<number>_<what>.sql` plus a Python file of the same name that tells Alembic its place in the chain.
Steps only go forward. SQL must run on PostgreSQL 15 and newer and use no extension.
"""
