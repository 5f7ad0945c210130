# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe against hosts that answer in every way, and what it sends: one bind, and nothing else, ever."""

from __future__ import annotations

import errno
import socket
import struct
import uuid

import pytest

from ansible_collections.winops.kms.plugins.module_utils._discovery.probe import Verdict, bind_pdu, judge, probe

from .fake_host import ACCEPTED, BIND_SIZE, REJECTED, FakeHost, bind_ack, bind_nak, closed_port, pdu

LONG = 10.0
SHORT = 0.2


def test_the_bind_is_the_one_of_the_kms_interface() -> None:
    """To the byte: C706 section 12.6.4.3 with the header of 12.6.3.1."""
    message = bind_pdu()
    assert len(message) == BIND_SIZE
    version, minor, kind, flags, representation, size, auth, call = struct.unpack_from("<BBBB4sHHI", message)
    assert (version, minor, kind, flags, representation) == (5, 0, 11, 3, b"\x10\0\0\0")
    assert (size, auth, call) == (72, 0, 1)
    assert struct.unpack_from("<HHI", message, 16) == (5840, 5840, 0)
    assert struct.unpack_from("<BBHHBB", message, 24) == (1, 0, 0, 0, 1, 0)
    assert uuid.UUID(bytes_le=message[32:48]) == uuid.UUID("51c82175-844e-4750-b0d8-ec255555bc06")
    assert struct.unpack_from("<HH", message, 48) == (1, 0)
    assert uuid.UUID(bytes_le=message[52:68]) == uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")
    assert struct.unpack_from("<HH", message, 68) == (2, 0)


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        pytest.param(ACCEPTED, "kms", "", id="accepted"),
        pytest.param(bind_ack(0, order=">"), "kms", "", id="accepted, big-endian"),
        pytest.param(bind_ack(0, address=b""), "kms", "", id="accepted, no secondary address"),
        pytest.param(bind_ack(0, address=b"\\pipe\\x\0"), "kms", "", id="accepted, an odd secondary address"),
        pytest.param(REJECTED, "not_kms", "abstract_syntax_not_supported", id="another interface"),
        pytest.param(bind_ack(2, 1, order=">"), "not_kms", "abstract_syntax_not_supported", id="big-endian"),
        pytest.param(bind_ack(2, 2), "not_kms", "proposed_transfer_syntaxes_not_supported", id="no transfer syntax"),
        pytest.param(bind_ack(2, 3), "no_answer", "local_limit_exceeded", id="busy provider"),
        pytest.param(bind_ack(2, 77), "not_kms", "provider_reason_77", id="a reason of its own"),
        pytest.param(bind_ack(1), "not_kms", "user_rejection", id="user rejection"),
        pytest.param(bind_ack(9), "not_rpc", "malformed", id="no such result"),
        pytest.param(bind_nak(4), "not_kms", "protocol_version_not_supported", id="refused, version"),
        pytest.param(bind_nak(1), "no_answer", "temporary_congestion", id="refused, busy"),
        pytest.param(bind_nak(99), "not_kms", "reject_reason_99", id="refused, a reason of its own"),
        pytest.param(pdu(3, bytes(16)), "not_kms", "pdu_type_3", id="a fault"),
        pytest.param(pdu(12, b""), "not_rpc", "malformed", id="an acknowledgement without content"),
        pytest.param(ACCEPTED[:8] + b"\x20\0" + ACCEPTED[10:32], "not_rpc", "malformed", id="a cut acknowledgement"),
        pytest.param(pdu(12, b"\xff" * 40), "not_rpc", "malformed", id="a length that leads out"),
        pytest.param(pdu(13, b""), "not_rpc", "malformed", id="a refusal without reason"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "not_rpc", "not_dce_rpc", id="HTTP"),
        pytest.param(b"\x05\x07" + bytes(30), "not_rpc", "not_dce_rpc", id="no version of DCE/RPC"),
        pytest.param(b"\x05\0\x0c\x03\x10\0\0\0\x08\0" + bytes(6), "not_rpc", "not_dce_rpc", id="no such size"),
        pytest.param(b"\x16", "not_rpc", "not_dce_rpc", id="one byte that cannot begin it"),
    ],
)
def test_each_answer_has_its_verdict_and_the_host_sees_one_bind(answer: bytes, verdict: str, reason: str) -> None:
    with FakeHost(answer) as host:
        assert probe("127.0.0.1", host.port, rpc=True, timeout=LONG) == Verdict("open", verdict, reason)
    assert host.received == [bind_pdu()]


