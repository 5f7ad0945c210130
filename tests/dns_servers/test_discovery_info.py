# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""discovery_info against a real DCE/RPC server, Samba's lsarpc, and other real servers that are no KMS hosts. Nothing
but binds is sent to them."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._discovery import probe as probing
from ansible_collections.winops.kms.plugins.module_utils._discovery.probe import Verdict, probe
from ansible_collections.winops.kms.tests.system.harness import Ansible, estate_path
from kmslab.control import Lab

from .servers import Bind, DnsServer, Samba

Running = Callable[[str], DnsServer]

# lsarpc ([MS-LSAT] section 1.9), which the server offers.
LSARPC = (uuid.UUID("12345778-1234-abcd-ef00-0123456789ab"), 0, 0)
KMS = uuid.UUID("51c82175-844e-4750-b0d8-ec255555bc06")
NDR = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")
_BIND, _BIND_ACK = 11, 12


class Recorder:
    """Forwards TCP from a port of its own to another, and keeps what each connection has sent, and what came back."""

    def __init__(self, upstream: int, address: str = "127.0.0.1") -> None:
        recorder = self
        self.sent: list[bytes] = []
        self.answered: list[bytes] = []
        self._ended = threading.Condition()

        class Handler(socketserver.BaseRequestHandler):
            request: socket.socket

            def handle(self) -> None:
                with socket.create_connection((address, upstream), 20) as server:
                    back: list[bytes] = []

                    def copy_back() -> None:
                        with contextlib.suppress(OSError):
                            while part := server.recv(65536):
                                back.append(part)
                                self.request.sendall(part)
                            self.request.shutdown(socket.SHUT_WR)

                    thread = threading.Thread(target=copy_back)
                    thread.start()
                    sent = b""
                    with contextlib.suppress(OSError):
                        while part := self.request.recv(65536):
                            sent += part
                            server.sendall(part)
                    with contextlib.suppress(OSError):
                        server.shutdown(socket.SHUT_RDWR)
                    thread.join()
                with recorder._ended:
                    recorder.sent.append(sent)
                    recorder.answered.append(b"".join(back))
                    recorder._ended.notify_all()

        self._listener = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._listener.server_address[1]
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,))

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()

    def connections(self, count: int) -> list[bytes]:
        """What so many connections have sent, once they have ended."""
        with self._ended:
            assert self._ended.wait_for(lambda: len(self.sent) >= count, 20)
        assert len(self.sent) == count
        return self.sent


def only_a_bind(sent: bytes) -> None:
    """Whatever was sent is one bind, by C706 section 12.6.4.3, to the KMS interface: no request, nothing after it."""
    version, minor, kind, flags, _order, size, auth, _call = struct.unpack_from("<BBBB4sHHI", sent)
    assert (version, minor, kind, flags, auth) == (5, 0, _BIND, 3, 0)
    assert size == len(sent) == 72
    assert sent[24:28] == b"\x01\0\0\0", "one presentation context"
    assert (uuid.UUID(bytes_le=sent[32:48]), uuid.UUID(bytes_le=sent[52:68])) == (KMS, NDR)


@pytest.fixture
def rpc(running: Running) -> Iterator[Recorder]:
    server = running(Samba.name)
    assert isinstance(server, Samba)
    with Recorder(server.rpc_port) as recorder:
        yield recorder


@pytest.mark.server(Samba.name)
def test_a_real_rpc_server_refuses_the_kms_interface(rpc: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    found = probe("127.0.0.1", rpc.port, rpc=True, timeout=10)
    assert found == Verdict("open", "not_kms", "abstract_syntax_not_supported")
    (sent,) = rpc.connections(1)
    only_a_bind(sent)
    assert rpc.answered[0][2] == _BIND_ACK, "the server is one of DCE/RPC: it has answered the bind"

    # The same bind for an interface that this server offers is accepted, which is how a KMS host answers.
    monkeypatch.setattr(probing, "INTERFACE", LSARPC)
    assert probe("127.0.0.1", rpc.port, rpc=True, timeout=10) == Verdict("open", "kms")
    assert [len(sent) for sent in rpc.connections(2)] == [72, 72]


@pytest.mark.server(Samba.name)
def test_without_the_bind_nothing_is_sent(rpc: Recorder) -> None:
    assert probe("127.0.0.1", rpc.port, rpc=False, timeout=10) == Verdict("open")
    assert rpc.connections(1) == [b""]


@pytest.mark.server(Bind.name)
def test_a_dns_server_is_no_rpc_server(running: Running) -> None:
    with Recorder(running(Bind.name).server_port) as recorder:
        found = probe("127.0.0.1", recorder.port, rpc=True, timeout=1)
        assert found.tcp == "open"
        assert found.rpc in ("not_rpc", "no_answer")
        (sent,) = recorder.connections(1)
        only_a_bind(sent)


@pytest.mark.server(Samba.name)
def test_in_a_playbook(rpc: Recorder, tmp_path: Path) -> None:
    """A record leads to the RPC server: the finding says that it is no KMS host."""
    with Lab(estate_path("small")) as lab:
        lab.put_zone("corp.example", records_of("kms9", rpc.port))
        task = {
            "winops.kms.discovery_info": {
                "domains": ["corp.example"],
                "server": "127.0.0.1",
                "server_port": lab.info["dns_port"],
                "expected_hosts": [{"target": "kms9.corp.example", "port": rpc.port}],
            },
            "delegate_to": "localhost",
            "register": "discovery",
            "failed_when": "discovery.worst == 'error'",
        }
        run = Ansible(lab, tmp_path).play([task], hosts="kms1", expect="failed")
        (finding,) = run.result("kms1")["findings"]
        assert (finding["severity"], finding["code"]) == ("error", "not_kms")
        assert "abstract_syntax_not_supported" in finding["message"]
        (sent,) = rpc.connections(1)
        only_a_bind(sent)
        assert lab.requests() == []


def records_of(host: str, port: int) -> list[dict[str, Any]]:
    return [
        {"name": "_vlmcs._tcp", "type": "SRV", "ttl": 3600, "data": f"0 0 {port} {host}.corp.example."},
        {"name": host, "type": "A", "ttl": 3600, "data": "127.0.0.1"},
    ]
