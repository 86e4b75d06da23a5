"""The same answer, written differently: every function keeps what an XML parser makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_LEAF = re.compile(r">([^<>&\n\r]+)</")
_WITHIN = re.compile(r"(?s)(<returnval>.*</returnval>)")


def plainly(text: str) -> str:
    """As vCenters do."""
    return text


def like_vcsim(text: str) -> str:
    """Another prefix, declared where it is used."""
    declared = f' xmlns:XMLSchema-instance="{_XSI}" XMLSchema-instance:type='
    return text.replace(" xsi:type=", declared)


def with_prefixes(text: str) -> str:
    """All elements of vSphere's namespace by prefix, and types, too."""
    text = re.sub(r'xsi:type="(\w+)"', r'xsi:type="v:\1"', text)
    text = re.sub(r"<(/?)([A-Za-z]\w*)(?=[\s>/])", r"<\1v:\2", text)
    return text.replace('xmlns="urn:vim25"', 'xmlns:v="urn:vim25"')


def with_foreign_default(text: str) -> str:
    """Types without a prefix, in an answer without a default namespace."""
    return re.sub(r'xsi:type="v:', 'xsi:type="', with_prefixes(text))


def with_comments(text: str) -> str:
    """Comments between elements, and within texts."""
    text = re.sub(r"(</\w+>)(?=<)", r"\1<!-- </VirtualDevice> & </objectSet> -->", text)
    return _LEAF.sub(lambda leaf: f"><!-- a -->{leaf[1][0]}<!-- b --><?c d?>{leaf[1][1:]}</", text)


def with_cdata(text: str) -> str:
    """Texts as CDATA sections."""
    return _LEAF.sub(lambda leaf: f"><![CDATA[{leaf[1]}]]></" if "]]" not in leaf[1] else leaf[0], text)


def with_references(text: str) -> str:
    """First letters of texts as character references."""
    return _LEAF.sub(lambda leaf: f">&#{ord(leaf[1][0])};{leaf[1][1:]}</", text)


def with_white_space(text: str) -> str:
    """Indented."""
    return re.sub(r"(</\w+>)(?=<)", "\\1\n\t ", text)


def with_quotes(text: str) -> str:
    """Apostrophes around attributes, and spaces where they do no harm."""
    text = re.sub(r"(<[^<>?]*>)", lambda tag: tag[0].replace('"', "'"), text)
    return re.sub(r"(<\w+ [^<>?]*)>", r"\1 >", text)


def with_attributes_swapped(text: str) -> str:
    """The reference's type after the value's."""
    return re.sub(r'<val (type="\w+") (xsi:type="\w+")', r"<val \2 \1", text)


def in_short(text: str) -> str:
    """Empty elements as one tag."""
    return re.sub(r"<(\w+)([^<>/]*)></\1>", r"<\1\2/>", text)


def with_a_header(text: str) -> str:
    """A SOAP header before the body."""
    return text.replace("<soapenv:Body>", "<soapenv:Header><a>b</a></soapenv:Header><soapenv:Body>")


SPELLINGS: tuple[Callable[[str], str], ...] = (
    plainly,
    like_vcsim,
    with_prefixes,
    with_foreign_default,
    with_comments,
    with_cdata,
    with_references,
    with_white_space,
    with_quotes,
    with_attributes_swapped,
    in_short,
    with_a_header,
)


def respelled(body: bytes, spelling: Callable[[str], str]) -> bytes:
    """The answer, written in another way from the SOAP body on."""
    head, mark, rest = body.decode().partition("<soapenv:Body>")
    if spelling in {plainly, like_vcsim, with_prefixes, with_foreign_default, with_a_header}:
        return spelling(head + mark + rest).encode()
    return (head + mark + _WITHIN.sub(lambda within: spelling(within[1]), rest)).encode()
