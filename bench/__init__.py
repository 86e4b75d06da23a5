"""Measurements: `python -m bench` runs all, `python -m bench.<name>` one. Each prints one JSON document."""
