"""The golden messages, by "<type>.v<version>"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"


def golden_messages() -> dict[str, dict[str, Any]]:
    """Every golden message."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))}
