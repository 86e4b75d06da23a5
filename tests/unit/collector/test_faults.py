"""Every way in which a call fails means loss of sight, of one cause."""

from __future__ import annotations

import ssl
from http.client import RemoteDisconnected
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from services.collector.domain.sight import SightLost
from services.collector.settings import CollectorSettings
from services.collector.vsphere.endpoint import ThumbprintMismatch
from services.collector.vsphere.faults import sight_lost_by

_vim: Any = vim
_vmodl: Any = vmodl
FAULTS: list[tuple[Any, str]] = [
    (_vim.fault.NotAuthenticated(), "session_ended"),
    (_vmodl.query.InvalidCollectorVersion(), "session_ended"),
    (_vmodl.fault.ManagedObjectNotFound(), "session_ended"),
    (_vmodl.fault.RequestCanceled(), "session_ended"),
    (_vim.fault.InvalidLogin(), "rejected_login"),
    (_vim.fault.PasswordExpired(), "rejected_login"),
    (_vim.fault.NoPermission(), "rejected_login"),
    (_vmodl.fault.SystemError(), "unreachable"),
    (_vmodl.fault.HostCommunication(), "unreachable"),
    (ConnectionRefusedError("refused"), "unreachable"),
    (BrokenPipeError("broken"), "unreachable"),
    (RemoteDisconnected("closed"), "unreachable"),
    (OSError("Tunnel connection failed: 407"), "unreachable"),
    (TimeoutError(), "unreachable"),
    (ssl.SSLCertVerificationError("no"), "unreachable"),
    (ThumbprintMismatch("other"), "unreachable"),
    (ValueError("not what was asked for"), "blind_answer"),
    (AttributeError("no such thing"), "blind_answer"),
    (SightLost("identity_changed", "another"), "identity_changed"),
]


@pytest.mark.parametrize(("error", "cause"), FAULTS, ids=lambda value: type(value).__name__)
def test_g4_every_fault_is_loss_of_sight_with_its_cause(error: BaseException, cause: str) -> None:
    lost = sight_lost_by(error)
    assert lost.cause == cause
    assert lost.detail


def test_a_lock_is_not_lost_between_two_signs_of_life() -> None:
    with pytest.raises(ValueError, match="lock_silence_seconds"):
        CollectorSettings(lock_poll_seconds=10, lock_silence_seconds=15)
