"""Values of json and jsonb columns, Python's JSON types, in the binary form that COPY takes too."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

JSONB_VERSION = b"\x01"
"""The first byte of jsonb on the wire."""


def json_bytes(value: object) -> bytes:
    """The value as JSON. What is no number ("NaN") is refused by the server, as no JSON knows it."""
    return to_json(value, inf_nan_mode="constants")


def jsonb_bytes(value: object) -> bytes:
    """The value as jsonb."""
    return JSONB_VERSION + to_json(value, inf_nan_mode="constants")


def of_json(data: bytes) -> Any:
    """The value of a json column."""
    return from_json(data)


def of_jsonb(data: bytes) -> Any:
    """The value of a jsonb column."""
    return from_json(data[1:])
