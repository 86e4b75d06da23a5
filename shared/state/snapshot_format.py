"""The file format of state snapshots: JSON Lines, gzip; a head, rows by table, an end that proves both.

{"format": "patchbay-state", "version": 1, "schema_revision": "0009", "created": …, "position": {…},
 "tables": [[name, rows], …]}                     on one line
{"table": "ipam.subnet"}
{…a row…}
{"end": true, "rows": 1234, "sha256": …}          of all bytes before this line, uncompressed
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.runtime.errors import PermanentError
from shared.state.positions import Position

LEVEL = 3
"""Of compression: half the time of the default for a tenth more size."""


class Head(BaseModel):
    """The first line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["patchbay-state"] = "patchbay-state"
    version: Literal[1] = 1
    schema_revision: str
    created: datetime
    position: Position
    tables: tuple[tuple[str, int], ...]
    """Full names in the order of the file, each with its number of rows."""

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(rows for _, rows in self.tables)


class SnapshotWriter:
    """Writes the lines of one file."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._rows = 0

    def head(self, head: Head) -> None:
        """The first line."""
        self._line(head.model_dump_json().encode())

    def table(self, name: str) -> None:
        """Rows of table `name` follow."""
        self._line(json.dumps({"table": name}).encode())

    def rows(self, rows: list[str]) -> None:
        """Rows, each as a JSON object."""
        self._rows += len(rows)
        data = "".join(row + "\n" for row in rows).encode()
        self._hash.update(data)
        self._file.write(data)

    def end(self) -> None:
        """The last line."""
        end = {"end": True, "rows": self._rows, "sha256": self._hash.hexdigest()}
        self._file.write(json.dumps(end).encode() + b"\n")

    def _line(self, line: bytes) -> None:
        self._hash.update(line + b"\n")
        self._file.write(line + b"\n")


@contextmanager
def writing(path: Path) -> Iterator[SnapshotWriter]:
    """A new file, complete under its name or not there at all.

    Raises `PermanentError` file_exists, file_unwritable.
    """
    if path.exists():
        raise PermanentError(
            f"there is a file {path} already", code="file_exists", hint="choose another name, or remove it"
        )
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=LEVEL, filename="") as file:
                yield SnapshotWriter(file)
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(path)
    except OSError as error:
        raise PermanentError(f"cannot write {path}: {error.strerror}", code="file_unwritable") from None
    finally:
        with suppress(OSError):
            part.unlink()


def read_head(path: Path) -> Head:
    """The first line alone. Raises `PermanentError` as `lines_of` does."""
    with _opened(path) as file:
        return _head(path, file.readline())


def lines_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every row with its table. Ends normally only when the file is whole.

    Raises `PermanentError` file_unreadable, not_a_snapshot, snapshot_version, or snapshot_damaged, the last
    possibly after all rows: what was done with them must then be undone.
    """
    with _opened(path) as file:
        digest, rows, table = hashlib.sha256(), 0, ""
        line = file.readline()
        _head(path, line)
        digest.update(line)
        for line in file:
            if line.startswith(b'{"end": true'):
                end = _json(path, line)
                if (end.get("rows"), end.get("sha256")) != (rows, digest.hexdigest()):
                    raise _damaged(path, "its checksum is another one")
                return
            digest.update(line)
            if line.startswith(b'{"table": '):
                table = str(_json(path, line)["table"])
            else:
                rows += 1
                yield table, line
        raise _damaged(path, "its end is missing")


@contextmanager
def _opened(path: Path) -> Iterator[gzip.GzipFile]:
    try:
        with gzip.open(path, "rb") as file:
            yield file
    except gzip.BadGzipFile:
        raise PermanentError(
            f"{path} is no snapshot: it is not compressed by gzip", code="not_a_snapshot"
        ) from None
    except (EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from None
    except OSError as error:
        raise PermanentError(f"cannot read {path}: {error.strerror}", code="file_unreadable") from None


def _head(path: Path, line: bytes) -> Head:
    raw = _json(path, line)
    if raw.get("format") != "patchbay-state":
        raise PermanentError(f"{path} is no snapshot of Patchbay's state", code="not_a_snapshot")
    if raw.get("version") != 1:
        raise PermanentError(
            f"{path} has format version {raw.get('version')}, this release reads 1",
            code="snapshot_version",
            hint="use the release that wrote it, or newer",
        )
    try:
        return Head.model_validate(raw)
    except ValidationError as error:
        raise _damaged(path, f"its head is not understood ({error.error_count()} faults)") from None


def _json(path: Path, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise PermanentError(f"{path} is no snapshot of Patchbay's state", code="not_a_snapshot") from None
    return found if isinstance(found, dict) else {}


def _damaged(path: Path, how: str) -> PermanentError:
    return PermanentError(
        f"{path} is damaged: {how}", code="snapshot_damaged", hint="take another copy of it"
    )
