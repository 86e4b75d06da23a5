"""The SOAP endpoint: HTTP in, dispatch to methods, HTTP out; with delays and cuts when they are asked for."""

from __future__ import annotations

import asyncio
import inspect
import time
from http.cookies import SimpleCookie

import structlog
from aiohttp import web

from services.simulator.directory import API_VERSION
from services.simulator.methods import access, fabric, machines, reading
from services.simulator.methods.registry import OPEN, Answer, Call, Xml, handler_for
from services.simulator.settings import SimulatorSettings
from services.simulator.soap.faults import Fault, not_authenticated
from services.simulator.soap.reader import Request, parse_request
from services.simulator.soap.values import Value
from services.simulator.soap.writer import raw_response, response
from services.simulator.world.sessions import Session
from services.simulator.world.world import World

COOKIE = "vmware_soap_session"
IMPLEMENTED = (access, fabric, machines, reading)
"""The modules whose import fills the table of methods."""
_PRIOR_VERSIONS = (
    "8.0.2.0", "8.0.1.0", "8.0.0.1", "8.0.0.0", "7.0.3.2", "7.0.3.0", "7.0.2.0", "7.0.1.0", "7.0.0.0",
    "6.9.1", "6.8.7", "6.7.3", "6.7.2", "6.7.1", "6.7", "6.5", "6.0", "5.5",
)  # fmt: skip
VERSIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<namespaces version="1.0"><namespace><name>urn:vim25</name>'
    f"<version>{API_VERSION}</version><priorVersions>"
    + "".join(f"<version>{version}</version>" for version in _PRIOR_VERSIONS)
    + "</priorVersions></namespace></namespaces>"
)
_log = structlog.get_logger(__name__)


class SoapServer:
    """Serves one world. Its routes are to be added to an aiohttp application."""

    def __init__(self, world: World, settings: SimulatorSettings) -> None:
        self.world = world
        self.settings = settings
        self._transports: set[asyncio.Transport] = set()
        world.on_cut = self.cut_all

    def routes(self) -> list[web.RouteDef]:
        """The routes that vSphere clients use."""
        return [
            web.post("/sdk", self.soap),
            web.post("/sdk/", self.soap),
            web.post("/sdk/vimService", self.soap),
            web.get("/sdk/vimServiceVersions.xml", self.versions),
        ]

    def cut_all(self) -> None:
        """Break every connection on which a call is being served."""
        for transport in list(self._transports):
            transport.abort()

    async def versions(self, request: web.Request) -> web.Response:  # noqa: ARG002  aiohttp's signature
        """Which API versions clients may speak."""
        return web.Response(text=VERSIONS, content_type="text/xml")

    async def soap(self, request: web.Request) -> web.StreamResponse:
        """One SOAP call."""
        body = await request.read()
        transport = request.transport
        if isinstance(transport, asyncio.Transport):
            self._transports.add(transport)
        try:
            if self.world.delay_seconds > 0:
                await asyncio.sleep(self.world.delay_seconds)
            if self.world.cuts > 0:
                self.world.cuts -= 1
                return _lost(transport)
            answer = await self._answered(request, body)
            if self.world.late_cuts > 0:
                self.world.late_cuts -= 1
                return _lost(transport)
            return answer
        finally:
            if isinstance(transport, asyncio.Transport):
                self._transports.discard(transport)

    async def _answered(self, request: web.Request, body: bytes) -> web.Response:
        call: Call | None = None
        try:
            call = self._call(request, parse_request(body))
            text = _written(call.method, await self._performed(call))
            status = 200
        except Fault as fault:
            text, status = fault.envelope(), 500
        except Exception as error:  # noqa: BLE001  a mistake of ours must reach the client as a fault, too
            method = call.method if call else "?"
            _log.exception("simulator.call_failed", method=method)
            text = Fault("RuntimeFault", f"The simulator failed in {method}: {error!r}").envelope()
            status = 500
        answer = web.Response(body=text.encode(), status=status, content_type="text/xml", charset="utf-8")
        if call is not None and call.new_session is not None:
            answer.headers["Set-Cookie"] = f'{COOKIE}="{call.new_session.key}"; Path=/; HttpOnly'
        return answer

    def _call(self, request: web.Request, parsed: Request) -> Call:
        return Call(
            method=parsed.method,
            target=parsed.target,
            arguments=parsed.arguments,
            world=self.world,
            settings=self.settings,
            session_or_none=self._session(request),
            client=request.remote or "",
            agent=request.headers.get("User-Agent", ""),
        )

    def _session(self, request: web.Request) -> Session | None:
        cookies = SimpleCookie()
        cookies.load(request.headers.get("Cookie", ""))
        key = cookies[COOKIE].value if COOKIE in cookies else ""
        session = self.world.sessions.get(key)
        now = time.monotonic()
        if session is not None and now - session.seen_at > self.settings.idle_seconds:
            self.world.end_session(session)
            return None
        if session is not None:
            session.seen_at = now
            session.calls += 1
            session.last_active = self.world.now()
        return session

    async def _performed(self, call: Call) -> Answer:
        session = call.session_or_none
        blind = self.world.sight(session)[0] if session else None
        if blind == "fault" and call.method not in {"Login", "RetrieveServiceContent", "SessionIsActive"}:
            raise not_authenticated(call.target)
        handler = handler_for(call)
        if call.method not in OPEN and session is None:
            raise not_authenticated(call.target)
        result = handler(call)
        return await result if inspect.isawaitable(result) else result


def _lost(transport: asyncio.BaseTransport | None) -> web.Response:
    """Break the connection; the answer that aiohttp wants has nowhere to go."""
    if isinstance(transport, asyncio.Transport):
        transport.abort()
    return web.Response(status=503)


def _written(method: str, answer: Answer) -> str:
    if isinstance(answer, Xml):
        return raw_response(method, answer.text)
    value: Value = answer
    return response(method, value)
