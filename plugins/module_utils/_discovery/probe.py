# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a KMS host listens: a TCP connection and, if wanted, one bind of the DCE/RPC protocol.

A bind names an interface and asks whether the server offers it (C706 section 12.6.4.3). No request follows, so that no
operation is called, nothing is activated and no client is counted.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

# Verdicts of TCP.
OPEN = "open"
CLOSED = "closed"
NO_ROUTE = "no_route"
# Verdicts of the bind. "no_answer" is one of TCP as well.
KMS = "kms"
NOT_KMS = "not_kms"
NOT_RPC = "not_rpc"
NO_ANSWER = "no_answer"

INTERFACE = (uuid.UUID("51c82175-844e-4750-b0d8-ec255555bc06"), 1, 0)
# NDR, the transfer syntax that every server knows.
_NDR = (uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2)
_CALL = 1
_LARGEST_FRAGMENT = 5840

_BIND, _BIND_ACK, _BIND_NAK = 11, 12, 13
_FIRST_AND_LAST_FRAGMENT = 0x03
# Little-endian, ASCII, IEEE (C706 section 14.1).
_DATA_REPRESENTATION = b"\x10\0\0\0"
_HEADER_SIZE = 16
_LITTLE_ENDIAN = 0x10

# The machine itself has no way to the address: nothing is known of the host.
_OWN_TROUBLE = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETDOWN})


class _Meaning(NamedTuple):
    """verdict: what a code says of the interface. reason: the name of the code."""

    verdict: str
    reason: str


# p_cont_def_result_t, C706 section 12.6.3.1.
_ACCEPTED = 0
_RESULTS = {1: "user_rejection", 2: "provider_rejection"}
# p_provider_reason_t, C706 section 12.6.3.1. A server at its limit says nothing of the interface.
_REASONS = {
    0: _Meaning(NOT_KMS, "reason_not_specified"),
    1: _Meaning(NOT_KMS, "abstract_syntax_not_supported"),
    2: _Meaning(NOT_KMS, "proposed_transfer_syntaxes_not_supported"),
    3: _Meaning(NO_ANSWER, "local_limit_exceeded"),
}
# p_reject_reason_t, C706 section 12.6.3.1, and [MS-RPCE] 2.2.2.9 beyond 7.
_REFUSALS = {
    0: _Meaning(NOT_KMS, "reason_not_specified"),
    1: _Meaning(NO_ANSWER, "temporary_congestion"),
    2: _Meaning(NO_ANSWER, "local_limit_exceeded"),
    3: _Meaning(NOT_KMS, "called_paddr_unknown"),
    4: _Meaning(NOT_KMS, "protocol_version_not_supported"),
    5: _Meaning(NOT_KMS, "default_context_not_supported"),
    6: _Meaning(NOT_KMS, "user_data_not_readable"),
    7: _Meaning(NOT_KMS, "no_psap_available"),
    8: _Meaning(NOT_KMS, "authentication_type_not_recognized"),
    9: _Meaning(NOT_KMS, "invalid_checksum"),
}


@dataclass(frozen=True)
class Verdict:
    """What one address and port answered.

    tcp: open, closed, no_route or no_answer. rpc: kms, not_kms, not_rpc or no_answer; None when it was not asked.
    reason: what stands behind a verdict that is not a good one, as a code or few words; empty otherwise.
    """

    tcp: str
    rpc: str | None = None
    reason: str = ""


def probe(address: str, port: int, *, rpc: bool, timeout: float) -> Verdict:
    """Connect and, if wanted, bind. timeout: seconds for the connection, and again for the answer. Raises nothing."""
    try:
        connection = socket.create_connection((address, port), timeout)
    except OSError as error:
        tcp, reason = _no_connection(error)
        return Verdict(tcp, NO_ANSWER if rpc else None, reason)
    with connection:
        if not rpc:
            return Verdict(OPEN)
        try:
            connection.sendall(bind_pdu())
            answer = _read_pdu(connection, timeout)
        except TimeoutError:
            return Verdict(OPEN, NO_ANSWER, "timeout")
        except (EOFError, OSError):
            return Verdict(OPEN, NO_ANSWER, "connection_closed")
    meaning = judge(answer)
    return Verdict(OPEN, meaning.verdict, meaning.reason)


