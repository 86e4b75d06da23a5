"""MAC addresses: any common spelling in, lower case with colons out."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_CANONICAL = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_HEX = re.compile(r"[0-9a-f]{12}")


def canonical_mac(text: str) -> str:
    """`00:50:56:ab:cd:ef` for any of `00-50-56-AB-CD-EF`, `0050.56ab.cdef`, `005056ABCDEF`.

    Raises ValueError, naming the text, when it is no 48-bit MAC address.
    """
    if _CANONICAL.fullmatch(text):
        return text  # most of them come like this, by the million
    bare = re.sub(r"[:.\-\s]", "", text).lower()
    if not _HEX.fullmatch(bare):
        raise ValueError(f"{text!r} is not a MAC address; write it like 00:50:56:ab:cd:ef")
    return ":".join(bare[i : i + 2] for i in range(0, 12, 2))


def _mac_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a MAC address")  # noqa: TRY004  pydantic turns only ValueError into its own
    return canonical_mac(value)


MacAddress = Annotated[str, BeforeValidator(_mac_text)]
