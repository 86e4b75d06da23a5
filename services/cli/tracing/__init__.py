"""The chain of events around one of them: what led to it, and what it led to.

In: the log and an id. Out: events with their places in the log, linked by cause; as a tree, JSON or OTLP
spans.
"""
