"""Which release this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The release, as installed."""
    try:
        return metadata.version("patchbay")
    except metadata.PackageNotFoundError:
        return "(not installed)"
