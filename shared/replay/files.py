"""Files of events: JSON Lines, compressed where the name ends in .gz.

A file grows by whole windows, each on the disk before its place is remembered; a compressed one by a gzip
member each. So a replay that broke off cuts the file back to where it had surely come, and goes on there.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from shared.bus.port import LogEntry
from shared.replay.lines import BadLine, entry_of, head_line, line_of, read_head
from shared.runtime.errors import PermanentError


class EventWriter:
    """Writes one file. `size` is where it surely ends, in bytes."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    @classmethod
    def create(cls, path: Path, about: dict[str, Any]) -> EventWriter:
        """Begin a new file. Raises `PermanentError` file_exists, file_unwritable."""
        writer = cls(path, 0)
        try:
            with path.open("xb"):
                pass
        except FileExistsError:
            raise PermanentError(
                f"there is a file {path} already",
                code="file_exists",
                hint="choose another name, or remove it",
            ) from None
        except OSError as error:
            raise _unwritable(path, error) from None
        writer._append(head_line(about))
        return writer

    @classmethod
    def resume(cls, path: Path, size: int) -> EventWriter:
        """Go on behind the first `size` bytes. Raises `PermanentError` file_changed, file_unwritable."""
        try:
            found = path.stat().st_size
            if found < size:
                raise PermanentError(
                    f"{path} has {found} bytes, it had {size}: it is not the file that was written",
                    code="file_changed",
                    hint="put the file back, or begin a new replay",
                )
            os.truncate(path, size)
        except OSError as error:
            raise _unwritable(path, error) from None
        return cls(path, size)

    def write(self, entries: Sequence[LogEntry]) -> None:
        """Append entries, and return when they are on the disk. Raises `PermanentError` file_unwritable."""
        if entries:
            self._append(b"".join(map(line_of, entries)))

    def _append(self, lines: bytes) -> None:
        data = gzip.compress(lines, compresslevel=6, mtime=0) if self.path.suffix == ".gz" else lines
        try:
            with self.path.open("r+b") as file:
                file.seek(self.size)
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self.size += len(data)


def _unwritable(path: Path, error: OSError) -> PermanentError:
    return PermanentError(
        f"can't write {path}: {error.strerror or error}",
        code="file_unwritable",
        hint="see to folder, rights and free space",
    )


def read_events(path: Path, after: int = 0) -> Iterator[tuple[int, LogEntry]]:
    """The entries of a file behind the first `after`, each with its number from 1.

    Raises `PermanentError` file_unreadable, file_foreign, file_damaged; the last names the line. What stands
    in front of a damaged line has been handed out by then.
    """
    number = 0
    try:
        with _opened(path) as file:
            _check_head(path, file.readline())
            for number, line in enumerate(file, 1):
                if number > after:
                    yield number, entry_of(line)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, number + 1, f"the compressed data is damaged or cut off: {error}") from None
    except BadLine as error:
        raise _damaged(path, number, str(error)) from None
    except OSError as error:
        raise PermanentError(
            f"can't read {path}: {error.strerror or error}", code="file_unreadable"
        ) from None


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def _check_head(path: Path, line: bytes) -> None:
    try:
        read_head(line)
    except BadLine as error:
        raise PermanentError(f"{path} can't be played: {error}", code="file_foreign") from None


def _damaged(path: Path, number: int, what: str) -> PermanentError:
    # The head is line 1 of the file, the first event line 2.
    return PermanentError(
        f"line {number + 1} of {path} can't be read: {what}",
        code="file_damaged",
        hint="everything before it can be played; get a whole copy of the file for the rest",
    )


def count_events(path: Path) -> int:
    """How many events a file has, without reading them. Damage counts as one: it is met at its place.

    Raises `PermanentError` file_unreadable, file_foreign.
    """
    count = 0
    try:
        with _opened(path) as file:
            _check_head(path, file.readline())
            for _ in file:
                count += 1
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return count + 1
    except OSError as error:
        what = error.strerror or str(error)
        raise PermanentError(f"can't read {path}: {what}", code="file_unreadable") from None
    return count
