"""Decisions of the runtime."""
