"""The record of operators' commands.

In: a command with its envelope, what was answered, which events tell of it. Out: rows for people who ask who
did what. Owns the table `audit.command`; a row is written in the transaction of its command: never
one without the other.
"""
