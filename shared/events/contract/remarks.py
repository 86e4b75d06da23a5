"""What the source says of fields: the strings that stand behind them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache

from pydantic import BaseModel

from shared.events.base import Part


def remarks(model: type[BaseModel]) -> dict[str, str]:
    """Field name to its remark, inherited ones included. Reads source files, so not for a running service."""
    found: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        if issubclass(parent, BaseModel) and parent is not BaseModel:
            found |= _own(parent)
    return found


def part_named(name: str) -> type[Part] | None:
    """The piece of an event that a schema definition is called after."""
    return _parts().get(name)


def sentence(text: str | None) -> str:
    """A docstring or remark on one line."""
    return " ".join((text or "").split())


@cache
def _own(model: type[BaseModel]) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    except (OSError, TypeError):
        return {}
    if not isinstance(body, ast.ClassDef):
        return {}
    return {
        field.target.id: sentence(str(remark.value.value))
        for field, remark in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(remark, ast.Expr)
        and isinstance(remark.value, ast.Constant)
        and isinstance(remark.value.value, str)
    }


@cache
def _parts() -> dict[str, type[Part]]:
    def below(part: type[Part]) -> list[type[Part]]:
        return [part, *(found for sub in part.__subclasses__() for found in below(sub))]

    return {part.__name__: part for part in below(Part)}
