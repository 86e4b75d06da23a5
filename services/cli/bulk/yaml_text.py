"""Entries as YAML: a section for each kind.

What is written is read to the same, and written to the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from services.cli.bulk.forms import SECTIONS, Entry, Problem, Value, read_entry


class _Loader(yaml.SafeLoader):
    """Every scalar as the text that stands there: 00:50:56:00:00:01 is no number, and `no` no switch."""


_Loader.yaml_implicit_resolvers = {}


def write(entries: Sequence[Entry]) -> str:
    """The file's text."""
    sections = {
        section: [_plain(entry) for entry in entries if entry.kind == kind]
        for section, kind in SECTIONS.items()
        if any(entry.kind == kind for entry in entries)
    }
    if not sections:
        return ""
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=100_000)


def read(text: str) -> tuple[list[Entry], list[Problem]]:
    """The entries of a file, and all that is wrong with it."""
    problems: list[Problem] = []
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return [], [Problem(line, f"not YAML: {error.problem or error.context}")]
    except yaml.YAMLError as error:
        return [], [Problem(1, f"not YAML: {' '.join(str(error).split())}")]
    if root is None:
        return [], []
    if not isinstance(root, yaml.MappingNode):
        known = ", ".join(SECTIONS)
        return [], [Problem(root.start_mark.line + 1, f"the file must have sections: {known}")]
    entries: list[Entry] = []
    for name, section in root.value:
        entries += _section(str(name.value), name.start_mark.line + 1, section, problems)
    return entries, problems


def _section(name: str, line: int, node: yaml.Node, problems: list[Problem]) -> list[Entry]:
    kind = SECTIONS.get(name)
    if kind is None:
        problems.append(Problem(line, f"there is no section {name!r}; there are {', '.join(SECTIONS)}"))
        return []
    if isinstance(node, yaml.ScalarNode) and not node.value:
        return []
    if not isinstance(node, yaml.SequenceNode):
        problems.append(Problem(line, f"section {name} must be a list"))
        return []
    found = []
    for item in node.value:
        at = item.start_mark.line + 1
        if not isinstance(item, yaml.MappingNode):
            problems.append(Problem(at, f"an entry of {name} must have fields, like 'name: web'"))
            continue
        raw: dict[str, Any] = {}
        for key, value in item.value:
            if str(key.value) in raw:
                problems.append(Problem(key.start_mark.line + 1, f"{key.value} is said twice"))
            raw[str(key.value)] = _raw(value)
        entry = read_entry(kind, raw, at, problems)
        if entry is not None:
            found.append(entry)
    return found


def _raw(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_raw(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return [f"{key.value}={value.value}" for key, value in node.value]
    # A bare `~` or nothing is no value; in quotes it is text.
    if isinstance(node, yaml.ScalarNode) and node.style is None and node.value in {"", "~", "null"}:
        return None
    return str(node.value)


def _plain(entry: Entry) -> dict[str, Any]:
    return {name: _value(value) for name, value in entry.values.items()}


def _value(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value
