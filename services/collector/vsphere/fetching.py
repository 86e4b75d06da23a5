"""A call's answer as bytes: pyVmomi's stub sends it, and nobody parses what comes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any

from pyVmomi.SoapAdapter import SoapResponseDeserializer

MAX_BYTES = 1 << 30
"""Of an unpacked answer: a page of 10,000 VMs has a tenth of that. A few packed bytes must not fill us."""
_CHUNK = 1 << 18
_GZIP = zlib.MAX_WBITS | 16


def fetch(managed_object: Any, method: str, *arguments: object, limit: int = MAX_BYTES) -> bytes:
    """The body of the answer to a call of `method`, as the object's own SOAP stub makes it. Blocks.

    Session cookie, connections and their time-outs are the stub's. Raises the fault that the server
    answers with, `OSError` and `HTTPException` when there is no answer or one of more than `limit` bytes.
    """
    stub, info = managed_object._stub, managed_object._GetMethodInfo(method)
    request = stub.SerializeRequest(managed_object, info, arguments)
    connection = stub.GetConnection()
    try:
        connection.request("POST", stub.path, request, _headers(stub))
        response = connection.getresponse()
        body = b"".join(_unpacked(response, limit))
    except (OSError, HTTPException, zlib.error) as error:
        connection.close()
        stub.DropConnections()
        if isinstance(error, zlib.error):
            raise HTTPException(f"the answer can't be unpacked: {error}") from None
        raise
    if response.status not in {200, 500}:
        connection.close()
        raise HTTPException(f"{response.status} {response.reason}")
    stub.ReturnConnection(connection)
    if (cookie := response.getheader("Set-Cookie")) is not None:
        stub.cookie = cookie
    if response.status == 500:
        raise _fault(body, stub, info)
    return body


def _headers(stub: Any) -> dict[str, str]:
    return {
        "Cookie": stub.cookie,
        "SOAPAction": stub.versionId,
        "Content-Type": "text/xml; charset=UTF-8",
        "Accept-Encoding": "gzip",
    }


def _unpacked(response: HTTPResponse, limit: int) -> Iterator[bytes]:
    encoding = response.getheader("Content-Encoding", "identity").lower()
    if encoding == "identity":
        unpack = None
    elif encoding == "gzip":
        unpack = zlib.decompressobj(_GZIP)
    else:
        raise HTTPException(f"the answer is packed with {encoding}, which was not offered")
    size = 0
    while chunk := response.read(_CHUNK):
        piece = chunk if unpack is None else unpack.decompress(chunk, limit + 1)
        size += len(piece)
        if size > limit:
            raise HTTPException(f"the answer has more than {limit:,} bytes")
        yield piece
    if response.length:
        raise HTTPException(f"the answer ended {response.length:,} bytes early")
    if unpack is not None and not unpack.eof:
        raise HTTPException("the packed answer ended early")


def _fault(body: bytes, stub: Any, info: Any) -> Exception:
    fault = SoapResponseDeserializer(stub).Deserialize(body, info.result)  # type: ignore[no-untyped-call]
    return fault if isinstance(fault, Exception) else HTTPException("500 without a fault")
