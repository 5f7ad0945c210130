# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request and one answer over TCP, with the result code read before the signature.

dnspython's own query functions are not used for three reasons: depending on the release, they lose the result code of
an answer that is not signed or accept it as if it were; a server needs to be named by address; and over UDP a large
update or record set is dropped or cut by some servers.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import NoReturn

from .credentials import Credential, Unsigned
from .errors import (
    OTHER,
    RCODES,
    DnsError,
    Explanation,
    NoAnswerError,
    ServerError,
    SignatureError,
    UnreachableError,
    sentence,
)
from .library import dns

_HEADER = struct.Struct("!HHHHHH")
_LENGTH = struct.Struct("!H")
_BADKEY = 17
_BADTIME = 18
_UNSIGNED = "it is not signed, although the request was"

Address = tuple[socket.AddressFamily, str, int]


@dataclass(frozen=True)
class Answer:
    """What came back.

    rcode: from the header, whether or not the answer is authentic; tsig_error: what the server says of our signature.
    verified: the answer is signed by the same key. defect: why it is not (empty when no key was used, or all is well).
    message: the parsed answer, one record per RRset; None when it cannot be parsed. With a defect, nothing in it is
    proven.
    """

    rcode: int
    tsig_error: int = 0
    verified: bool = False
    defect: str = ""
    message: dns.message.Message | None = None


@dataclass
class Server:
    """The one server that is read and updated: once it has answered on an address, it is always asked on that one.

    host: name or address. port: TCP. timeout: seconds for connecting, and again for the exchange.
    proven: whether any reading has carried a right signature. unproven: how many readings were accepted without.
    """

    host: str
    port: int = 53
    timeout: float = 10.0
    credential: Credential = field(default_factory=Unsigned)
    proven: bool = False
    unproven: int = 0
    _address: Address | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """How messages name the server."""
        address = self._address[1] if self._address else self.host
        where = "" if address == self.host else f" ({address})"
        return f"the DNS server {self.host}{where} at port {self.port}"

    @property
    def address(self) -> str | None:
        """The address on which it has answered; None before the first answer."""
        return self._address[1] if self._address else None

    def exchange(self, message: dns.message.Message) -> Answer:
        """Sign and send the message and return the answer to it.

        A key that the server has forgotten is made anew once, if it is of a kind that can be: such a message was not
        carried out. Raises UnreachableError when nothing was sent, NoAnswerError when there is no whole answer to
        this message, and what the credential raises.
        """
        answer = self._attempt(message)
        if answer.tsig_error == _BADKEY and self.credential.renew():
            answer = self._attempt(message)
        return answer

    def _attempt(self, message: dns.message.Message) -> Answer:
        self.credential.sign(message, self)
        raw = self.ask(message)
        return _judge(raw, raw[3] & 15, message)

    def ask(self, message: dns.message.Message) -> bytes:
        """Send the message as it is; the answer to it as it came. Raises UnreachableError, NoAnswerError."""
        wire = message.to_wire() or b""
        with self._connect() as connection:
            raw = _converse(connection, wire, self.timeout, self.label)
        if len(raw) < _HEADER.size:
            raise self._no_answer("the answer is too short to be a DNS message")
        ident, flags, *_counts = _HEADER.unpack_from(raw)
        if ident != message.id or not flags & dns.flags.QR or flags >> 11 & 15 != message.opcode():
            raise self._no_answer("what came back is not an answer to the request")
        return raw

    def _no_answer(self, problem: str) -> NoAnswerError:
        return _no_answer("BAD_ANSWER", self.label, problem)

    def _connect(self) -> socket.socket:
        candidates = [self._address] if self._address else self._resolve()
        failures: dict[str, OSError] = {}
        for candidate in candidates:
            _family, address, _port = candidate
            try:
                connection = socket.create_connection((address, self.port), self.timeout)
            except OSError as error:
                failures[address] = error
            else:
                self._address = candidate
                return connection
        return self._unreachable(failures)

    def _resolve(self) -> list[Address]:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise UnreachableError(
                "UNKNOWN_HOST",
                f"The name of the DNS server {self.host} cannot be resolved on this machine.",
                "Check the option server, or give the server's address. Without that option, the server is the primary "
                "that the zone's SOA record names.",
            ) from None
        return [(entry[0], str(entry[4][0]), self.port) for entry in found]

    def _unreachable(self, failures: dict[str, OSError]) -> NoReturn:
        tried = ", ".join(failures)
        where = self.host if tried == self.host else f"{self.host} ({tried})"
        error = next(reversed(failures.values()))
        if isinstance(error, ConnectionRefusedError):
            name, problem = "CONNECTION_REFUSED", "refused the connection"
            remedy = "Nothing listens on that TCP port: check server and server_port, and that the DNS service runs."
        elif isinstance(error, TimeoutError):
            name, problem = "TIMEOUT", f"did not take the connection within {self.timeout:g} s"
            remedy = "Check server and server_port, and that a firewall lets TCP (not only UDP) through to it."
        else:
            name = errno.errorcode.get(error.errno or 0, "UNREACHABLE")
            problem = f"cannot be reached ({os.strerror(error.errno) if error.errno else type(error).__name__})"
            remedy = "Check server, and this machine's network."
        raise UnreachableError(name, f"The DNS server {where}, TCP port {self.port}, {problem}.", remedy)


def _no_answer(name: str, label: str, problem: str) -> NoAnswerError:
    return NoAnswerError(
        name,
        f"No usable answer came from {label}: {problem}.",
        "If this was an update, it may have been carried out; run the task again, it looks first. If it happens "
        "again, check that this is a DNS server and that no proxy or firewall on the way cuts DNS over TCP.",
    )


