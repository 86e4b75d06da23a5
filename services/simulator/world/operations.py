"""Marks the operations that tests and people may call on a world, by name, over HTTP or from a script."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from services.simulator.inventory.entities import Entity
from services.simulator.soap.faults import invalid_argument, not_supported

F = TypeVar("F", bound=Callable[..., Any])


def operation(function: F) -> F:
    """Offer a method of the world as a control operation."""
    function.__operation__ = True  # type: ignore[attr-defined]  # a mark that `operations_of` reads
    return function


def operations_of(world: object) -> dict[str, Callable[..., Any]]:
    """Every operation of `world` by name."""
    found = {}
    for name in dir(type(world)):
        if getattr(getattr(type(world), name), "__operation__", False):
            found[name] = getattr(world, name)
    return found


def describe(world: object) -> list[dict[str, Any]]:
    """Name, purpose and parameters (name, type, default) of every operation, ready for JSON."""
    described = []
    for name, function in operations_of(world).items():
        parameters = [
            {
                "name": parameter.name,
                "type": str(parameter.annotation),
                **({} if parameter.default is parameter.empty else {"default": parameter.default}),
            }
            for parameter in inspect.signature(function).parameters.values()
        ]
        purpose = (inspect.getdoc(function) or "").partition("\n")[0]
        described.append({"name": name, "purpose": purpose, "parameters": parameters})
    return described


def perform(world: object, name: str, arguments: Mapping[str, Any]) -> Any:
    """Call the operation `name`. Objects in its result come back as their ids.

    Raises a NotSupported fault for an unknown name, InvalidArgument for arguments that do not fit.
    """
    function = operations_of(world).get(name)
    if function is None:
        raise not_supported(f"the control operation {name!r}; GET /control lists those there are")
    try:
        bound = inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise invalid_argument(name, str(error)) from None
    hints = typing.get_type_hints(function)
    for parameter, value in bound.arguments.items():
        if not _fits(value, hints.get(parameter)):
            raise invalid_argument(parameter, f"{value!r} is no {hints.get(parameter)}")
    return _plain(function(*bound.args, **bound.kwargs))


def _fits(value: object, hint: object) -> bool:
    """Whether a JSON value is of the simple type asked for; other types are the operation's to check."""
    allowed = typing.get_args(hint) if typing.get_origin(hint) in {typing.Union, types.UnionType} else (hint,)
    simple = {str, int, float, bool, type(None)}
    if not set(allowed) <= simple:
        return True
    if isinstance(value, int) and not isinstance(value, bool) and float in allowed:
        return True
    return type(value) in allowed


def _plain(value: Any) -> Any:
    if isinstance(value, Entity):
        return value.moid
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
