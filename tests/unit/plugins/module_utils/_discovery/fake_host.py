# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that takes TCP connections and answers them with fixed bytes, and keeps whatever it was sent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType

# Sizes in C706 section 12.6.3.1: a bind with one presentation context and one transfer syntax.
BIND_SIZE = 72


def pdu(kind: int, body: bytes, *, order: str = "<", minor: int = 0) -> bytes:
    """A PDU of DCE/RPC 5, in one fragment."""
    representation = b"\x10\0\0\0" if order == "<" else b"\0\0\0\0"
    size = 16 + len(body)
    return struct.pack("BBBB4s", 5, minor, kind, 3, representation) + struct.pack(order + "HHI", size, 0, 1) + body


def bind_ack(result: int, reason: int = 0, *, order: str = "<", address: bytes = b"1688\0") -> bytes:
    """The answer to a bind with one presentation context. address: the secondary one, of any length."""
    body = struct.pack(order + "HHI", 5840, 5840, 0x1234) + struct.pack(order + "H", len(address)) + address
    body += bytes(-(16 + len(body)) % 4)
    body += struct.pack("BBBB", 1, 0, 0, 0) + struct.pack(order + "HH", result, reason) + bytes(20)
    return pdu(12, body, order=order)


def bind_nak(reason: int) -> bytes:
    """The refusal of a bind, with one supported version."""
    return pdu(13, struct.pack("<HBBB", reason, 1, 5, 0))


ACCEPTED = bind_ack(0)
REJECTED = bind_ack(2, 1)


class FakeHost:
    """Use it as a context manager; when it ends, `received` has what each connection has sent until its end.

    parts: what each bind is answered with, piece by piece. reset: break the connection off after them, otherwise wait
    for the other side to end it.
    """

    def __init__(
        self, *parts: bytes, reset: bool = False, close: bool = False, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.parts = parts
        self.reset = reset
        self.close = close
        self.received: list[bytes] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        # Its connection comes last, after those that still wait to be taken.
        self._last = socket.socket(family, socket.SOCK_STREAM)
        self._last.bind((address, 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> FakeHost:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._last:
            self._last.connect(self._listener.getsockname())
            self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        talks: list[threading.Thread] = []
        while True:
            connection, peer = self._listener.accept()
            if peer == self._last.getsockname():
                connection.close()
                break
            talks.append(threading.Thread(target=self._talk, args=(connection,)))
            talks[-1].start()
        for talk in talks:
            talk.join()

    def _talk(self, connection: socket.socket) -> None:
        received = b""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, contextlib.suppress(OSError):
            while len(received) < BIND_SIZE:
                part = connection.recv(4096)
                if not part:
                    break
                received += part
            else:
                self._answer(connection, self.parts)
                while not (self.reset or self.close):
                    part = connection.recv(4096)
                    if not part:
                        break
                    received += part
        self.received.append(received)

    def _answer(self, connection: socket.socket, parts: Iterable[bytes]) -> None:
        for part in parts:
            connection.sendall(part)
        if self.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def closed_port(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that is bound and not listened on: it refuses connections, and nobody else can get it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.bind((address, 0))
        yield holder.getsockname()[1]
