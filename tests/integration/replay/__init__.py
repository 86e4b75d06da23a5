"""Replays and dead letters on both buses, with a real PostgreSQL."""
