"""A decoder of our own for what a PropertyCollector answers, many times as fast as pyVmomi's.

Comes in: the bytes of an answer, of WaitForUpdatesEx (`answers`) or RetrievePropertiesEx (`objects`).
Goes out: the same plain values that pyVmomi's objects give; a SOAP fault is raised as pyVmomi's exception.
Owns: how the watched values look as XML. What looks different is handed to pyVmomi, value by value, and
counted; what pyVmomi can't read either is named in `Page.unread`, and the rest of the page stays.
"""
