"""`patchbay vcenter check`: what watching a vCenter needs, tried one by one, each with its remedy."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from services.collector.credentials import log_in_with, reach
from services.collector.domain.sight import SightLost
from services.collector.registry import NewVcenter, Vcenter
from services.collector.vsphere.endpoint import Credentials, Endpoint, parse_endpoint
from services.collector.vsphere.examining import (
    certificate_thumbprint,
    lacking_privileges,
    shake_hands,
    visible_objects,
)
from services.collector.vsphere.paths import OPTION_PATH
from services.collector.vsphere.session import Patience, Session, open_session
from shared.runtime.errors import PermanentError

SECONDS = 10.0
"""For each wait; an operator looks on."""
SKEW_SECONDS = 30.0
"""A difference of clocks that people should know of: times of facts are ours, those of its events are not."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried. `remedy` is what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None


async def check(vcenter: NewVcenter) -> list[Check]:
    """Try address, TLS, credentials, login, identity, privileges and clock; stops where going on is no use.

    `vcenter` may be a registered one, or one about to be. Changes nothing at the vCenter, raises nothing.
    """
    done: list[Check] = []
    try:
        endpoint = reach(parse_endpoint(vcenter.url, vcenter.tls, vcenter.tls_detail), vcenter.proxy)
    except PermanentError as error:
        return [Check("address", False, str(error), error.hint)]
    for step in (_address, _tls):
        done.append(await step(endpoint))
        if not done[-1].ok:
            return done
    try:
        credentials = log_in_with(vcenter.user_ref, vcenter.password_ref)
    except PermanentError as error:
        return [*done, Check("credentials", False, str(error), error.hint)]
    done.append(Check("credentials", True, f"user {credentials.user}, password from its reference"))
    return [*done, *await _inside(vcenter, endpoint, credentials)]


async def _address(endpoint: Endpoint) -> Check:
    via = endpoint.proxy
    host, port = (endpoint.host, endpoint.port) if via is None else (via.host, via.port)
    where = f"{host} port {port}" if via is None else f"the proxy {host} port {port}"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(SECONDS):
            found = await loop.getaddrinfo(host, port)
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except TimeoutError:
        return Check(
            "address", False, f"{where} does not answer", "open the way through firewalls to this port"
        )
    except OSError as error:
        remedy = "check the spelling of the name, DNS, the port, and that the vCenter runs"
        return Check("address", False, f"{where}: {error.strerror or error}", remedy)
    addresses = sorted({str(entry[4][0]) for entry in found})
    return Check("address", True, f"{where} answers ({', '.join(addresses)})")


async def _tls(endpoint: Endpoint) -> Check:
    if endpoint.scheme == "http":
        return Check("tls", True, "plain http: nothing is encrypted, nobody is verified")
    try:
        shown = await asyncio.to_thread(certificate_thumbprint, endpoint, SECONDS)
    except OSError as error:
        remedy = "give the https port of the vCenter, mostly 443"
        if endpoint.proxy is not None:
            remedy += ", and let the proxy connect to it"
        return Check("tls", False, f"no TLS there: {error}", remedy)
    try:
        await asyncio.to_thread(shake_hands, endpoint, SECONDS)
    except PermanentError as error:
        return Check("tls", False, str(error), error.hint)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", None) or error.args[-1]
        return Check(
            "tls",
            False,
            f"certificate with SHA-256 {shown} is not accepted: {reason}",
            "give the vCenter's CA bundle, or pin this thumbprint after comparing it at the vCenter itself",
        )
    how = {
        "verify": "verified against the system's authorities",
        "ca_file": f"verified against {endpoint.tls_detail}",
        "thumbprint": "is the pinned one",
        "insecure": "NOT verified, as you said",
    }[endpoint.tls]
    return Check("tls", True, f"certificate {how}; SHA-256 {shown}")


async def _inside(vcenter: NewVcenter, endpoint: Endpoint, credentials: Credentials) -> list[Check]:
    done: list[Check] = []
    patience = Patience(bytes=SECONDS, call=6 * SECONDS)
    try:
        async with open_session(endpoint, credentials, patience=patience, name="check") as session:
            done.append(Check("login", True, f"{session.about.product} accepts {credentials.user}"))
            done.append(_identity(vcenter, session))
            done.append(_clock(session))
            done.append(await _privileges(session, credentials.user))
    except SightLost as lost:
        name = "privileges" if done else "login"
        done.append(
            Check(name, False, lost.detail, _REMEDIES.get(lost.cause, "look at the vCenter's services"))
        )
    return done


_REMEDIES = {
    "rejected_login": "check user (with its domain) and password by logging in to the vSphere Client; then "
    "whether the account is locked",
    "identity_changed": "give the address of a vCenter, not of an ESXi host",
    "unreachable": "check that the vCenter's service vpxd runs",
}


def _identity(vcenter: NewVcenter, session: Session) -> Check:
    found = session.about.instance_uuid
    expected = vcenter.instance_uuid if isinstance(vcenter, Vcenter) else None
    if expected is not None and expected != found:
        return Check(
            "identity",
            False,
            f"instance UUID {found}, registered is {expected}: another vCenter answers there",
            f"correct the address, or: patchbay vcenter remove {vcenter.name}, and add it again",
        )
    return Check("identity", True, f"instance UUID {found}")


def _clock(session: Session) -> Check:
    skew = session.about.clock_skew
    remedy = "let both follow the same NTP servers" if abs(skew) > SKEW_SECONDS else None
    return Check("clock", remedy is None, clock_words(skew), remedy)


def clock_words(skew: float) -> str:
    """A difference of clocks in words; `skew`: seconds that the vCenter's is ahead."""
    if round(skew) == 0:
        return "the vCenter's clock agrees with ours"
    return f"the vCenter's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} ours"


async def _privileges(session: Session, user: str) -> Check:
    lacking = await session.call(lambda: lacking_privileges(session.content))
    remedy = f'give {user} the role "Read-only" at the top of the inventory, propagating to children'
    if lacking:
        return Check("privileges", False, f"{user} lacks {', '.join(lacking)} at the root folder", remedy)
    await session.watch()
    page = await session.next_page("", wait_seconds=1, objects=100)
    counts = await session.call(lambda: visible_objects(session.content))
    seen = ", ".join(f"{number} {name}" for name, number in counts.items())
    if page is None or not counts["hosts"]:
        return Check("privileges", False, f"{user} logs in and sees {seen}", remedy)
    return Check("privileges", True, f"{user} sees {seen}{_left_out(session.unsupported)}")


def _left_out(unsupported: frozenset[str]) -> str:
    if not unsupported:
        return ""
    said = f"; not known there: {', '.join(sorted(unsupported))}"
    if any(path.endswith(OPTION_PATH) for path in unsupported):
        said += " (put the ids of reservations into the annotation of VMs, not into their extraConfig)"
    return said
