"""From an answer's text to changes without a tree: the quick way, for answers written as vCenters write them.

Every character is accounted for by a strict pattern, save the inside of devices that are no network cards.
An object that does not fit is parsed by itself; an answer whose frame does not fit goes the other way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.collector.domain.changes import Change
from services.collector.vsphere.decoding.documents import SOAP, VIM, XSD, XSI, Unfamiliar, parse_fragment
from services.collector.vsphere.decoding.plans import PLANS, Plan
from services.collector.vsphere.decoding.shapes import TEXT
from services.collector.vsphere.decoding.tally import Tally
from services.collector.vsphere.decoding.walking import ACTIONS, Walk
from services.collector.vsphere.paths import WATCHED

_HEAD = re.compile(
    r'\s*(?:<\?xml version="1\.0"(?: encoding="(?i:utf-8)")?\s*\?>)?\s*'
    r"<soapenv:Envelope((?:\s+xmlns:[a-z]+=\"[^\"<&]*\")+)\s*>\s*<soapenv:Body>\s*"
    rf'<WaitForUpdatesExResponse xmlns="{VIM}">\s*<returnval><version>({TEXT})</version>'
)
_DECLARED = re.compile(r'xmlns:([a-z]+)="([^"]*)"')
_NAMESPACES = {"soapenv": SOAP, "xsd": XSD, "xsi": XSI}
_FILTER = re.compile(rf'<filterSet><filter type="\w+">{TEXT}</filter>')
_FILTER_ENDS, _OBJECT_ENDS = "</filterSet>", "</objectSet>"
_OBJECT = re.compile(rf'<objectSet><kind>(\w+)</kind><obj type="(\w+)">({TEXT})</obj>', re.ASCII)
_CHANGE = re.compile(
    r'<changeSet><name>([\w.]+(?:\["[\w.]+"\])?)</name><op>assign</op>'
    rf'(?:<val(?: type="(\w+)")? xsi:type="([\w:]+)">(?:({TEXT})</val></changeSet>)?|(</changeSet>))',
    re.ASCII,
)
_VALUE_ENDS = "</val></changeSet>"
_TAIL = re.compile(
    r"(?:<truncated>(true|false)</truncated>)?</returnval>\s*</WaitForUpdatesExResponse>\s*"
    r"</soapenv:Body>\s*</soapenv:Envelope>\s*"
)


class Scan:
    """Scans one answer. Raises `Unfamiliar` when its frame is not the plain one."""

    def __init__(self, text: str, tally: Tally) -> None:
        self._text = text
        self._tally = tally
        self.version = ""
        self.truncated = False
        self.changes: list[Change] = []
        self.parsed = 0
        """Objects that did not fit and were parsed."""

    def update_set(self) -> None:
        """The whole answer."""
        text = self._text
        at = self._head()
        while (begun := _FILTER.match(text, at)) is not None:
            at = self._objects(begun.end())
            if not text.startswith(_FILTER_ENDS, at):
                raise Unfamiliar
            at += len(_FILTER_ENDS)
        tail = _TAIL.fullmatch(text, at)
        if tail is None:
            raise Unfamiliar
        self.truncated = tail[1] == "true"

    def _head(self) -> int:
        head = _HEAD.match(self._text)
        if head is None:
            raise Unfamiliar
        declared = dict(_DECLARED.findall(head[1]))
        if any(declared.get(prefix) != namespace for prefix, namespace in _NAMESPACES.items()):
            raise Unfamiliar
        at = head.end()
        if _holds(self._text, "!", "<!", at) or _holds(self._text, "?", "<?", at):
            raise Unfamiliar  # a comment or a CDATA section may hold what only looks like an end
        self.version = head[2]
        return at

    def _objects(self, at: int) -> int:
        text = self._text
        while (begun := _OBJECT.match(text, at)) is not None:
            action, type_name, moid = begun.groups()
            try:
                at = self._object(action, type_name, moid, begun.end())
            except Unfamiliar:
                at = self._by_tree(at)
        return at

    def _object(self, kind: str, type_name: str, moid: str, at: int) -> int:
        """Scan one object. Counts and keeps nothing before all of it is understood."""
        watched, action = WATCHED.get(type_name), ACTIONS.get(kind)
        if watched is None or action is None:
            raise Unfamiliar
        fields: dict[str, object] = {}
        sizes: list[int] = []
        changed = at
        at = self._fields(PLANS[type_name], at, fields, sizes)
        if not self._text.startswith(_OBJECT_ENDS, at):
            raise Unfamiliar
        if action == "leave":
            self.changes.append(Change(action, watched.kind, moid, watched.type))
        else:
            self._keep(Change(action, watched.kind, moid, watched.type, fields), sizes, readable=at > changed)
        return at + len(_OBJECT_ENDS)

    def _keep(self, change: Change, sizes: list[int], *, readable: bool) -> None:
        self.changes.append(change)
        self._tally.object(readable=readable, absences=[])
        for size in sizes:
            self._tally.essential(size)

    def _fields(self, plans: Mapping[str, Plan], at: int, fields: dict[str, object], sizes: list[int]) -> int:
        text = self._text
        while (change := _CHANGE.match(text, at)) is not None:
            path, referred, type_name, content, unset = change.groups()
            plan = plans.get(path)
            if plan is None:
                raise Unfamiliar
            at = change.end()
            field = plan.field
            if unset is not None:
                fields[field.name] = None
            elif content is not None and plan.array != type_name:
                fields[field.name] = plan.single(type_name, content, referred)
            else:
                begin = at if content is None else change.start(4)
                fields[field.name], size, at = plan.several(text, type_name, change.end(1), begin)
                if field.essential:
                    sizes.append(size)
                if not text.startswith(_VALUE_ENDS, at):
                    raise Unfamiliar
                at += len(_VALUE_ENDS)
        return at

    def _by_tree(self, at: int) -> int:
        """Let an XML parser look at one object."""
        end = self._text.find(_OBJECT_ENDS, at)
        if end < 0:
            raise Unfamiliar
        end += len(_OBJECT_ENDS)
        self.parsed += 1
        names, element = parse_fragment(self._text[at:end])
        walk = Walk(names, self._tally)
        walk.object_update(element)
        self.changes += walk.changes
        return end


def _holds(text: str, sign: str, mark: str, at: int) -> bool:
    """Whether `mark` is in the text; looking for its `sign` first is ten times as quick."""
    return text.find(sign, at) >= 0 and text.find(mark, at) >= 0
