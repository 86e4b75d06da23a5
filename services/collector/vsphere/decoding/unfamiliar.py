"""What the decoder leaves to pyVmomi: faults, odd values, odd answers, and questions about types."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from lxml import etree
from pyVmomi import vmodl
from pyVmomi.SoapAdapter import Deserialize, SoapResponseDeserializer
from pyVmomi.VmomiSupport import GetWsdlType

from services.collector.vsphere.decoding.documents import VIM, Element

_UPDATE_SET: Any = vmodl.query.PropertyCollector.UpdateSet

NOT_UNDERSTOOD = (AttributeError, TypeError, ValueError, LookupError, SyntaxError)
"""What pyVmomi's deserializer and the translation of its objects raise over what they can't understand."""


def whole_answer(body: bytes, result: Any = _UPDATE_SET) -> Any:
    """The result as pyVmomi reads it, None for none; an exception object for a SOAP fault."""
    return SoapResponseDeserializer(None).Deserialize(body, result)  # type: ignore[no-untyped-call]


def one_value(element: Element) -> Any:
    """A property's value as pyVmomi reads it. Raises one of `NOT_UNDERSTOOD`."""
    written = etree.tostring(element, with_tail=False)  # namespaces in scope come along
    return Deserialize(written)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1024)
def type_named(name: str) -> Any:
    """pyVmomi's type of that name in the API; None for one it does not know."""
    try:
        return GetWsdlType(VIM, name)  # type: ignore[no-untyped-call]
    except KeyError:
        return None
