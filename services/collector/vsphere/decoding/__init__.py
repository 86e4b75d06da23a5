"""A decoder of our own for the answers of WaitForUpdatesEx, many times as fast as pyVmomi's.

Comes in: the bytes of an answer.
Goes out: the same `Page` that reading pyVmomi's objects gives; a SOAP fault is raised as pyVmomi's exception.
Owns: how the watched values look as XML. What looks different is handed to pyVmomi, value by value, and
counted; what pyVmomi can't read either is named in `Page.unread`, and the rest of the page stays.
"""
