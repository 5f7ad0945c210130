# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DNS server for one zone, on TCP alone, that can be told to behave badly.

It keeps the SRV records of one name, obeys updates by RFC 2136 and signs by RFC 8945. `on_query` and `on_update`
hold what is special about the next requests: one `Play` for each, in order; without one it behaves well.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

ZONE = "lab.test"
OWNER = "_vlmcs._tcp.lab.test"
KEY_NAME = "kms-key"
# Plainly invented; "a secret of the tests" in base64.
SECRET = "YSBzZWNyZXQgb2YgdGhlIHRlc3Rz"

Stream = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Play:
    """What is special about one request.

    before: done before the request is looked at. apply: whether an update is carried out. rcode: answered instead of
    the true one. signed: whether the answer to a signed request is signed. tsig_error: reported in the answer's TSIG.
    message: changes the answer before it is signed. stream: turns the answer, its length in front, into what is sent.
    hold: what to wait for before sending.
    """

    before: Callable[[], object] = lambda: None
    apply: bool = True
    rcode: int | None = None
    signed: bool = True
    tsig_error: int = 0
    message: Callable[[dns.message.Message], object] = lambda message: None
    stream: Stream = lambda stream: stream
    hold: threading.Event | None = None


@dataclass(frozen=True)
class Sent:
    """A record of an update message. action: "require", "delete" or "add"; text: TTL and data, to the letter."""

    action: str
    text: str


class FakeServer:
    """Use it as a context manager. `records`: the lines of the set, such as "3600 0 0 1688 kms01.lab.test."."""

    def __init__(self, *records: str, key: bool = True, to_the_letter: bool = False) -> None:
        self.records: list[str] = list(records)
        self.alias: str | None = None
        self.apex = ZONE
        self.authoritative = True
        self.to_the_letter = to_the_letter
        self.on_query: deque[Play] = deque()
        self.on_update: deque[Play] = deque()
        self.queries: list[str] = []
        self.updates: list[list[Sent]] = []
        self.failures: list[BaseException] = []
        secret = dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256")
        self._keyring: dict[dns.name.Name, dns.tsig.Key] = {secret.name: secret} if key else {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping = True
        # Wakes the thread that waits for a connection.
        with socket.create_connection(("127.0.0.1", self.port)):
            self._thread.join()
        self._listener.close()
        if error is None:
            assert not self.failures, self.failures
            assert not self.on_query and not self.on_update, "what was planned did not happen"

    def _serve(self) -> None:
        while True:
            connection, _peer = self._listener.accept()
            with connection:
                if self._stopping:
                    return
                try:
                    connection.sendall(self._answer(connection))
                except OSError:
                    pass  # the client went away, as some tests want it
                except Exception as error:
                    self.failures.append(error)

    def _answer(self, connection: socket.socket) -> bytes:
        stream = connection.makefile("rb")
        (size,) = struct.unpack("!H", stream.read(2))
        raw = stream.read(size)
        request = dns.message.from_wire(raw, keyring=self._keyring, one_rr_per_rrset=True)
        update = request.opcode() == dns.opcode.UPDATE
        script = self.on_update if update else self.on_query
        play = script.popleft() if script else Play()
        play.before()
        answer = dns.message.make_response(request)
        assert request.flags & dns.flags.RD == 0, "the server to be updated is no resolver"
        if update:
            assert isinstance(request, dns.update.UpdateMessage)
            self.updates.append(list(_sent(request)))
            if play.apply:
                answer.set_rcode(dns.rcode.Rcode.make(self._update(self.updates[-1])))
        else:
            self._query(request, answer)
        if play.rcode is not None:
            answer.set_rcode(dns.rcode.Rcode.make(play.rcode))
        play.message(answer)
        if not play.signed:
            answer.tsig = None
        elif play.tsig_error:
            answer.use_tsig(next(iter(self._keyring.values())), tsig_error=play.tsig_error)
            answer.request_mac = request.mac or b""
        wire = answer.to_wire() or b""
        if play.hold is not None:
            play.hold.wait(10)
        return play.stream(struct.pack("!H", len(wire)) + wire)

    def _query(self, request: dns.message.Message, answer: dns.message.Message) -> None:
        question = request.question[0]
        self.queries.append(f"{question.name} {dns.rdatatype.to_text(question.rdtype)}")
        if self.authoritative:
            answer.flags |= dns.flags.AA
        at_owner = question.name == dns.name.from_text(OWNER)
        soa = dns.rrset.from_text(self.apex + ".", 60, "IN", "SOA", f"ns1.{self.apex}. host.{self.apex}. 1 2 3 4 5")
        if at_owner and self.alias:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", self.alias))
        elif at_owner and question.rdtype == dns.rdatatype.SRV and self.records:
            for record in self.records:
                ttl, data = record.split(" ", 1)
                # In raw form: older dnspython compresses the target, by which it loses its case.
                wire = dns.rdata.from_text("IN", "SRV", data).to_wire() or b""
                rdata = dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.SRV, wire)
                answer.answer.append(dns.rrset.from_rdata(question.name, int(ttl), rdata))
        elif question.name == soa.name and question.rdtype == dns.rdatatype.SOA:
            answer.answer.append(soa)
        else:
            if not (at_owner and self.records):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            answer.authority.append(soa)

    def _update(self, sent: Iterable[Sent]) -> int:
        """RFC 2136 sections 3.2 to 3.4, for one SRV set. Returns the result code."""

        def form(data: str) -> str:
            return data if self.to_the_letter else data.lower()

        required = [entry.text for entry in sent if entry.action == "require"]
        if any(not text.startswith("0 ") for text in required if text != "nothing"):
            return dns.rcode.FORMERR
        have = sorted(form(record.split(" ", 1)[1]) for record in self.records)
        if required == ["nothing"]:
            if have:
                return dns.rcode.YXRRSET
        elif sorted(form(text.split(" ", 1)[1]) for text in required) != have:
            return dns.rcode.NXRRSET
        if self.alias:
            return dns.rcode.NOERROR  # an addition beside an alias is ignored without a word (RFC 2136 section 3.4.2.2)
        for entry in sent:
            data = form(entry.text.split(" ", 1)[-1])
            if entry.action in ("delete", "add"):
                self.records = [record for record in self.records if form(record.split(" ", 1)[1]) != data]
            if entry.action == "add":
                self.records.append(entry.text)
        return dns.rcode.NOERROR


def _sent(request: dns.update.UpdateMessage) -> Iterable[Sent]:
    for rrset in request.prerequisite:
        assert rrset.name == dns.name.from_text(OWNER)
        if rrset.deleting == dns.rdataclass.NONE:
            yield Sent("require", "nothing")
        else:
            yield from (Sent("require", f"{rrset.ttl} {rdata.to_text()}") for rdata in rrset)
    for rrset in request.update:
        assert rrset.name == dns.name.from_text(OWNER)
        if rrset.rdtype == dns.rdatatype.TXT:
            yield Sent("add TXT", rrset[0].to_text())
            continue
        assert rrset.rdtype == dns.rdatatype.SRV
        assert len(rrset) > 0, "a whole set must never be deleted"
        for rdata in rrset:
            if rrset.deleting == dns.rdataclass.NONE:
                yield Sent("delete", f"0 {rdata.to_text()}")
            else:
                yield Sent("add", f"{rrset.ttl} {rdata.to_text()}")
