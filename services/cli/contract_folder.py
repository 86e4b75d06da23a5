"""The contract's documents in a folder: what is there, what differs, writing them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.cli.outcome import Misused, say
from services.cli.version import version
from shared.events.contract.files import SCHEMAS, contract_files
from shared.events.contract.schemas import Schema

GOLDEN = Path(__file__).parents[2] / "tests" / "contract" / "events" / "golden"
"""Where examples are in a checkout; an installed Patchbay has none."""

_OURS = ("events/*.md", f"{SCHEMAS}/*.json")


def read_examples(folder: Path) -> dict[str, Any]:
    """Whole messages by "<type>.v<version>". Raises `Misused` naming a file that is no JSON."""
    return {path.stem: _load(path) for path in sorted(folder.glob("*.json"))}


def read_schemas(folder: Path) -> dict[str, Schema]:
    """The schemas published in `folder`, by version name. Raises `Misused` naming a file that is no JSON."""
    return {path.stem: _load(path) for path in sorted((folder / SCHEMAS).glob("*.json"))}


def wanted(examples: Path) -> dict[str, str]:
    """All documents as they have to be, by path."""
    found = read_examples(examples)
    if not found:
        say(f"no examples in {examples}: the documents are written without; give a folder with --examples")
    return contract_files(version(), found)


def differing(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Files that are missing in `folder`, differ, or should not be there."""
    changed = [name for name, text in files.items() if _read(folder / name) != text]
    return changed + strangers(folder, files)


def strangers(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Pages and schemas in `folder` of versions that no model has; those of lifted versions stay, too."""
    there = [
        path.relative_to(folder).as_posix() for pattern in _OURS for path in sorted(folder.glob(pattern))
    ]
    return [name for name in there if name not in files]


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write what differs; the names of the files written. Raises `Misused` when it can't."""
    changed = [name for name, text in files.items() if _read(folder / name) != text]
    try:
        for name in changed:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(files[name], encoding="utf-8")
    except OSError as error:
        raise Misused(f"cannot write to {folder}: {error.strerror}") from None
    return changed


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misused(f"{path}: {error}") from None
