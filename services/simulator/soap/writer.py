"""Values into XML text. Written by hand: a snapshot of 50,000 VMs is millions of elements."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from services.simulator.soap.values import (
    AnyValue,
    Array,
    Data,
    Enum,
    LocalizedFault,
    Long,
    Ref,
    Short,
    Still,
    Typed,
    Value,
)

ENVELOPE_START = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
)
ENVELOPE_END = "\n</soapenv:Body>\n</soapenv:Envelope>"

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_PRIMITIVES = {
    "string": "String",
    "int": "Int",
    "long": "Long",
    "short": "Short",
    "boolean": "Boolean",
}


def escape(text: str) -> str:
    """`text` as element content; characters that XML cannot carry become U+FFFD."""
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _FORBIDDEN.sub("\ufffd", text) if not text.isprintable() else text


def element(tag: str, value: Value) -> str:
    """`value` as the content of a field called `tag` whose declared type is the value's own (or its base)."""
    if value is None:
        return ""
    return _WRITERS[type(value)](tag, value, False)


def any_element(tag: str, value: Value) -> str:
    """`value` as the content of a field declared anyType: with its type named. Empty for None."""
    if value is None:
        return ""
    return _WRITERS[type(value)](tag, value, True)


def response(method: str, value: Value) -> str:
    """The whole answer to `method`; a returned array becomes a series of returnval elements."""
    return (
        f'{ENVELOPE_START}<{method}Response xmlns="urn:vim25">{element("returnval", value)}'
        f"</{method}Response>{ENVELOPE_END}"
    )


def raw_response(method: str, returnval: str) -> str:
    """The whole answer to `method` around a returnval that is XML already."""
    return f'{ENVELOPE_START}<{method}Response xmlns="urn:vim25">{returnval}</{method}Response>{ENVELOPE_END}'


def _simple(xsd: str, text: Callable[..., str]) -> Callable[[str, Value, bool], str]:
    mark = f' xsi:type="xsd:{xsd}"'

    def write(tag: str, value: Value, typed: bool) -> str:
        return f"<{tag}{mark if typed else ''}>{text(value)}</{tag}>"

    return write


def _bool(value: Value) -> str:
    return "true" if value else "false"


def _text(value: Value) -> str:
    return escape(str(value))


def _time(value: datetime) -> str:
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _ref(tag: str, value: Ref, typed: bool) -> str:
    mark = ' xsi:type="ManagedObjectReference"' if typed else ""
    return f'<{tag} type="{value.type}"{mark}>{escape(value.moid)}</{tag}>'


def _enum(tag: str, value: Enum, typed: bool) -> str:
    mark = f' xsi:type="{value.type}"' if typed else ""
    return f"<{tag}{mark}>{value.value}</{tag}>"


def _array(tag: str, value: Array, typed: bool) -> str:
    if not typed:
        return "".join([element(tag, item) for item in value.items])
    name = _PRIMITIVES.get(value.item, value.item)
    inner = "".join([element(value.item, item) for item in value.items])
    return f'<{tag} xsi:type="ArrayOf{name}">{inner}</{tag}>'


def _data(tag: str, value: Data, typed: bool) -> str:
    mark = f' xsi:type="{value.type}"' if typed else ""
    inner = "".join([element(name, field) for name, field in value.fields.items() if field is not None])
    return f"<{tag}{mark}>{inner}</{tag}>"


def _typed(tag: str, value: Typed, typed: bool) -> str:  # noqa: ARG001  always typed
    return _data(tag, value, True)


def _still(tag: str, value: Still, typed: bool) -> str:  # noqa: ARG001
    drawn = value.drawn.get(tag)
    if drawn is None:
        drawn = value.drawn[tag] = _data(tag, value, True)
    return drawn


def _any(tag: str, value: AnyValue, typed: bool) -> str:  # noqa: ARG001
    return any_element(tag, value.value)


def _fault(tag: str, value: LocalizedFault, typed: bool) -> str:
    mark = ' xsi:type="LocalizedMethodFault"' if typed else ""
    return (
        f"<{tag}{mark}>{_data('fault', value.fault, True)}"
        f"<localizedMessage>{escape(value.message)}</localizedMessage></{tag}>"
    )


_WRITERS: dict[type, Callable[..., str]] = {
    bool: _simple("boolean", _bool),
    int: _simple("int", str),
    Long: _simple("long", str),
    Short: _simple("short", str),
    float: _simple("double", str),
    str: _simple("string", _text),
    datetime: _simple("dateTime", _time),
    Ref: _ref,
    Enum: _enum,
    Array: _array,
    Data: _data,
    Typed: _typed,
    Still: _still,
    AnyValue: _any,
    LocalizedFault: _fault,
}
