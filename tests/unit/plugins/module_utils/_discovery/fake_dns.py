# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A resolver for a few names, on UDP and TCP of one loopback port, that can be told to behave badly."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 300


class FakeDns:
    """Use it as a context manager.

    names: "name TYPE" -> data of its records, as in a zone file. A name that is in no key does not exist. With `chase`,
    aliases are followed within one answer, as a resolver does it. `rcodes`: "name TYPE" -> answered instead.
    `silent`: "name TYPE" that get no answer. `truncate`: every answer by UDP is cut. `asked`: the questions, in order.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], *, address: str = "127.0.0.1", chase: bool = True) -> None:
        self.names = dict(names)
        self.chase = chase
        self.rcodes: dict[str, dns.rcode.Rcode] = {}
        self.silent: set[str] = set()
        self.truncate = False
        self.asked: list[str] = []
        self.transports: list[str] = []
        self._tcp, self._udp = _listen(address)
        self.port: int = self._udp.getsockname()[1]
        self._lock = threading.Lock()
        self._servers = [self._stream_server(), self._datagram_server()]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in self._servers]

    def __enter__(self) -> FakeDns:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def _stream_server(self) -> socketserver.BaseServer:
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                (size,) = struct.unpack("!H", self.rfile.read(2))
                answer = fake.answer(self.rfile.read(size), "tcp")
                if answer is not None:
                    self.wfile.write(struct.pack("!H", len(answer)) + answer)

        server = socketserver.ThreadingTCPServer(("", 0), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self._tcp
        return server

    def _datagram_server(self) -> socketserver.BaseServer:
        fake = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                question, connection = self.request
                answer = fake.answer(question, "udp")
                if answer is not None:
                    connection.sendto(answer, self.client_address)

        server = socketserver.ThreadingUDPServer(("", 0), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self._udp
        return server

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        """The answer to one question, or None for silence."""
        request = dns.message.from_wire(wire)
        question = request.question[0]
        name, rdtype = question.name.canonicalize(), question.rdtype
        key = f"{name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(rdtype)}"
        with self._lock:
            self.asked.append(key)
            self.transports.append(transport)
        if key in self.silent:
            return None
        answer = dns.message.make_response(request)
        answer.flags |= dns.flags.RA
        if key in self.rcodes:
            answer.set_rcode(self.rcodes[key])
        elif self.truncate and transport == "udp":
            answer.flags |= dns.flags.TC
        else:
            self._fill(answer, name, rdtype)
        return answer.to_wire()

    def _fill(self, answer: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> None:
        followed: set[dns.name.Name] = set()
        while name not in followed:
            followed.add(name)
            alias = self._rrset(name, dns.rdatatype.CNAME)
            found = alias or self._rrset(name, rdtype)
            if found is not None:
                answer.answer.append(found)
            elif not any(key.split()[0] == name.to_text(omit_final_dot=True) for key in self.names):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            if alias is None or not self.chase:
                return
            name = alias[0].target

    def _rrset(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        data = self.names.get(f"{name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(rdtype)}")
        return dns.rrset.from_text(name, TTL, "IN", rdtype, *data) if data else None


def _listen(address: str) -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket with the same free port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        stream = socket.create_server((address, 0), family=family)
        datagram = socket.socket(family, socket.SOCK_DGRAM)
        try:
            datagram.bind((address, stream.getsockname()[1]))
        except OSError:  # somebody else has this port for UDP
            stream.close()
            datagram.close()
        else:
            return stream, datagram
