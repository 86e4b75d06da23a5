"""Answers as bytes over HTTP, as servers, proxies and broken lines deliver them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pyVmomi import vim as typed_vim
from pyVmomi import vmodl as typed_vmodl

from services.collector.vsphere.endpoint import parse_endpoint
from services.collector.vsphere.faults import sight_lost_by
from services.collector.vsphere.fetching import fetch
from services.collector.vsphere.transport import Transport
from tests.unit.decoding.test_oddities import NAMED, entered, fault, update_set

vim: Any = typed_vim
vmodl: Any = typed_vmodl
BODY = update_set(entered(NAMED) * 500)
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers every POST as told; keeps what was asked, and from how many connections."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.clients: set[int] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_error(404)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.requests.append((dict(self.headers), body))
                server.clients.add(self.client_address[1])
                answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[Server, Any]]:
    """A server, and a property collector there."""
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    transport = Transport(parse_endpoint(f"http://127.0.0.1:{server.server_port}/sdk"), 5.0)
    try:
        yield server, vmodl.query.PropertyCollector("pc", transport.stub())
    finally:
        transport.cut()
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for_updates(collector: Any, **more: int) -> bytes:
    options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=1)
    return fetch(collector, "WaitForUpdatesEx", "7", options, **more)


def saying(body: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = length is not None

    return answer


def in_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for at in range(0, len(BODY), 1000):
        piece = BODY[at : at + 1000]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [saying(BODY), in_chunks, saying(gzip.compress(BODY), Content_Encoding="gzip")],
    ids=["at once", "in chunks", "packed"],
)
def test_the_body_comes_as_it_is_and_the_connection_stays(answer: Answer) -> None:
    with serving(answer) as (server, collector):
        assert [wait_for_updates(collector) for _ in range(3)] == [BODY] * 3
        assert len(server.clients) == 1


def test_the_question_is_pyvmomis_own() -> None:
    with serving(saying(update_set(""))) as (server, collector):
        collector._stub.cookie = 'vmware_soap_session="1"'
        wait_for_updates(collector)
        collector.WaitForUpdatesEx("7", vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=1))
        (ours, our_body), (theirs, their_body) = server.requests
    assert our_body == their_body
    assert ours["Cookie"] == theirs["Cookie"]
    assert ours["SOAPAction"] == theirs["SOAPAction"]
    assert ours["Content-Type"] == theirs["Content-Type"]


def test_a_renewed_cookie_is_kept() -> None:
    with serving(saying(BODY, Set_Cookie='vmware_soap_session="2"')) as (server, collector):
        wait_for_updates(collector)
        wait_for_updates(collector)
        assert server.requests[1][0]["Cookie"] == 'vmware_soap_session="2"'


def test_a_fault_is_raised_and_the_connection_stays() -> None:
    with serving(saying(fault("NotAuthenticated"), 500)) as (server, collector):
        for _ in range(2):
            with pytest.raises(vim.fault.NotAuthenticated) as raised:
                wait_for_updates(collector)
            assert sight_lost_by(raised.value).cause == "session_ended"
        assert len(server.clients) == 1


@pytest.mark.parametrize(
    "answer",
    [
        saying(BODY, 503),
        saying(b"", 500),
        saying(update_set(""), 500),
        saying(BODY, length=len(BODY) + 1),
        saying(gzip.compress(BODY)[:-20], Content_Encoding="gzip"),
        saying(b"junk", Content_Encoding="gzip"),
        saying(BODY, Content_Encoding="br"),
        lambda handler: handler.connection.close(),
    ],
    ids=["503", "500, empty", "500, no fault", "cut", "packed, cut", "not packed", "packed oddly", "closed"],
)
def test_what_is_no_answer_is_loss_of_sight(answer: Answer) -> None:
    """G4: half a body is never handed on."""
    with serving(answer) as (_, collector):
        with pytest.raises(Exception) as raised:  # noqa: PT011  several, with one meaning
            wait_for_updates(collector)
        assert sight_lost_by(raised.value).cause in {"unreachable", "blind_answer"}


def test_after_a_failure_the_next_call_takes_a_new_connection() -> None:
    answers = iter([saying(BODY), saying(BODY, length=len(BODY) + 1), saying(BODY)])

    def answer(handler: BaseHTTPRequestHandler) -> None:
        next(answers)(handler)

    with serving(answer) as (server, collector):
        wait_for_updates(collector)
        with pytest.raises(HTTPException):
            wait_for_updates(collector)
        assert wait_for_updates(collector) == BODY
        assert len(server.clients) == 2


@pytest.mark.parametrize(
    "answer",
    [saying(BODY), in_chunks, saying(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")],
    ids=["at once", "in chunks", "packed"],
)
def test_an_answer_without_end_is_cut_off(answer: Answer) -> None:
    with serving(answer) as (_, collector), pytest.raises(HTTPException, match="more than"):
        wait_for_updates(collector, limit=10_000)