def test_an_answer_in_pieces_is_put_together() -> None:
    with FakeHost(*(ACCEPTED[place : place + 1] for place in range(len(ACCEPTED)))) as host:
        assert probe("127.0.0.1", host.port, rpc=True, timeout=LONG) == Verdict("open", "kms")
    assert host.received == [bind_pdu()]


def test_what_follows_the_answer_does_not_count() -> None:
    with FakeHost(ACCEPTED + b"more") as host:
        assert probe("127.0.0.1", host.port, rpc=True, timeout=LONG) == Verdict("open", "kms")


def test_ipv6() -> None:
    with FakeHost(ACCEPTED, address="::1") as host:
        assert probe("::1", host.port, rpc=True, timeout=LONG) == Verdict("open", "kms")
    assert host.received == [bind_pdu()]


@pytest.mark.parametrize("parts", [(), (ACCEPTED[:20],)], ids=["nothing", "half an answer"])
def test_silence_is_no_answer(parts: tuple[bytes, ...]) -> None:
    with FakeHost(*parts) as host:
        assert probe("127.0.0.1", host.port, rpc=True, timeout=SHORT) == Verdict("open", "no_answer", "timeout")
    assert host.received == [bind_pdu()]


@pytest.mark.parametrize("parts", [(), (ACCEPTED[:20],)], ids=["nothing", "half an answer"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_that_breaks_is_no_answer(how: str, parts: tuple[bytes, ...]) -> None:
    with FakeHost(*parts, reset=how == "reset", close=how == "close") as host:
        verdict = probe("127.0.0.1", host.port, rpc=True, timeout=LONG)
    assert verdict == Verdict("open", "no_answer", "connection_closed")
    assert host.received == [bind_pdu()]


def test_by_tcp_alone_nothing_is_sent() -> None:
    with FakeHost(ACCEPTED) as host:
        assert probe("127.0.0.1", host.port, rpc=False, timeout=LONG) == Verdict("open")
    assert host.received == [b""]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("rpc", "expected"), [(True, "no_answer"), (False, None)])
def test_a_closed_port(address: str, rpc: bool, expected: str | None) -> None:
    with closed_port(address) as port:
        assert probe(address, port, rpc=rpc, timeout=LONG) == Verdict("closed", expected, "refused")


@pytest.mark.parametrize(
    ("error", "tcp", "reason"),
    [
        (TimeoutError("timed out"), "no_answer", "timeout"),
        (OSError(errno.EHOSTUNREACH, "x"), "no_answer", "EHOSTUNREACH: No route to host"),
        (OSError(errno.ENETUNREACH, "x"), "no_route", "ENETUNREACH: Network is unreachable"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "no_route", "EADDRNOTAVAIL: Cannot assign requested address"),
        (OSError("x"), "no_answer", "OSError"),
    ],
)
def test_no_connection(monkeypatch: pytest.MonkeyPatch, error: OSError, tcp: str, reason: str) -> None:
    def fail(address: tuple[str, int], timeout: float) -> socket.socket:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    assert probe("192.0.2.1", 1688, rpc=True, timeout=1) == Verdict(tcp, "no_answer", reason)


def test_no_answer_whatever_breaks_the_judgement() -> None:
    """Every cut of every answer gives a verdict."""
    for answer in (ACCEPTED, REJECTED, bind_nak(0), pdu(3, b""), b"SSH-2.0-x\r\n"):
        for size in range(len(answer)):
            assert judge(answer[:size]).verdict in ("kms", "not_kms", "not_rpc", "no_answer")
