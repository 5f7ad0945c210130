# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP/1.1 server on asyncio: keep-alive, chunked requests, 100-continue, size limits, abrupt closes.

It knows nothing of WS-Management; the control API is served by it too.  A handler answers either at once (the
common case: a read costs no task) or with an awaitable.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import cast

MAX_HEAD = 64 * 1024
#: What Windows reads of one request: MaxEnvelopeSizekb of Windows 8 / Server 2012 and later.
MAX_BODY = 500 * 1024
_DRAIN_SECONDS = 2.0
_CLOSED = object()
#: Connections that may wait to be taken; the kernel's own limit is lower on old ones.
_BACKLOG = 4096


@dataclass
class Wire:
    """What a server's connections have carried, heads of messages and refused log-ons included."""

    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True)
class HttpRequest:
    """One request; header names are in lower case, `connection` is one dictionary per TCP connection."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: MutableMapping[object, object]
    peer: str | None = None
    """The common name in the client's certificate, which TLS has checked."""

    def when_closed(self) -> asyncio.Future[None]:
        """A future that is done when the connection is gone."""
        future = self.connection.setdefault(_CLOSED, asyncio.get_running_loop().create_future())
        return cast("asyncio.Future[None]", future)


@dataclass(frozen=True)
class HttpResponse:
    """One response.  With `drop`, nothing is sent and the connection is torn down."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    drop: bool = False


DROPPED = HttpResponse(status=0, drop=True)

Answer = HttpResponse | Awaitable[HttpResponse]
Handler = Callable[[HttpRequest], Answer]


class _BadRequest(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class _Head:
    method: str
    path: str
    version: str
    headers: dict[str, str]
    length: int = 0
    chunked: bool = False
    parts: list[bytes] = field(default_factory=list)
    received: int = 0

    @property
    def keep_alive(self) -> bool:
        wish = self.headers.get("connection", "").lower()
        return "close" not in wish if self.version == "HTTP/1.1" else "keep-alive" in wish


def _parse_head(raw: bytes) -> _Head:
    lines = raw.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise _BadRequest(400)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise _BadRequest(400)
        headers[name.lower()] = value.strip()
    head = _Head(words[0], words[1], words[2], headers)
    coding = headers.get("transfer-encoding", "").lower()
    if coding:
        if coding != "chunked" or "content-length" in headers:
            raise _BadRequest(400)
        head.chunked = True
    elif "content-length" in headers:
        if not headers["content-length"].isdigit():
            raise _BadRequest(400)
        head.length = int(headers["content-length"])
    elif head.method in ("POST", "PUT", "PATCH"):
        raise _BadRequest(411)
    return head


_date_cache: tuple[int, str] = (0, "")


def _date() -> str:
    global _date_cache
    now = int(time.time())
    if _date_cache[0] != now:
        _date_cache = (now, formatdate(now, usegmt=True))
    return _date_cache[1]


class HttpConnection(asyncio.Protocol):
    """One connection: requests are answered in order, one at a time."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._busy = False
        self._closed = False
        self._draining = False
        self._task: asyncio.Task[None] | None = None
        self._state: dict[object, object] = {}
        self._peer: str | None = None
        self._transport: asyncio.Transport | None = None

    # -- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)
        self._server.wire.connections += 1
        certificate = transport.get_extra_info("peercert") or {}
        names = {name: value for part in certificate.get("subject", ()) for name, value in part}
        self._peer = names.get("commonName")

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._server.connections.discard(self)
        waiting = self._state.get(_CLOSED)
        if isinstance(waiting, asyncio.Future) and not waiting.done():
            waiting.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._server.wire.bytes_in += len(data)
        if self._draining:
            return
        self._buffer += data
        if not self._busy:
            self._advance()
        elif len(self._buffer) > MAX_HEAD + self._server.max_body and self._transport is not None:
            self._transport.pause_reading()

    def abort(self) -> None:
        """Closes the connection at once, whatever is going on."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _refuse(self, status: int) -> None:
        """Answer a request that is not read to its end, and take in the rest: a reset would destroy the answer."""
        transport = self._transport
        if transport is None or self._closed:
            return
        transport.write(self._render(HttpResponse(status=status), close=True))
        self._closed = self._draining = True
        self._buffer.clear()
        if not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        asyncio.get_running_loop().call_later(_DRAIN_SECONDS, transport.abort)

    # -- reading ----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        try:
            while not self._busy and not self._closed:
                request = self._next_request()
                if request is None:
                    return
                self._dispatch(request)
        except _BadRequest as error:
            self._refuse(error.status)

    def _next_request(self) -> HttpRequest | None:
        if self._head is None:
            if self._buffer and not self._buffer[:1].isalpha():
                # No method begins like this; most likely a TLS client greets a port that speaks HTTP.
                raise _BadRequest(400)
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise _BadRequest(431)
                return None
            self._head = _parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            if self._head.length > self._server.max_body:
                raise _BadRequest(413)
            if self._head.headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = self._head
        body = self._read_chunks(head) if head.chunked else self._read_length(head)
        if body is None:
            return None
        return HttpRequest(head.method, head.path, head.headers, body, self._state, self._peer)

    def _read_length(self, head: _Head) -> bytes | None:
        if len(self._buffer) < head.length:
            return None
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        return body

    def _read_chunks(self, head: _Head) -> bytes | None:
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > 1024:
                    raise _BadRequest(400)
                return None
            try:
                size = int(bytes(self._buffer[:end]).split(b";")[0].strip(), 16)
            except ValueError:
                raise _BadRequest(400) from None
            if size < 0:
                raise _BadRequest(400)
            if head.received + size > self._server.max_body:
                raise _BadRequest(413)
            if size == 0:
                # Trailers are allowed by the standard; nobody sends any here, so only their end is looked for.
                if self._buffer[end : end + 4] == b"\r\n\r\n":
                    del self._buffer[: end + 4]
                    return b"".join(head.parts)
                trailer_end = self._buffer.find(b"\r\n\r\n", end)
                if trailer_end < 0:
                    return None
                del self._buffer[: trailer_end + 4]
                return b"".join(head.parts)
            if len(self._buffer) < end + 2 + size + 2:
                return None
            head.parts.append(bytes(self._buffer[end + 2 : end + 2 + size]))
            if self._buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise _BadRequest(400)
            head.received += size
            del self._buffer[: end + 4 + size]

    # -- answering --------------------------------------------------------------------------------------------------

    def _dispatch(self, request: HttpRequest) -> None:
        head = cast(_Head, self._head)
        keep_alive = head.keep_alive
        self._head = None
        answer = self._server.handle(request)
        if isinstance(answer, HttpResponse):
            wait = self._server.latency()
            if not wait:
                self._send(answer, keep_alive=keep_alive)
                return
            self._busy = True
            asyncio.get_running_loop().call_later(wait, partial(self._deliver, answer, keep_alive=keep_alive))
            return
        self._busy = True
        self._task = asyncio.ensure_future(self._finish(answer, keep_alive=keep_alive))

    async def _finish(self, answer: Awaitable[HttpResponse], *, keep_alive: bool) -> None:
        response = await answer
        wait = self._server.latency()
        if wait:
            await asyncio.sleep(wait)
        self._task = None
        self._deliver(response, keep_alive=keep_alive)

    def _deliver(self, response: HttpResponse, *, keep_alive: bool) -> None:
        """Send what was waited for, and go on with what has come in meanwhile."""
        self._busy = False
        self._send(response, keep_alive=keep_alive)
        if self._transport is not None and not self._closed:
            self._transport.resume_reading()
            self._advance()

    def _send(self, response: HttpResponse, *, keep_alive: bool) -> None:
        transport = self._transport
        if transport is None or self._closed:
            return
        if response.drop:
            self._closed = True
            transport.abort()
            return
        close = response.close or not keep_alive
        message = self._render(response, close=close)
        self._server.wire.bytes_out += len(message)
        transport.write(message)
        if close:
            self._closed = True
            transport.close()

    def _render(self, response: HttpResponse, *, close: bool) -> bytes:
        phrase = HTTPStatus(response.status).phrase
        head = [f"HTTP/1.1 {response.status} {phrase}\r\n"]
        if response.content_type:
            head.append(f"Content-Type: {response.content_type}\r\n")
        head.append(self._server.banner)
        head += [f"{name}: {value}\r\n" for name, value in response.headers]
        if close:
            head.append("Connection: close\r\n")
        head.append(f"Date: {_date()}\r\nContent-Length: {len(response.body)}\r\n\r\n")
        return "".join(head).encode("latin-1") + response.body


class HttpServer:
    """Listens on loopback (127.0.0.1 and, where there is one, ::1 on the same port) and hands requests to a handler."""

    def __init__(
        self,
        handler: Handler,
        *,
        banner: str = "",
        max_body: int = MAX_BODY,
        latency: Callable[[], float] = lambda: 0.0,
        wire: Wire | None = None,
    ) -> None:
        """`latency`: seconds by which each answer is held back; `wire`: what to count in, with other servers."""
        self._handler = handler
        self.latency = latency
        self.wire = Wire() if wire is None else wire
        self.max_body = max_body
        self.banner = f"Server: {banner}\r\n" if banner else ""
        self.connections: set[HttpConnection] = set()
        self._servers: list[asyncio.Server] = []
        self.port = 0

    def handle(self, request: HttpRequest) -> Answer:
        """Runs the handler; a bug in it becomes a 500 with the traceback's last line, not a silent hang."""
        try:
            answer = self._handler(request)
        except Exception as error:
            return self._broken(error)
        return answer if isinstance(answer, HttpResponse) else self._guard(answer)

    async def _guard(self, answer: Awaitable[HttpResponse]) -> HttpResponse:
        try:
            return await answer
        except Exception as error:
            return self._broken(error)

    @staticmethod
    def _broken(error: Exception) -> HttpResponse:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "a request handler failed", "exception": error})
        text = f"the lab has a bug: {type(error).__name__}"
        return HttpResponse(status=500, body=text.encode(), content_type="text/plain;charset=UTF-8", close=True)

    async def start(self, *, port: int = 0, context: ssl.SSLContext | None = None) -> int:
        """Starts to listen on a free port (or the given one); returns it."""
        loop = asyncio.get_running_loop()
        first = await loop.create_server(lambda: HttpConnection(self), "127.0.0.1", port, ssl=context, backlog=_BACKLOG)
        self._servers.append(first)
        self.port = int(first.sockets[0].getsockname()[1])
        try:
            second = await loop.create_server(
                lambda: HttpConnection(self), "::1", self.port, ssl=context, backlog=_BACKLOG
            )
        except OSError:
            pass  # no IPv6 on this machine, or the port is taken there: 127.0.0.1 is enough
        else:
            self._servers.append(second)
        return self.port

    async def stop(self) -> None:
        """Stops listening and closes what is open."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
