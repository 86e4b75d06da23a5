"""Request bodies into calls: the method, its target, and its arguments read by name."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from services.simulator.soap.faults import Fault, invalid_argument
from services.simulator.soap.values import Ref

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"


class Argument:
    """One element of a request, read by the names of its children. Unset children read as None or empty."""

    __slots__ = ("_children", "_element")

    def __init__(self, element: etree._Element) -> None:
        self._element = element
        self._children: dict[str, list[etree._Element]] | None = None

    def _all(self, name: str) -> list[etree._Element]:
        if self._children is None:
            self._children = {}
            for child in self._element:
                if isinstance(child.tag, str):
                    self._children.setdefault(etree.QName(child).localname, []).append(child)
        return self._children.get(name, [])

    @property
    def type(self) -> str:
        """The element's own type (xsi:type without its prefix), or an empty string."""
        return self._element.get(_XSI_TYPE, "").rpartition(":")[2]

    @property
    def content(self) -> str:
        """The element's own text."""
        return self._element.text or ""

    def has(self, name: str) -> bool:
        """Whether the request sets `name` at all."""
        return bool(self._all(name))

    def child(self, name: str) -> Argument | None:
        """The (first) child called `name`."""
        found = self._all(name)
        return Argument(found[0]) if found else None

    def children(self, name: str) -> Iterator[Argument]:
        """Every child called `name`, in order."""
        return (Argument(element) for element in self._all(name))

    def text(self, name: str) -> str | None:
        """The text of `name`."""
        found = self._all(name)
        return (found[0].text or "") if found else None

    def texts(self, name: str) -> list[str]:
        """The text of every `name`; also of the string items of an array-typed `name`."""
        found: list[str] = []
        for element in self._all(name):
            found.extend([item.text or "" for item in element] if len(element) else [element.text or ""])
        return found

    def number(self, name: str) -> int | None:
        """The integer `name`. Raises an InvalidArgument fault for anything else."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise invalid_argument(name, f"{text!r} is no integer") from None

    def flag(self, name: str) -> bool | None:
        """The boolean `name`."""
        text = self.text(name)
        return None if text is None else text.strip().lower() in {"true", "1"}

    def ref(self, name: str) -> Ref | None:
        """The reference `name`."""
        found = self._all(name)
        return _ref(found[0]) if found else None

    def refs(self, name: str) -> list[Ref]:
        """Every reference `name`, in order."""
        return [_ref(element) for element in self._all(name)]


class Request:
    """A parsed call: `method` and `target` say what to do with which object, `arguments` with what."""

    __slots__ = ("arguments", "method", "target")

    def __init__(self, method: str, target: Ref, arguments: Argument) -> None:
        self.method = method
        self.target = target
        self.arguments = arguments


def parse_request(body: bytes) -> Request:
    """The call in a SOAP body. Raises an InvalidRequest fault when there is none to be found."""
    try:
        root = etree.fromstring(body, parser=_parser())
    except etree.XMLSyntaxError as error:
        raise Fault("InvalidRequest", f"The request is not well-formed XML: {error}") from None
    holder = root.find(_BODY)
    call = next((c for c in holder if isinstance(c.tag, str)), None) if holder is not None else None
    if call is None:
        raise Fault("InvalidRequest", "The request has no SOAP body with a call in it.")
    arguments = Argument(call)
    target = arguments.ref("_this")
    if target is None:
        raise Fault("InvalidRequest", "The call names no object (_this).")
    return Request(etree.QName(call).localname, target, arguments)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)


def _ref(element: etree._Element) -> Ref:
    return Ref(element.get("type", ""), (element.text or "").strip())
