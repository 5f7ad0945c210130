# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands between the tests and a server and counts what passes, so that a test can tell that nothing was sent."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

ADDRESSES = ("127.0.0.1", "::1")
UPDATE = 5  # opcode, RFC 2136 section 1.3
_LENGTH = struct.Struct("!H")
_ANSWER_SECONDS = 20
_LARGEST = 65535


def free_port(addresses: Sequence[str] = ADDRESSES) -> int:
    """A port that is free for TCP and UDP on all the addresses, by default both of loopback."""
    while True:
        with contextlib.ExitStack() as stack:
            port = 0
            try:
                for address in addresses:
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        family = socket.AF_INET6 if ":" in address else socket.AF_INET
                        sock = stack.enter_context(socket.socket(family, kind))
                        sock.bind((address, port))
                        port = int(sock.getsockname()[1])
            except OSError:
                continue
            return port


class CountingProxy:
    """Forwards DNS over TCP and UDP, message by message, from a port of its own to the server's.

    addresses, port: where it listens, if not at a free port of both loopback addresses.
    opcodes: how many requests of each opcode have arrived, counted before the server sees them. A request is forwarded
    to the address that it came to, so one to ::1 shows that the server itself answers there.
    """

    def __init__(self, server_port: int, *, addresses: Sequence[str] = ADDRESSES, port: int | None = None) -> None:
        self.server_port = server_port
        self.addresses = addresses
        self.port = port or free_port()
        self.opcodes: Counter[int] = Counter()
        self._accepted = 0
        self._answers_to_lose = 0
        self._lock = threading.Lock()
        self._listeners: list[socketserver.BaseServer] = []
        self._threads: list[threading.Thread] = []

    @property
    def updates(self) -> int:
        """How many UPDATE messages have arrived."""
        with self._lock:
            return self.opcodes[UPDATE]

    @property
    def accepted(self) -> int:
        """How many UPDATE messages the server has answered with success. Only these can have changed anything."""
        with self._lock:
            return self._accepted

    def lose_answers(self, count: int) -> None:
        """The answers to the next updates over TCP get lost: the server makes the change, then the connection ends."""
        with self._lock:
            self._answers_to_lose = count

    def __enter__(self) -> CountingProxy:
        for address in self.addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            for base, handler in ((_TcpListener, _TcpHandler), (_UdpListener, _UdpHandler)):
                kind = type(base.__name__, (base,), {"address_family": family, "proxy": self})
                listener = kind((address, self.port), handler)
                thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
                thread.start()
                self._listeners.append(listener)
                self._threads.append(thread)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for listener, thread in zip(self._listeners, self._threads, strict=True):
            listener.shutdown()
            thread.join()
            listener.server_close()

    def count(self, request: bytes) -> bool:
        """Take note of a request; whether its answer is to get lost."""
        opcode = _opcode(request)
        with self._lock:
            self.opcodes[opcode] += 1
            if opcode != UPDATE or not self._answers_to_lose:
                return False
            self._answers_to_lose -= 1
            return True

    def count_answer(self, answer: bytes) -> None:
        """Take note of an answer before the client sees it."""
        if _opcode(answer) == UPDATE and len(answer) > 3 and answer[3] & 15 == 0:
            with self._lock:
                self._accepted += 1


def _opcode(message: bytes) -> int:
    return (message[2] >> 3) & 15 if len(message) > 2 else -1


class _TcpListener(socketserver.ThreadingTCPServer):
    proxy: CountingProxy
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


class _UdpListener(socketserver.ThreadingUDPServer):
    proxy: CountingProxy
    daemon_threads = True
    block_on_close = False
    max_packet_size = _LARGEST


class _TcpHandler(socketserver.BaseRequestHandler):
    """One connection: a request, its answer, the next request. Whoever ends it, both sides see it ended."""

    server: _TcpListener
    request: socket.socket

    def handle(self) -> None:
        proxy = self.server.proxy
        address = (str(self.server.server_address[0]), proxy.server_port)
        with contextlib.suppress(OSError), socket.create_connection(address, _ANSWER_SECONDS) as upstream:
            while True:
                request = _read(self.request)
                if request is None:
                    return
                lost = proxy.count(request)
                upstream.sendall(_LENGTH.pack(len(request)) + request)
                answer = _read(upstream)
                if answer is not None:
                    proxy.count_answer(answer)
                if answer is None or lost:
                    return
                self.request.sendall(_LENGTH.pack(len(answer)) + answer)


class _UdpHandler(socketserver.BaseRequestHandler):
    server: _UdpListener
    request: tuple[bytes, socket.socket]

    def handle(self) -> None:
        request, listener = self.request
        proxy = self.server.proxy
        proxy.count(request)
        with contextlib.suppress(OSError), socket.socket(listener.family, socket.SOCK_DGRAM) as upstream:
            upstream.settimeout(_ANSWER_SECONDS)
            upstream.connect((self.server.server_address[0], proxy.server_port))
            upstream.send(request)
            answer = upstream.recv(_LARGEST)
            proxy.count_answer(answer)
            listener.sendto(answer, self.client_address)


def _read(connection: socket.socket) -> bytes | None:
    """One message with its length in front (RFC 1035 section 4.2.2); None at the end of the connection."""
    head = _read_exactly(connection, _LENGTH.size)
    return None if head is None else _read_exactly(connection, _LENGTH.unpack(head)[0])


def _read_exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = b""
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return parts
