"""An answer's bytes as an XML tree, parsed so that nobody who answers can make us work or fetch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from sys import intern
from typing import Any, TypeAlias

from lxml import etree

Element: TypeAlias = "etree._Element"

VIM = "urn:vim25"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"

_EXPECTED = frozenset({VIM, XSD, XSI, SOAP, SOAP_ENCODING})
_DECLARATION = re.compile(rb"""xmlns(?::([^\s=]+))?\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TYPE = f"{{{XSI}}}type"
_FRAGMENT_START = f'<fragment xmlns="{VIM}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}">'
_FRAGMENT_END = "</fragment>"


class Unreadable(Exception):
    """The bytes are no answer of a vCenter."""


class Unfamiliar(ValueError):
    """This is written in a way the decoder does not know; pyVmomi may."""


class TypeNames:
    """What the types in xsi:type are called, in one document."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefixes = prefixes
        self._names: dict[str, str] = {}
        self.strange: set[str] = set()
        """Names of types that readers met, stepped over and want to be told of."""

    def of(self, element: Element) -> str | None:
        """An element's type: "GuestNicInfo" of vSphere's, "xsd:int" of XML Schema's, any other in full."""
        written = element.get(_TYPE)
        if written is None:
            return None
        name = self._names.get(written)
        if name is None:
            name = self._names[written] = intern(self._resolved(written))
        return name

    def _resolved(self, written: str) -> str:
        prefix, _, local = written.strip().rpartition(":")
        namespace = self._prefixes.get(prefix, VIM)  # whoever names no namespace means vSphere's
        if namespace == VIM:
            return local
        return f"xsd:{local}" if namespace == XSD else f"{{{namespace}}}{local}"


def parse_answer(body: bytes) -> tuple[TypeNames, Element]:
    """The element within the SOAP body. Raises `Unfamiliar` for a fault, and for other namespaces in use than
    vSphere's, or one prefix for several; `Unreadable` for what is no answer of a vCenter.
    """
    root = _parse(body, _parser())
    within = root.find(f"{{{SOAP}}}Body") if root.tag == f"{{{SOAP}}}Envelope" else None
    if within is None or not len(within):
        raise Unreadable("the answer is no SOAP envelope")
    if within[0].tag == f"{{{SOAP}}}Fault":
        raise Unfamiliar
    return TypeNames(_prefixes(body)), within[0]


def parse_fragment(text: str) -> tuple[TypeNames, Element]:
    """The one element in `text`, a part of an answer in which namespaces have the usual prefixes.

    Raises `Unfamiliar` when it is not one.
    """
    if "xmlns" in text:
        raise Unfamiliar
    try:
        root = _parse(f"{_FRAGMENT_START}{text}{_FRAGMENT_END}".encode(), _FRAGMENT_PARSER)
    except Unreadable:
        raise Unfamiliar from None
    if len(root) != 1:
        raise Unfamiliar
    return TypeNames({"": VIM, "xsd": XSD}), root[0]


def _parser() -> etree.XMLParser:
    # Entities stay unexpanded, so a small answer can't grow. Comments go, and text around them becomes one.
    # The limits that huge_tree would lift are those per text and for depth, not for the size of an answer.
    return etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True, collect_ids=False
    )


_FRAGMENT_PARSER = _parser()


def _parse(body: bytes, parser: etree.XMLParser) -> Element:
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"the answer is no XML: {error.msg}") from None
    information: Any = root.getroottree().docinfo
    if information.doctype:
        raise Unreadable("the answer has a document type, which SOAP forbids")
    return root


def _prefixes(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for prefix, double, single in set(_DECLARATION.findall(body)):
        name, namespace = prefix.decode("utf-8", "replace"), (double or single).decode("utf-8", "replace")
        if namespace not in _EXPECTED or found.setdefault(name, namespace) != namespace:
            raise Unfamiliar
    if VIM not in found.values():
        raise Unfamiliar
    return found
