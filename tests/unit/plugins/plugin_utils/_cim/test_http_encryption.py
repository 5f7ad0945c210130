# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both transports with NTLM and message encryption, against a real NTLM acceptor."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypsrp.wsman
import pytest
import spnego
import winrm.protocol

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAuthenticationError,
    CimConnectionError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.http_transport import HttpTransport
from ansible_collections.winops.kms.plugins.plugin_utils._cim.pypsrp_transport import PypsrpTransport
from ansible_collections.winops.kms.plugins.plugin_utils._cim.pywinrm_transport import PywinrmTransport
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.http_server import Handler, Server
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import envelope, fault

BOUNDARY = b"--Encrypted Boundary"
PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
REQUEST = b"<request>secret</request>"
ANSWER = envelope("<x>answer</x>", relates_to="uuid:1")
FAULT = fault(5).replace(b"$RELATES_TO", b"uuid:1")


class Acceptor:
    """Logs clients in by connection, decrypts what they send and answers encrypted."""

    def __init__(self) -> None:
        self.contexts: dict[int, Any] = {}
        self.received: list[bytes] = []
        self.answers: list[tuple[int, bytes] | None] = []

    def __call__(self, handler: Handler) -> None:
        connection = handler.client_address[1]
        body = handler.server.requests[-1].body
        scheme, _ignored, token = handler.headers.get("Authorization", "").partition(" ")
        if token:
            self._log_in(handler, connection, scheme, token)
            return
        if b"Encrypted Boundary" not in body:
            handler.answer(401, b"", WWW_Authenticate="Negotiate")
            return
        context = self.contexts.get(connection)
        answer = self.answers.pop(0)
        if context is None or answer is None:
            # What Windows does when it no longer has the context by which to decrypt.
            self.contexts.clear()
            handler.answer(400, b"")
            return
        self.received.append(self._decrypt(context, body))
        status, text = answer
        content_type = f'multipart/encrypted;protocol="{PROTOCOL}";boundary="Encrypted Boundary"'
        handler.answer(status, self._encrypt(context, text), Content_Type=content_type)

    def _log_in(self, handler: Handler, connection: int, scheme: str, token: str) -> None:
        context = self.contexts.get(connection)
        if context is None or context.complete:
            context = self.contexts[connection] = spnego.server(options=spnego.NegotiateOptions.wrapping_winrm)
        try:
            reply = context.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError:
            del self.contexts[connection]
            handler.answer(401, b"", WWW_Authenticate="Negotiate")
            return
        headers = {"WWW_Authenticate": f"{scheme} {base64.b64encode(reply).decode()}"} if reply else {}
        handler.answer(200 if context.complete else 401, b"", **headers)

    @staticmethod
    def _decrypt(context: Any, body: bytes) -> bytes:
        payload = body.split(b"Content-Type: application/octet-stream\r\n", 1)[1]
        payload = payload.rsplit(BOUNDARY + b"--", 1)[0]
        (length,) = struct.unpack("<i", payload[:4])
        plain: bytes = context.unwrap_winrm(payload[4 : 4 + length], payload[4 + length :])
        return plain

    @staticmethod
    def _encrypt(context: Any, text: bytes) -> bytes:
        sealed = context.wrap_winrm(text)
        return b"".join(
            (
                BOUNDARY,
                b"\r\n\tContent-Type: " + PROTOCOL.encode(),
                b"\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n" % len(text),
                BOUNDARY,
                b"\r\n\tContent-Type: application/octet-stream\r\n",
                struct.pack("<i", len(sealed.header)) + sealed.header + sealed.data,
                BOUNDARY + b"--\r\n",
            )
        )


@pytest.fixture
def acceptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Acceptor:
    users = tmp_path / "users"
    users.write_text("LAB:admin:right\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    return Acceptor()


@pytest.fixture
def server(acceptor: Acceptor) -> Iterator[Server]:
    running = Server()
    running.behaviours = [acceptor]
    yield running
    running.stop()


Make = Callable[[str], HttpTransport]


@pytest.fixture(params=["pywinrm", "pypsrp"])
def make(request: pytest.FixtureRequest, server: Server) -> Iterator[Make]:
    made: list[HttpTransport] = []

    def factory(password: str) -> HttpTransport:
        credentials: dict[str, Any] = {"username": "LAB\\admin", "password": password}
        if request.param == "pywinrm":
            credentials |= {"proxy": None, "ca_trust_path": None}
            made.append(
                PywinrmTransport(
                    lambda: winrm.protocol.Protocol(server.url(), transport="ntlm", **credentials),
                    server.url(),
                )
            )
        else:
            made.append(
                PypsrpTransport(
                    lambda: pypsrp.wsman.WSMan(
                        "127.0.0.1", port=server.server_port, ssl=False, auth="ntlm", no_proxy=True, **credentials
                    ),
                    server.url(),
                )
            )
        return made[-1]

    yield factory
    for transport in made:
        transport.close()


def test_encrypted_messages(make: Make, acceptor: Acceptor, server: Server) -> None:
    acceptor.answers = [(200, ANSWER), (500, FAULT)]
    transport = make("right")
    assert transport.send(REQUEST, timeout=5) == ANSWER
    assert transport.send(REQUEST, timeout=5) == FAULT
    assert transport.last_status == 500
    assert acceptor.received == [REQUEST, REQUEST]
    assert not any(b"secret" in request.body for request in server.requests)


def test_wrong_password(make: Make) -> None:
    with pytest.raises(CimAuthenticationError):
        make("wrong").send(REQUEST, timeout=5, idempotent=True)


def test_read_survives_a_lost_security_context(make: Make, acceptor: Acceptor) -> None:
    acceptor.answers = [(200, ANSWER), None, (200, ANSWER)]
    transport = make("right")
    transport.send(REQUEST, timeout=5)
    assert transport.send(REQUEST, timeout=5, idempotent=True) == ANSWER


def test_write_does_not_take_the_chance(make: Make, acceptor: Acceptor) -> None:
    acceptor.answers = [(200, ANSWER), None, (200, ANSWER)]
    transport = make("right")
    transport.send(REQUEST, timeout=5)
    with pytest.raises(CimConnectionError) as caught:
        transport.send(REQUEST, timeout=5)
    assert caught.value.sent
    assert acceptor.received == [REQUEST]
    assert transport.send(REQUEST, timeout=5) == ANSWER
