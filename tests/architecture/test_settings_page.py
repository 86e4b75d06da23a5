"""docs/reference/settings.md lists every setting with its default and what the code says of it."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from services.allocator.settings import AllocatorSettings
from services.collector.settings import CollectorSettings
from services.placement.settings import PlacementSettings
from services.simulator.settings import SimulatorSettings
from shared.runtime.settings import CoreSettings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "collector": CollectorSettings,
    "allocator": AllocatorSettings,
    "placement": PlacementSettings,
    "simulator": SimulatorSettings,
}


def _remarks(model: type[BaseModel]) -> dict[str, str]:
    """The strings that stand behind the fields in the sources of the class and of those it extends."""
    remarks: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith(("services.", "shared.")):
            remarks |= _remarks_in(base)
    return remarks


def _remarks_in(model: type) -> dict[str, str]:
    body = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(body, ast.ClassDef)
    remarks = {}
    for field, remark in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(remark, ast.Expr)
            and isinstance(remark.value, ast.Constant)
        ):
            remarks[field.target.id] = " ".join(str(remark.value.value).split())
    return remarks


def _shown(default: object) -> str:
    if isinstance(default, SecretStr):
        return "(hidden)"
    return "" if default in (None, PydanticUndefined, {}, "") else f"`{default}`"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    remarks = _remarks(model)
    for name, field in model.model_fields.items():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield from _rows(field.annotation, f"{prefix}{name.upper()}__")
            continue
        default = _shown(field.default) if name != "data_dir" else "by user, see above"
        yield f"| `{prefix}{name.upper()}` | {default} | {remarks.get(name, '')} |"


def tables() -> str:
    """The tables of the page, as they have to be."""
    head = ["| setting | default | |", "| --- | --- | --- |"]
    parts = ["## Every process", "", *head, *_rows(CoreSettings, "PATCHBAY_"), ""]
    for section, model in SECTIONS.items():
        parts += [f"## {section.capitalize()}", "", *head, *_rows(model, f"PATCHBAY_{section.upper()}__"), ""]
    return "\n".join(parts)


def test_the_page_lists_every_setting() -> None:
    """To write the tables anew: python -m tests.architecture.test_settings_page"""
    assert PAGE.read_text().partition("## Every process")[2] == tables().partition("## Every process")[2]


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition("## Every process")[0] + tables())
    sys.stdout.write(f"{PAGE} written\n")