def _converse(connection: socket.socket, wire: bytes, timeout: float, label: str) -> bytes:
    """Send one message and read one, each with its length in front (RFC 1035 4.2.2), by one deadline for all of it."""
    deadline = time.monotonic() + timeout

    def remaining() -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def read(size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            connection.settimeout(remaining())
            part = connection.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return parts

    try:
        connection.settimeout(remaining())
        connection.sendall(_LENGTH.pack(len(wire)) + wire)
        (size,) = _LENGTH.unpack(read(_LENGTH.size))
        return read(size)
    except TimeoutError:
        raise _no_answer("TIMEOUT", label, f"it did not come within {timeout:g} s") from None
    except (EOFError, OSError):
        raise _no_answer("CONNECTION_CLOSED", label, "the connection was closed before a whole answer came") from None


def _malformed() -> tuple[type[Exception], ...]:
    """What parsing a message can raise."""
    return (dns.exception.DNSException, ValueError, struct.error)


def _judge(raw: bytes, rcode: int, request: dns.message.Message) -> Answer:
    """Parse the answer and check its signature. No failure hides the result code."""
    signed = request.keyring is not None
    try:
        # Without a key this parses an unsigned answer, and no other.
        message = dns.message.from_wire(raw, one_rr_per_rrset=True)
    except dns.message.UnknownTSIGKey:
        return _verified(raw, rcode, request)
    except _malformed():
        return Answer(rcode, defect="it is malformed")
    return Answer(rcode, defect=_UNSIGNED if signed else "", message=message)


def _verified(raw: bytes, rcode: int, request: dns.message.Message) -> Answer:
    if request.keyring is None:
        return Answer(rcode, defect="it is signed by a key that was not used in the request")
    peer_errors: dict[type[Exception], int] = {
        dns.tsig.PeerBadSignature: 16,
        dns.tsig.PeerBadKey: _BADKEY,
        dns.tsig.PeerBadTime: _BADTIME,
        dns.tsig.PeerBadTruncation: 22,
    }
    try:
        message = dns.message.from_wire(
            raw,
            keyring=request.keyring,
            request_mac=request.mac,
            one_rr_per_rrset=True,
        )
    except dns.tsig.PeerError as error:
        return Answer(rcode, tsig_error=peer_errors.get(type(error), 0), defect="it reports an error of the signature")
    except dns.tsig.BadTime:
        return Answer(rcode, tsig_error=_BADTIME, defect="the time of its signature is wrong")
    except Exception as error:
        # dnspython passes on whatever a key object raises, which may be any library's exception. Its text is dropped.
        defect = f"its signature is wrong ({type(error).__name__})"
        return Answer(rcode, defect=defect, message=parse_unverified(raw))
    return Answer(rcode, verified=True, message=message)


class _AnySignature:
    """In the place of a GSS context: finds every signature right."""

    def verify_signature(self, data: bytes, signature: bytes) -> None:
        """Raise nothing."""


def parse_unverified(raw: bytes) -> dns.message.Message | None:
    """An answer that is signed by a GSS key, parsed without looking at the signature; None if it cannot be parsed.

    Whoever uses it must have another reason to believe it. (Newer dnspython can do this by `keyring=False`.)
    """

    def any_key(_message: dns.message.Message, name: dns.name.Name) -> dns.tsig.Key:
        return dns.tsig.Key(name, _AnySignature(), dns.tsig.GSS_TSIG)  # type: ignore[arg-type]

    try:
        return dns.message.from_wire(raw, keyring=any_key, one_rr_per_rrset=True)
    except _malformed():
        return None


def server_error(answer: Answer, *, server: Server, doing: str, zone: str, owner: str, update: bool) -> DnsError:
    """The exception for an answer that is an error. doing: such as "updating _vlmcs._tcp.contoso.com"."""
    rcode = dns.rcode.to_text(dns.rcode.Rcode.make(answer.rcode))
    table = server.credential.update_rcodes if update else server.credential.query_rcodes
    explanation = (
        server.credential.tsig_errors.get(answer.tsig_error)
        or table.get(answer.rcode)
        or RCODES.get(answer.rcode)
        or Explanation(rcode, *OTHER)
    )
    codes = [rcode] if answer.rcode else []  # a wrong time is found out here, whatever the server says
    codes += [explanation.name] if answer.tsig_error else []
    names = {"key": server.credential.label, "server": server.label, "zone": zone, "owner": owner}
    return ServerError(
        explanation.name,
        f"While {doing}: {server.label} {explanation.text} ({', '.join(codes)}).",
        sentence(explanation.remedy.format(**names)),
        code=answer.tsig_error or answer.rcode,
    )


def content(answer: Answer, *, server: Server, doing: str, zone: str, owner: str) -> dns.message.Message:
    """The parsed answer to a query, once it is certain that it may be believed. Raises ServerError, SignatureError.

    With a lenient credential, an answer without proof is accepted and counted, until the server has once given one.
    """
    if answer.tsig_error or answer.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise server_error(answer, server=server, doing=doing, zone=zone, owner=owner, update=False)
    acceptable = not answer.defect or (server.credential.lenient and not server.proven)
    if answer.message is None or not acceptable:
        raise SignatureError(
            "UNSIGNED" if answer.defect == _UNSIGNED else "BAD_SIGNATURE",
            f"While {doing}: the answer of {server.label} cannot be believed: {answer.defect}.",
            "Something between here and the server answers in its place or alters DNS messages. Look at what `dig` "
            "with the same key shows on this machine.",
        )
    if answer.message.flags & dns.flags.TC:
        raise _no_answer("BAD_ANSWER", server.label, "it says of itself that it is cut, although it came over TCP")
    server.proven = server.proven or answer.verified
    if answer.defect:
        server.unproven += 1
    return answer.message
