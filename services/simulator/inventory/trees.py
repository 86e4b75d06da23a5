"""Property trees: which paths a kind of object has, and how each is read from an object's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from services.simulator.inventory.names import PROPERTY_NAMES
from services.simulator.soap.faults import invalid_property
from services.simulator.soap.values import Array, Data, Value

E_contra = TypeVar("E_contra", contravariant=True)
Getter = Callable[[E_contra], Value]


class Node(Generic[E_contra]):
    """A data object whose fields are read one by one. `when` says whether the object has it at all."""

    def __init__(
        self,
        type_: str,
        fields: Mapping[str, Getter[E_contra] | Node[E_contra]],
        when: Callable[[E_contra], bool] | None = None,
    ) -> None:
        self.type = type_
        self.fields = fields
        self.when = when

    def read(self, owner: E_contra) -> Value:
        """The whole data object, or None when the object lacks it."""
        if self.when is not None and not self.when(owner):
            return None
        read: dict[str, Value] = {}
        for name, field in self.fields.items():
            value = field.read(owner) if isinstance(field, Node) else field(owner)
            if value is not None:
                read[name] = value
        return Data(self.type, **read)


class Tree(Generic[E_contra]):
    """All paths of one kind of managed object."""

    def __init__(self, kind: str, fields: Mapping[str, Getter[E_contra] | Node[E_contra]]) -> None:
        self.kind = kind
        self._root = Node(kind, fields)
        self._getters: dict[str, Getter[E_contra]] = {}

    def names(self) -> list[str]:
        """The top-level properties that may be set, as `all` asks for them."""
        return list(self._root.fields)

    def leaves(self) -> list[str]:
        """Every path that is read as one value, below all structures."""
        found: list[str] = []
        stack: list[tuple[str, Getter[E_contra] | Node[E_contra]]] = [("", self._root)]
        while stack:
            path, field = stack.pop()
            if isinstance(field, Node):
                stack += [(f"{path}.{name}".lstrip("."), below) for name, below in field.fields.items()]
            else:
                found.append(path)
        return found

    def getter(self, path: str) -> Getter[E_contra]:
        """How to read `path`. Raises an InvalidProperty fault when the type has no such property."""
        found = self._getters.get(path)
        if found is None:
            found = self._getters[path] = self._resolve(path)
        return found

    def _resolve(self, path: str) -> Getter[E_contra]:
        if "[" in path:
            return self._indexed(path)
        node: Node[E_contra] = self._root
        conditions: list[Callable[[E_contra], bool]] = []
        parts = path.split(".")
        for depth, part in enumerate(parts):
            field = node.fields.get(part)
            if field is None:
                if part in PROPERTY_NAMES.get(node.type, ()):
                    return _unset
                raise invalid_property(path)
            if not isinstance(field, Node):
                return _conditional(conditions, _deep(field, parts[depth + 1 :]))
            node = field
            if node.when is not None:
                conditions.append(node.when)
        return _conditional(conditions, node.read)

    def _indexed(self, path: str) -> Getter[E_contra]:
        whole, _, rest = path.partition("[")
        key_text, _, below = rest.partition("]")
        array = self.getter(whole)
        key: int | str = key_text.strip('"') if key_text.startswith('"') else int(key_text)
        parts = [part for part in below.split(".") if part]

        def read(owner: E_contra) -> Value:
            value = array(owner)
            if not isinstance(value, Array):
                return None
            for item in value.items:
                if isinstance(item, Data) and item.fields.get("key") == key:
                    return _walk(item, parts)
            return None

        return read


def _unset(_: object) -> Value:
    return None


def _walk(value: Value, parts: list[str]) -> Value:
    for part in parts:
        if not isinstance(value, Data):
            return None
        value = value.fields.get(part)
    return value


def _deep(getter: Getter[E_contra], parts: list[str]) -> Getter[E_contra]:
    return (lambda owner: _walk(getter(owner), parts)) if parts else getter


def _conditional(conditions: list[Callable[[E_contra], bool]], getter: Getter[E_contra]) -> Getter[E_contra]:
    if not conditions:
        return getter
    return lambda owner: getter(owner) if all(condition(owner) for condition in conditions) else None


AnyTree = Tree[Any]
