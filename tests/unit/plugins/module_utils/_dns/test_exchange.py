# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding and reaching the server, and who signs what."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype
import dns.tsig
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import ALGORITHMS, TsigCredential
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import (
    InputError,
    NoAnswerError,
    ServerError,
    UnreachableError,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server, content

from .fake_server import KEY_NAME, SECRET, FakeServer, Play


def query() -> dns.message.Message:
    message = dns.message.make_query("_vlmcs._tcp.lab.test.", dns.rdatatype.SRV)
    message.flags &= ~dns.flags.RD
    return message


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def getaddrinfo(host: str, port: int, **_ignored: Any) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def connect_by(monkeypatch: pytest.MonkeyPatch, connect: Callable[[str], socket.socket]) -> list[str]:
    tried: list[str] = []

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address[0])
        return connect(address[0])

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return tried


def test_the_next_address_is_tried_and_the_one_that_answered_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer() as fake:

        def connect(address: str) -> socket.socket:
            if address != "127.0.0.1":
                raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
            connection = socket.socket()
            connection.connect((address, fake.port))
            return connection

        with monkeypatch.context() as patch:
            resolve_to(patch, "::1", "127.0.0.1")
            tried = connect_by(patch, connect)
            server = Server("ns1.lab.test", fake.port)
            assert server.exchange(query()).rcode == 3
            assert server.exchange(query()).rcode == 3
            assert tried == ["::1", "127.0.0.1", "127.0.0.1"]
            assert server.label == f"the DNS server ns1.lab.test (127.0.0.1) at port {fake.port}"


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "CONNECTION_REFUSED"),
        (TimeoutError("timed out"), "TIMEOUT"),
        (OSError(errno.ENETUNREACH, "x"), "ENETUNREACH"),
        (OSError("x"), "UNREACHABLE"),
    ],
)
def test_a_server_that_is_not_reached_is_named_with_its_addresses(
    monkeypatch: pytest.MonkeyPatch, failure: OSError, name: str
) -> None:
    def connect(address: str) -> socket.socket:
        raise failure

    resolve_to(monkeypatch, "2001:db8::53", "192.0.2.53")
    connect_by(monkeypatch, connect)
    with pytest.raises(UnreachableError) as caught:
        Server("ns1.lab.test").exchange(query())
    assert caught.value.name == name
    assert "ns1.lab.test (2001:db8::53, 192.0.2.53), TCP port 53," in caught.value.message


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_ignored: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(UnreachableError, match=r"ns9\.lab\.test") as caught:
        Server("ns9.lab.test").exchange(query())
    assert caught.value.name == "UNKNOWN_HOST"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_the_option_signs(algorithm: str) -> None:
    message = query()
    TsigCredential("kms-key.", SECRET, algorithm).sign(message, Server("192.0.2.53"))
    wire = message.to_wire()
    key = dns.tsig.Key(KEY_NAME, SECRET, algorithm)
    assert dns.message.from_wire(wire, keyring={key.name: key}).had_tsig


def test_a_secret_may_be_wrapped() -> None:
    message = query()
    TsigCredential(KEY_NAME, f" {SECRET[:9]}\n {SECRET[9:]}\n").sign(message, Server("192.0.2.53"))
    key = dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256")
    assert dns.message.from_wire(message.to_wire(), keyring={key.name: key}).had_tsig


@pytest.mark.parametrize(
    ("name", "secret", "algorithm", "option"),
    [
        ("kms key", SECRET, "hmac-sha256", "tsig_key_name"),
        ("", SECRET, "hmac-sha256", "tsig_key_name"),
        (KEY_NAME, "", "hmac-sha256", "tsig_key_secret"),
        (KEY_NAME, "not*base64*at*all", "hmac-sha256", "tsig_key_secret"),
        (KEY_NAME, SECRET[:-1], "hmac-sha256", "tsig_key_secret"),
        (KEY_NAME, "geheim-mit-ü", "hmac-sha256", "tsig_key_secret"),
        (KEY_NAME, SECRET, "hmac-md5", "tsig_algorithm"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused_without_its_secret(
    name: str, secret: str, algorithm: str, option: str
) -> None:
    with pytest.raises(InputError) as caught:
        TsigCredential(name, secret, algorithm)
    assert caught.value.option == option
    assert not secret or secret not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


@pytest.mark.parametrize("offset", [-3600, 3600])
def test_a_clock_that_differs_is_told_apart_from_a_bad_secret(monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    """The server accepts ours (it may be lenient); its own time is what cannot be."""
    server_time, our_time = time.time(), time.time() + offset
    with FakeServer() as fake:
        server = Server("127.0.0.1", fake.port, credential=TsigCredential(KEY_NAME, SECRET))

        def theirs() -> None:
            monkeypatch.setattr(time, "time", lambda: server_time)

        def ours(stream: bytes) -> bytes:
            monkeypatch.setattr(time, "time", lambda: our_time)
            return stream

        fake.on_query.append(Play(before=theirs, stream=ours))
        answer = server.exchange(query())
        monkeypatch.undo()
    assert answer.tsig_error == 18
    with pytest.raises(ServerError, match="clocks"):
        content(answer, server=server, doing="reading", zone="lab.test", owner="_vlmcs._tcp.lab.test")


def test_a_slow_trickle_does_not_stretch_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the whole does not: the deadline counts for all of it."""
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\xff\xff" + b"x" * 40)

        class OneByOne(socket.socket):
            def recv(self, size: int, flags: int = 0) -> bytes:
                return super().recv(1, flags)

        trickle = OneByOne(fileno=ours.detach())
        resolve_to(monkeypatch, "127.0.0.1")
        connect_by(monkeypatch, lambda _address: trickle)
        with pytest.raises(NoAnswerError, match="did not come within 20 s"):
            Server("127.0.0.1", timeout=20).exchange(query())


@pytest.mark.parametrize(("found", "fine"), [((2, 0), False), ((2, 1), True), ((2, 10), True), ((3, 0), True)])
def test_the_library_must_be_recent_enough(monkeypatch: pytest.MonkeyPatch, found: tuple[int, int], fine: bool) -> None:
    monkeypatch.setattr(library.dns.version, "MAJOR", found[0])
    monkeypatch.setattr(library.dns.version, "MINOR", found[1])
    assert (library.problem() is None) == fine
