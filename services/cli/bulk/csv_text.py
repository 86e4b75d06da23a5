"""Entries as CSV: a line for each, a column for every field of any kind; lists with semicolons between."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, cast, get_args

from services.cli.bulk.forms import FORMS, Entry, Kind, Problem, Value, read_entry

COLUMNS = ("kind", *dict.fromkeys(name for forms in FORMS.values() for name in forms))
KINDS: tuple[str, ...] = get_args(Kind)
_SEPARATOR = re.compile(r"(?<!\\)((?:\\\\)*);")


def write(entries: Sequence[Entry]) -> str:
    """The file's text."""
    if not entries:
        return ""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        cells = {"kind": entry.kind, **{name: _cell(value) for name, value in entry.values.items()}}
        writer.writerow([cells.get(name, "") for name in COLUMNS])
    return text.getvalue()


def read(text: str) -> tuple[list[Entry], list[Problem]]:
    """The entries of a file, and all that is wrong with it.

    Columns may come in any order, and be left out.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    problems: list[Problem] = []
    entries: list[Entry] = []
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            first, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                problems += _header(header, first)
                if problems:
                    return [], problems
                continue
            entry = _entry(header, cells, first, problems)
            if entry is not None:
                entries.append(entry)
    except csv.Error as error:
        problems.append(Problem(reader.line_num, f"not CSV: {error}"))
    return entries, problems


def _header(header: list[str], line: int) -> list[Problem]:
    problems = [
        Problem(line, f"there is no column {name!r}; there are {', '.join(COLUMNS)}")
        for name in header
        if name not in COLUMNS
    ]
    if "kind" not in header:
        problems.append(Problem(line, f"the first line must name the columns, 'kind' among them: {COLUMNS}"))
    if len(set(header)) < len(header):
        problems.append(Problem(line, "a column is there twice"))
    return problems


def _entry(header: list[str], cells: list[str], line: int, problems: list[Problem]) -> Entry | None:
    if len(cells) > len(header):
        problems.append(Problem(line, f"{len(cells)} cells, but {len(header)} columns"))
        return None
    raw = {name: cell for name, cell in zip(header, cells, strict=False) if cell != ""}
    kind = raw.pop("kind", "")
    if kind not in KINDS:
        problems.append(Problem(line, f"there is no kind {kind!r}; there are {', '.join(KINDS)}"))
        return None
    forms = FORMS[cast("Kind", kind)]
    given: dict[str, Any] = {
        name: _items(cell) if name in forms and forms[name].shape == "list" else cell
        for name, cell in raw.items()
    }
    return read_entry(cast("Kind", kind), given, line, problems)


def _cell(value: Value) -> str:
    if isinstance(value, tuple):
        return ";".join(item.replace("\\", "\\\\").replace(";", "\\;") for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _items(cell: str) -> list[str]:
    parts = _SEPARATOR.sub("\\1\n", cell.replace("\n", " ")).split("\n")
    return [re.sub(r"\\(.)", r"\1", part).strip() for part in parts]