def bind_pdu() -> bytes:
    """The one message that is ever sent: bind, one presentation context (C706 section 12.6.4.3)."""
    interface, major, minor = INTERFACE
    context = struct.pack("<HBB", 0, 1, 0)
    context += interface.bytes_le + struct.pack("<HH", major, minor)
    context += _NDR[0].bytes_le + struct.pack("<I", _NDR[1])
    body = struct.pack("<HHI", _LARGEST_FRAGMENT, _LARGEST_FRAGMENT, 0) + struct.pack("<BBH", 1, 0, 0) + context
    size = _HEADER_SIZE + len(body)
    header = struct.pack("<BBBB4sHHI", 5, 0, _BIND, _FIRST_AND_LAST_FRAGMENT, _DATA_REPRESENTATION, size, 0, _CALL)
    return header + body


def judge(answer: bytes) -> _Meaning:
    """What an answer to the bind says. Whatever is not a whole PDU of DCE/RPC 5 is not_rpc."""
    if not _looks_like_rpc(answer) or len(answer) < _HEADER_SIZE:
        return _Meaning(NOT_RPC, "not_dce_rpc")
    order = "<" if answer[4] & _LITTLE_ENDIAN else ">"
    readers: dict[int, Callable[[bytes, str], _Meaning]] = {_BIND_ACK: _judge_ack, _BIND_NAK: _judge_nak}
    read = readers.get(answer[2])
    if read is None:
        return _Meaning(NOT_KMS, f"pdu_type_{answer[2]}")
    try:
        return read(answer, order)
    except (struct.error, IndexError):
        return _Meaning(NOT_RPC, "malformed")


def _no_connection(error: OSError) -> tuple[str, str]:
    if isinstance(error, ConnectionRefusedError):
        return CLOSED, "refused"
    if isinstance(error, TimeoutError):
        return NO_ANSWER, "timeout"
    number = error.errno or 0
    name = errno.errorcode.get(number)
    reason = f"{name}: {os.strerror(number)}" if name else type(error).__name__
    return (NO_ROUTE if number in _OWN_TROUBLE else NO_ANSWER), reason


def _looks_like_rpc(begin: bytes) -> bool:
    """Version 5.0 or 5.1 as far as it can be seen, and a size that can be one."""
    if begin[:1] not in (b"", b"\x05") or begin[1:2] not in (b"", b"\0", b"\x01"):
        return False
    return len(begin) < _HEADER_SIZE or _size(begin) >= _HEADER_SIZE


def _size(header: bytes) -> int:
    order = "<" if header[4] & _LITTLE_ENDIAN else ">"
    return int(struct.unpack_from(order + "H", header, 8)[0])


def _read_pdu(connection: socket.socket, timeout: float) -> bytes:
    """One PDU, or the beginning of something else as soon as it is clear that it is none. One deadline for all."""
    deadline = time.monotonic() + timeout
    answer = b""
    while len(answer) < _HEADER_SIZE or len(answer) < _size(answer):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(4096)
        if not part:
            raise EOFError
        answer += part
        if not _looks_like_rpc(answer):
            return answer
    return answer[: _size(answer)]


def _judge_ack(answer: bytes, order: str) -> _Meaning:
    (length,) = struct.unpack_from(order + "H", answer, 24)
    results = (26 + length + 3) & ~3
    if answer[results] < 1:
        return _Meaning(NOT_RPC, "malformed")
    result, reason = struct.unpack_from(order + "HH", answer, results + 4)
    if result == _ACCEPTED:
        return _Meaning(KMS, "")
    if result not in _RESULTS:
        return _Meaning(NOT_RPC, "malformed")
    if _RESULTS[result] == "user_rejection":
        return _Meaning(NOT_KMS, "user_rejection")
    return _REASONS.get(reason, _Meaning(NOT_KMS, f"provider_reason_{reason}"))


def _judge_nak(answer: bytes, order: str) -> _Meaning:
    (reason,) = struct.unpack_from(order + "H", answer, _HEADER_SIZE)
    return _REFUSALS.get(reason, _Meaning(NOT_KMS, f"reject_reason_{reason}"))
