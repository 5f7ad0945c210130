# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pypsrp.wsman
import pytest
import winrm.protocol
import winrm.transport
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.winops.kms.plugins.plugin_utils._cim import parse, trust
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAuthenticationError,
    CimConnectionError,
    CimError,
    CimProtocolError,
    CimTimeoutError,
    CimTlsError,
    CimTransportError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.http_transport import HttpTransport
from ansible_collections.winops.kms.plugins.plugin_utils._cim.pypsrp_transport import PypsrpTransport
from ansible_collections.winops.kms.plugins.plugin_utils._cim.pywinrm_transport import PywinrmTransport
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.http_server import (
    Server,
    chunks,
    cut,
    drip,
    drop,
    flood,
    reply,
    silent,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import envelope, fault

SECRET = "HUNTER2-SECRET"
REQUEST = f"<request>{SECRET}</request>".encode()
ANSWER = envelope("<x/>", relates_to="uuid:1")
FAULT = fault(5).replace(b"$RELATES_TO", b"uuid:1")
SOAP = "application/soap+xml;charset=UTF-8"

Make = Callable[..., HttpTransport]


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def pywinrm(url: str, **options: Any) -> HttpTransport:
    verify = options.pop("verify", False)
    ca_file: Any = verify if isinstance(verify, str) else None
    proxy = "legacy_requests" if options.pop("environment", False) else None
    return PywinrmTransport(
        lambda: winrm.protocol.Protocol(
            url,
            transport="basic",
            username="admin",
            password=SECRET,
            server_cert_validation="validate" if verify else "ignore",
            ca_trust_path=ca_file,
            proxy=proxy,
        ),
        url,
        **options,
    )


def pypsrp_(url: str, **options: Any) -> HttpTransport:
    verify = options.pop("verify", False)
    environment = options.pop("environment", False)
    scheme, _ignored, rest = url.partition("://")
    host, _ignored, tail = rest.partition(":")
    port, _ignored, path = tail.partition("/")
    return PypsrpTransport(
        lambda: pypsrp.wsman.WSMan(
            host,
            port=int(port),
            path=path,
            username="admin",
            password=SECRET,
            ssl=scheme == "https",
            auth="basic",
            encryption="never" if scheme == "http" else "auto",
            cert_validation=verify,
            no_proxy=not environment,
            # More of them than the transport itself would ever make.
            reconnection_retries=3,
            reconnection_backoff=0.01,
        ),
        url,
        **options,
    )


@pytest.fixture(params=[pywinrm, pypsrp_], ids=["pywinrm", "pypsrp"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    made: list[HttpTransport] = []

    def factory(url: str, **options: Any) -> HttpTransport:
        made.append(request.param(url, **options))
        return made[-1]

    yield factory
    for transport in made:
        transport.close()


def failure(transport: HttpTransport, *, idempotent: bool = False, timeout: float = 5) -> CimError:
    with pytest.raises(CimError) as caught:
        transport.send(REQUEST, timeout=timeout, idempotent=idempotent)
    return caught.value


# --- answers --------------------------------------------------------------------------------------------------------


def test_own_envelope_goes_out_and_the_answer_comes_back(make: Make, server: Server) -> None:
    server.behaviours = [reply(200, ANSWER, Content_Type=SOAP)]
    transport = make(server.url())
    assert transport.send(REQUEST, timeout=5) == ANSWER
    assert transport.send(REQUEST, timeout=5) == ANSWER
    assert transport.last_status == 200
    assert [request.body for request in server.requests] == [REQUEST, REQUEST]
    assert server.requests[0].headers["Content-Type"] == SOAP
    assert len({request.connection for request in server.requests}) == 1


@pytest.mark.filterwarnings("ignore:'pywinrm' will use an environment defined proxy:DeprecationWarning")
def test_a_proxy_of_the_environment_is_for_all_messages(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviours = [reply(200, ANSWER, Content_Type=SOAP)]
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url().removesuffix("/wsman"))
    monkeypatch.setenv("http_proxy", server.url().removesuffix("/wsman"))
    transport = make("http://windows.invalid:5985/wsman", environment=True)
    assert [transport.send(REQUEST, timeout=5) for _ignored in range(2)] == [ANSWER, ANSWER]
    assert [request.headers["Host"] for request in server.requests] == ["windows.invalid:5985"] * 2


def test_no_proxy_of_the_environment_is_for_all_messages(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviours = [reply(200, ANSWER, Content_Type=SOAP)]
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    transport = make(server.url(), environment=True)
    assert [transport.send(REQUEST, timeout=5) for _ignored in range(2)] == [ANSWER, ANSWER]


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
@pytest.mark.parametrize("content_type", [SOAP, "application/soap+xml", "text/html"])
def test_fault_is_an_answer_whatever_the_status(make: Make, server: Server, status: int, content_type: str) -> None:
    data = FAULT.replace(b"Nein.", 'Zugriff für "Jörg" verweigert.'.encode())
    server.behaviours = [reply(status, data, Content_Type=content_type)]
    transport = make(server.url())
    assert transport.send(REQUEST, timeout=5) == data
    assert transport.last_status == status


def test_a_200_is_handed_over_unread(make: Make, server: Server) -> None:
    """The session tells what is wrong with it."""
    server.behaviours = [reply(200, b"<html></html>")]
    assert make(server.url()).send(REQUEST, timeout=5) == b"<html></html>"


@pytest.mark.parametrize(
    ("status", "said", "sent"),
    [
        (403, "forbids", False),
        (404, "/wsman", False),
        (405, "/wsman", False),
        (407, "proxy", False),
        (411, "length", False),
        (413, "MaxEnvelopeSizekb", False),
        (500, "without saying why", True),
        (503, "WinRM service", True),
        (418, "no WS-Management answer", True),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html><h1>No</h1></html>", b"<!DOCTYPE x><x/>", "Störung".encode("latin-1")])
def test_http_errors_say_what_to_do(
    make: Make, server: Server, status: int, said: str, sent: bool, body: bytes
) -> None:
    server.behaviours = [reply(status, body, Content_Type="text/html")]
    error = failure(make(server.url()), idempotent=True)
    assert isinstance(error, CimProtocolError)
    assert said in str(error)
    assert f"{server.url()}: HTTP {status}" in str(error)
    assert (error.http_status, error.sent) == (status, sent)
    assert len(server.requests) == 1


def test_refused_credentials(make: Make, server: Server) -> None:
    server.behaviours = [reply(401, b"<html>No</html>", WWW_Authenticate='Negotiate, Basic realm="WSMAN"')]
    error = failure(make(server.url()), idempotent=True)
    assert isinstance(error, CimAuthenticationError)
    assert (error.sent, error.http_status) == (False, 401)
    assert "offers: Negotiate, Basic." in str(error)
    assert len(server.requests) == 1


def test_redirects_are_not_followed(make: Make, server: Server) -> None:
    server.behaviours = [reply(307, b"", Location=server.url() + "/elsewhere"), reply(200, ANSWER)]
    assert "redirects" in str(failure(make(server.url())))
    assert len(server.requests) == 1


# --- connections ----------------------------------------------------------------------------------------------------


def test_nobody_listens(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = failure(make(f"http://127.0.0.1:{port}/wsman"), idempotent=True)
    assert isinstance(error, CimConnectionError)
    assert (error.sent, error.dropped) == (False, False)
    assert "Connection refused" in str(error)


def test_unknown_name(make: Make) -> None:
    error = failure(make("http://no-such-host.invalid:5985/wsman"))
    assert isinstance(error, CimConnectionError)
    assert not error.sent


DROPS = [drop, cut(ANSWER[:50]), chunks(ANSWER[:50], end=False), reply(400)]


@pytest.mark.parametrize("trouble", DROPS)
def test_read_is_sent_again_once_on_a_new_connection(make: Make, server: Server, trouble: Any) -> None:
    server.behaviours = [reply(200, ANSWER), trouble, reply(200, ANSWER)]
    transport = make(server.url())
    transport.send(REQUEST, timeout=5)
    assert transport.send(REQUEST, timeout=5, idempotent=True) == ANSWER
    first, second, third = (request.connection for request in server.requests)
    assert (first == second, second == third) == (True, False)


@pytest.mark.parametrize("trouble", DROPS)
def test_read_is_not_sent_a_third_time(make: Make, server: Server, trouble: Any) -> None:
    server.behaviours = [trouble]
    error = failure(make(server.url()), idempotent=True)
    assert isinstance(error, CimConnectionError)
    assert (error.dropped, error.sent) == (True, True)
    assert len(server.requests) == 2


@pytest.mark.parametrize("trouble", [*DROPS, reply(503), reply(500), silent])
def test_write_is_never_sent_again(make: Make, server: Server, trouble: Any) -> None:
    server.behaviours = [trouble, reply(200, ANSWER)]
    error = failure(make(server.url()), timeout=0.3)
    assert isinstance(error, CimTransportError)
    assert error.sent
    assert len(server.requests) == 1


WAYS = [
    reply(200, ANSWER),
    chunks(ANSWER[:50], ANSWER[50:]),
    reply(200, gzip.compress(ANSWER), **{"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("way", WAYS)
def test_the_connection_is_kept_however_an_answer_comes(make: Make, server: Server, way: Any) -> None:
    server.behaviours = [way]
    transport = make(server.url())
    assert [transport.send(REQUEST, timeout=5) for _ignored in range(3)] == [ANSWER] * 3
    assert len({request.connection for request in server.requests}) == 1


def test_next_request_starts_afresh_after_trouble(make: Make, server: Server) -> None:
    server.behaviours = [reply(500), reply(200, ANSWER)]
    transport = make(server.url())
    failure(transport)
    assert transport.send(REQUEST, timeout=5) == ANSWER
    assert server.requests[0].connection != server.requests[1].connection


def test_write_after_a_long_pause_uses_a_new_connection(make: Make, server: Server) -> None:
    now = [1000.0]
    server.behaviours = [reply(200, ANSWER)]
    transport = make(server.url(), clock=lambda: now[0])
    transport.send(REQUEST, timeout=5, idempotent=True)
    now[0] += 59
    transport.send(REQUEST, timeout=5)
    now[0] += 61
    transport.send(REQUEST, timeout=5, idempotent=True)
    now[0] += 61
    transport.send(REQUEST, timeout=5)
    connections = [request.connection for request in server.requests]
    assert [connection == connections[0] for connection in connections] == [True, True, True, False]


def test_close_and_go_on(make: Make, server: Server) -> None:
    server.behaviours = [reply(200, ANSWER)]
    transport = make(server.url())
    transport.close()
    transport.send(REQUEST, timeout=5)
    transport.close()
    transport.close()
    assert transport.send(REQUEST, timeout=5) == ANSWER


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [silent, drip])
def test_late_answers(make: Make, server: Server, behaviour: Any) -> None:
    server.behaviours = [behaviour]
    error = failure(make(server.url()), timeout=0.3, idempotent=True)
    assert isinstance(error, CimTimeoutError)
    assert error.sent
    assert len(server.requests) == 1


def test_timeout_is_per_request(make: Make, server: Server) -> None:
    server.behaviours = [reply(200, ANSWER), silent]
    transport = make(server.url())
    transport.send(REQUEST, timeout=30)
    assert isinstance(failure(transport, timeout=0.3), CimTimeoutError)


def test_endless_answer(make: Make, server: Server) -> None:
    server.behaviours = [flood]
    error = failure(make(server.url()), timeout=30)
    assert isinstance(error, CimProtocolError)
    assert "larger" in str(error)


def test_oversized_error_page(make: Make, server: Server) -> None:
    server.behaviours = [reply(500, b" " * (parse.MAX_ANSWER_SIZE + 1))]
    assert "larger" in str(failure(make(server.url())))


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    running = Server(context)
    running.behaviours = [reply(200, ANSWER)]
    yield running
    running.stop()


def test_tls(make: Make, tls_server: Server, certificate: Path) -> None:
    assert make(tls_server.url("https"), verify=str(certificate)).send(REQUEST, timeout=5) == ANSWER


def test_untrusted_certificate(make: Make, tls_server: Server) -> None:
    error = failure(make(tls_server.url("https"), verify=True), idempotent=True)
    assert isinstance(error, CimTlsError)
    assert "certificate" in str(error)
    assert not error.sent
    assert tls_server.requests == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_certificates_of_one_authority_are_checked_by_one_context(
    make: Make, tls_server: Server, certificate: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A usual file of authorities takes longer to read than all messages to a host; its name is each host's own."""
    read: list[Any] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *files: Any) -> None:
        read.extend(filter(None, files))
        load(context, *files)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(certificate.read_bytes())
    for _ignored in range(3):
        transport = make(tls_server.url("https").replace("127.0.0.1", name), verify=str(authorities))
        if name == "127.0.0.1":
            assert transport.send(REQUEST, timeout=5) == ANSWER
            transport.close()
        else:
            assert isinstance(failure(transport), CimTlsError)
    assert read == [str(authorities)]
    # What one host's connection trusts, another one's does not.
    assert isinstance(failure(make(tls_server.url("https"), verify=True)), CimTlsError)


def test_the_system_s_authorities_are_not_read_where_no_certificate_is_checked(
    make: Make, tls_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[ssl.SSLContext] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda self, *_ignored: read.append(self))
    for name in ("127.0.0.1", "localhost"):
        transport = make(tls_server.url("https").replace("127.0.0.1", name), verify=False)
        assert transport.send(REQUEST, timeout=5) == ANSWER
    assert read == []
    # Not to check is a matter of that connection alone.
    assert isinstance(failure(make(tls_server.url("https"), verify=True)), CimTlsError)


def test_no_authorities_are_read_for_http(make: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    # Not from what an earlier test has left.
    trust._trusting.cache_clear()
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda _context, *files: read.append(files))
    server.behaviours = [reply(200, ANSWER)]
    assert make(server.url(), verify=True).send(REQUEST, timeout=5) == ANSWER
    assert read == []


def test_a_file_of_authorities_that_is_none(make: Make, tls_server: Server, tmp_path: Path) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_text("not one")
    for path in (authorities, tmp_path / "missing.pem"):
        error = failure(make(tls_server.url("https"), verify=str(path)))
        assert isinstance(error, CimTransportError)
        assert not error.sent
    assert tls_server.requests == []


def test_https_to_a_port_without(make: Make, server: Server) -> None:
    server.behaviours = [reply(200, ANSWER)]
    error = failure(make(server.url("https")))
    assert isinstance(error, CimTlsError)
    assert server.requests == []


# --- secrets and settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [drop, cut(b"<x>"), silent, reply(401), reply(500, SECRET.encode()), reply(404), flood]
)
def test_errors_hold_neither_bodies_nor_credentials(make: Make, server: Server, trouble: Any) -> None:
    server.behaviours = [trouble]
    error: BaseException | None = failure(make(server.url()), timeout=0.3)
    while error is not None:
        assert SECRET not in f"{error!s} {error!r} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_endpoint_in_texts_has_no_credentials() -> None:
    assert PywinrmTransport(None, f"http://admin:{SECRET}@[::1]:5985/wsman").endpoint == "http://[::1]:5985/wsman"  # type: ignore[arg-type]


def test_libraries_log_no_bodies(make: Make, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.behaviours = [reply(200, ANSWER.replace(b"<x/>", f"<x>{SECRET}</x>".encode()))]
    with caplog.at_level(logging.DEBUG):
        make(server.url()).send(REQUEST, timeout=5)
    assert SECRET not in caplog.text


def test_bad_settings_of_the_library_are_explained(make: Make) -> None:
    def refuse() -> Any:
        raise ValueError("auth must be one of a, b")

    transport = make("http://127.0.0.1:1/wsman")
    transport._make_client = refuse
    error = failure(transport)
    assert error.__class__ is CimTransportError
    assert "auth must be one of a, b" in str(error)
    assert transport.library in str(error)


def test_missing_library_is_named(make: Make) -> None:
    def missing() -> Any:
        raise ModuleNotFoundError("No module named 'requests_ntlm'", name="requests_ntlm")

    transport = make("http://127.0.0.1:1/wsman")
    transport._make_client = missing
    assert "package requests_ntlm is missing" in str(failure(transport))


@pytest.mark.parametrize(
    ("method", "flag", "package"),
    [
        ("kerberos", "HAVE_KERBEROS", "pykerberos"),
        ("credssp", "HAVE_CREDSSP", "requests-credssp"),
        ("ntlm", "HAVE_NTLM", "requests_ntlm"),
    ],
)
def test_pywinrm_without_the_library_of_a_method(
    method: Any, flag: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winrm.transport, flag, False)
    url = "http://127.0.0.1:1/wsman"
    protocol = winrm.protocol.Protocol(url, transport=method, username="admin", password=SECRET)
    error = failure(PywinrmTransport(lambda: protocol, url))
    assert f"pip install {package}." in str(error)
    assert not isinstance(error, CimAuthenticationError)


@pytest.mark.parametrize("options", [{"auth": "certificate"}, {"auth": "certificate", "certificate_pem": "/nowhere"}])
def test_what_the_library_refuses_before_anything_is_sent(options: dict[str, Any]) -> None:
    made = pypsrp.wsman.WSMan("127.0.0.1", port=1, username="admin", password=SECRET, **options)
    error = failure(PypsrpTransport(lambda: made, "https://127.0.0.1:1/wsman"))
    assert isinstance(error, CimTransportError) and not error.sent
    assert "cannot be set up by pypsrp: For certificate auth" in str(error)


def test_a_port_that_hangs_up_may_speak_tls(make: Make, server: Server) -> None:
    server.behaviours = [drop, reply(200, ANSWER), drop]
    assert "set ansible_" in str(failure(make(server.url())))
    transport = make(server.url())
    transport.send(REQUEST, timeout=5)
    assert "set ansible_" not in str(failure(transport)), "it has answered before"


def test_login_libraries_are_told_by_their_package(make: Make) -> None:
    class NoTicketError(Exception):
        pass

    NoTicketError.__module__ = "spnego.exceptions"

    def fail() -> Any:
        raise NoTicketError("No Kerberos credentials available\nsecond line")

    transport = make("http://127.0.0.1:1/wsman")
    transport._exchange = lambda *_ignored: fail()  # type: ignore[method-assign]
    error = failure(transport)
    assert isinstance(error, CimAuthenticationError)
    assert str(error).endswith("No Kerberos credentials available")


@pytest.mark.parametrize(("module", "absent"), [("pywinrm_transport", "pypsrp"), ("pypsrp_transport", "winrm")])
def test_each_transport_needs_its_own_library_only(module: str, absent: str) -> None:
    package = "ansible_collections.winops.kms.plugins.plugin_utils._cim"
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; sys.modules.update(dict.fromkeys(['{absent}', 'requests'])); "
        f"import {package}.session, {package}.{module}"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
