"""What goes wrong in a call to vSphere, in the domain's words."""

from __future__ import annotations

import ssl
from http.client import HTTPException

from pyVmomi import vim, vmodl

from services.collector.domain.sight import SightLost
from services.collector.vsphere.endpoint import ThumbprintMismatch

_SESSION = (
    vim.fault.NotAuthenticated,
    vmodl.query.InvalidCollectorVersion,
    vmodl.fault.ManagedObjectNotFound,
    vmodl.fault.RequestCanceled,
)
"""Faults of the calls we make on objects of our own session (collector, filters, views): it is over."""

OUT_OF_SIGHT = (OSError, HTTPException, vmodl.MethodFault)
"""What a call raises when the vCenter is away, or has ended the session."""

_LOGIN = (vim.fault.InvalidLogin, vim.fault.PasswordExpired, vim.fault.NoPermission)


def sight_lost_by(error: BaseException) -> SightLost:
    """Why `error` means that the vCenter is out of sight. What it quotes comes from the other side."""
    match error:
        case SightLost():
            return error
        case ThumbprintMismatch():
            return SightLost("unreachable", f"certificate not the pinned one: {error.args[0]}")
        case ssl.SSLCertVerificationError():
            return SightLost("unreachable", f"certificate not trusted: {_why(error)}")
        case TimeoutError():
            return SightLost("unreachable", "no answer in time")
        case OSError() | HTTPException():
            return SightLost("unreachable", f"{type(error).__name__}: {error}")
        case vmodl.MethodFault() if isinstance(error, _SESSION):
            return SightLost("session_ended", _said(error))
        case vmodl.MethodFault() if isinstance(error, _LOGIN):
            return SightLost("rejected_login", _said(error))
        case vmodl.MethodFault():
            return SightLost("unreachable", f"vCenter refused: {_said(error)}")
        case _:
            # pyVmomi's deserializer gives up with whatever it stumbled over.
            return SightLost("blind_answer", f"an answer could not be read: {type(error).__name__}: {error}")


def _said(fault: object) -> str:
    message = getattr(fault, "msg", None) or ""
    return f"{type(fault).__name__.rpartition('.')[2]}{': ' + message if message else ''}"


def _why(error: ssl.SSLCertVerificationError) -> str:
    """What OpenSSL found wrong; an error that is Python's own has no such field."""
    return getattr(error, "verify_message", None) or str(error)
