# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers, HTTP, authentication, access rights, languages, concurrency: everything around the operations."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from labsupport.fake import (
    NS,
    SERVICES,
    WMI,
    Answer,
    Client,
    FakeEstate,
    Rows,
    RunningLab,
    machine,
)

from kmslab.cim import Instance, Value

REGISTRY = WMI + "root/default/StdRegProv"
QUERY = "SELECT Name FROM Win32_Service WHERE Name='sppsvc'"


@pytest.fixture
def providers() -> dict[str, Rows]:
    return {}


@pytest.fixture
def lab(tmp_path: Path, providers: dict[str, Rows]) -> Iterator[RunningLab]:
    view, made = machine()
    providers.update(made)
    german, _ignored = machine("berlin", locale="de-DE")
    off, _ignored = machine("off01")
    off.powered = False
    with RunningLab(FakeEstate({view.name: view, "berlin": german, "off01": off}), tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: RunningLab) -> Client:
    return lab.client()


def raw(lab: RunningLab, data: bytes) -> bytes:
    """Send bytes as they are; everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", lab.info["http_port"]), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


# -- header blocks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", ["To", "ReplyTo", "Action", "MessageID"])
def test_required_headers(client: Client, block: str) -> None:
    answer = client.get(SERVICES, {"Name": "sppsvc"}, without=block)
    assert (answer.status, answer.subcode, answer.code) == (500, "a:MessageInformationHeaderRequired", 2150858769)


def test_resource_uri_is_required(client: Client) -> None:
    answer = client.get(SERVICES, without="ResourceURI")
    assert (answer.subcode, answer.code) == ("a:DestinationUnreachable", 2150858811)


@pytest.mark.parametrize(
    "uri",
    ["http://example.org/x", WMI, WMI + "Win32_Service", WMI + "root/cimv2/", SERVICES.replace("/root", "//root")],
)
def test_bad_resource_uris(client: Client, uri: str) -> None:
    answer = client.get(uri, {"Name": "sppsvc"})
    assert answer.subcode == "a:DestinationUnreachable"


def test_locale_that_must_be_understood(client: Client) -> None:
    extra = '<w:Locale xml:lang="en-US" s:mustUnderstand="true"/>'
    answer = client.get(SERVICES, {"Name": "sppsvc"}, extra=extra)
    assert (answer.subcode, answer.code) == ("w:UnsupportedFeature", 2150858887)
    assert client.get(SERVICES, {"Name": "sppsvc"}, extra=extra.replace("true", "false")).status == 200


def test_unknown_header_that_must_be_understood(client: Client) -> None:
    extra = '<z:Sign xmlns:z="urn:z" s:mustUnderstand="1"/>'
    answer = client.get(SERVICES, {"Name": "sppsvc"}, extra=extra)
    assert answer.value(".//s:Code/s:Value") == "s:MustUnderstand"
    assert answer.find(".//s:Header/s:NotUnderstood").get("qname") == "q:Sign"
    assert client.get(SERVICES, {"Name": "sppsvc"}, extra=extra.replace('"1"', '"0"')).status == 200


def test_other_reply_address(client: Client) -> None:
    extra = "<a:ReplyTo><a:Address>http://elsewhere/</a:Address></a:ReplyTo>"
    assert client.get(SERVICES, {"Name": "sppsvc"}, extra=extra).subcode == "w:UnsupportedFeature"


def test_small_envelope(client: Client) -> None:
    answer = client.get(SERVICES, {"Name": "sppsvc"}, max_envelope=8191)
    assert (answer.subcode, answer.code) == ("w:EncodingLimit", 2150858878)
    assert client.get(SERVICES, {"Name": "sppsvc"}, max_envelope=8192).status == 200


def test_answers_name_the_message_they_answer(client: Client) -> None:
    envelope = client.envelope(NS["x"] + "/Get", SERVICES, selectors={"Name": "sppsvc"}).replace("uuid:", "urn:&lt;")
    answer = client.post(envelope)
    assert answer.value(".//a:RelatesTo").startswith("urn:<")
    assert answer.value(".//a:MessageID").startswith("uuid:")
    assert answer.value(".//a:MessageID") != answer.value(".//a:RelatesTo")


@pytest.mark.parametrize(
    "body",
    [
        b"nothing",
        b"<open>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b"\xff\xfe\x00",
        b"\xc3\x28",
    ],
)
def test_what_is_no_xml(client: Client, body: bytes) -> None:
    answer = client.post(body)
    assert (answer.status, answer.subcode, answer.code) == (500, "w:SchemaValidationError", 2150858819)


def test_what_is_no_soap(client: Client) -> None:
    answer = client.post("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'/>")
    assert answer.value(".//s:Code/s:Value") == "s:VersionMismatch"


def test_utf16_and_declarations_are_read(client: Client) -> None:
    envelope = client.envelope(NS["x"] + "/Get", SERVICES, selectors={"Name": "sppsvc"})
    assert client.post(('<?xml version="1.0" encoding="UTF-16"?>' + envelope).encode("utf-16")).status == 200
    assert client.post(b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>' + envelope.encode()).status == 200


def test_operation_id_comes_back(client: Client) -> None:
    extra = '<m:OperationID s:mustUnderstand="false">uuid:11111111-2222</m:OperationID>'
    for answer in (
        client.get(SERVICES, {"Name": "sppsvc"}, extra=extra),
        client.enumerate(QUERY, extra=extra),
        client.get(SERVICES, {"Name": "none"}, extra=extra),
    ):
        assert answer.value(".//s:Header/m:OperationID") == "uuid:11111111-2222"


def test_identify(client: Client) -> None:
    envelope = (
        f'<s:Envelope xmlns:s="{NS["s"]}"><s:Header/><s:Body><i:Identify xmlns:i="{NS["id"]}"/></s:Body></s:Envelope>'
    )
    answer = client.post(envelope)
    assert answer.value(".//id:ProductVendor") == "Microsoft Corporation"
    assert answer.value(".//id:ProductVersion").startswith("OS: 10.0")
    del client.headers["Authorization"]
    assert client.post(envelope).status == 401
    anonymous = client.post(envelope, WSMANIDENTIFY="unauthenticated")
    assert anonymous.value(".//id:ProductVersion").startswith("OS: 0.0.0")


# -- HTTP -----------------------------------------------------------------------------------------------------------


def test_unknown_paths(lab: RunningLab) -> None:
    client = lab.client("nobody01")
    assert client.post("x").status == 404
    client.path = "/wsman"
    assert client.post("x").status == 404


def test_other_http_methods(client: Client) -> None:
    client.connection.request("GET", client.path, headers=client.headers)
    response = client.connection.getresponse()
    response.read()
    assert (response.status, response.headers["Allow"]) == (405, "POST")


def test_a_machine_that_is_off_drops_the_connection(lab: RunningLab) -> None:
    client = lab.client("off01")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        client.enumerate(QUERY)
    assert lab.server.recorder.entries() == []


def test_one_connection_serves_many_requests(client: Client) -> None:
    client.enumerate(QUERY)
    local = client.connection.sock.getsockname()
    for _ignored in range(3):
        client.enumerate(QUERY)
        client.get(SERVICES, {"Name": "none"})
    assert client.connection.sock.getsockname() == local


def test_chunked_request_in_small_pieces(client: Client) -> None:
    envelope = client.envelope(NS["x"] + "/Get", SERVICES, selectors={"Name": "sppsvc"}).encode()
    pieces = (envelope[start : start + 97] for start in range(0, len(envelope), 97))
    client.connection.request("POST", client.path, pieces, client.headers, encode_chunked=True)
    response = client.connection.getresponse()
    assert response.status == 200
    assert b"GetResponse" in response.read()


def test_expect_continue(lab: RunningLab, client: Client) -> None:
    envelope = client.envelope(NS["x"] + "/Get", SERVICES, selectors={"Name": "sppsvc"}).encode()
    head = (
        f"POST {client.path} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n"
        f"Content-Length: {len(envelope)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", lab.info["http_port"]), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(envelope)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_two_requests_at_once_are_answered_in_order(lab: RunningLab, client: Client) -> None:
    one = client.envelope(NS["x"] + "/Get", SERVICES, selectors={"Name": "sppsvc"}).encode()
    two = client.invoke_envelope("StopService", {"Name": "sppsvc"}).encode()

    def request(body: bytes, *, last: bool) -> bytes:
        close = "Connection: close\r\n" if last else ""
        head = f"POST {client.path} HTTP/1.1\r\nAuthorization: {client.headers['Authorization']}\r\n{close}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    answer = raw(lab, request(one, last=False) + request(two, last=False) + request(one, last=True))
    places = [answer.index(b"Running"), answer.index(b"StopService_OUTPUT"), answer.index(b"<p:State>Stopped")]
    assert places == sorted(places)


def test_too_large_a_request(client: Client) -> None:
    assert client.post(b"x" * (500 * 1024 + 1)).status == 413


def test_too_large_a_chunked_request(lab: RunningLab, client: Client) -> None:
    head = f"POST {client.path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = raw(lab, head + b"80000\r\n" + b"x" * 0x80000 + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"POST /srv01/wsman HTTP/1.1\r\n\r\n", 411),
        (b"POST /srv01/wsman HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /srv01/wsman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nX: " + b"y" * 70000, 431),
    ],
)
def test_broken_http(lab: RunningLab, request_bytes: bytes, status: int) -> None:
    assert raw(lab, request_bytes).split(b" ")[1] == str(status).encode()


def test_https_with_the_labs_authority(lab: RunningLab, client: Client) -> None:
    context = ssl.create_default_context(cafile=lab.info["ca_file"])
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1"):
        client.connection = http.client.HTTPSConnection(host, lab.info["https_port"], timeout=20, context=context)
        assert client.enumerate(QUERY).status == 200


# -- who may do what ------------------------------------------------------------------------------------------------


def test_no_or_wrong_credentials(lab: RunningLab) -> None:
    client = lab.client(password="wrong")
    refused = client.enumerate(QUERY)
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="WSMAN"'
    assert lab.client(user="ghost").enumerate(QUERY).status == 401
    for header in ("Basic", "Basic !!", "Basic YQ==", "Bearer x"):
        assert client.post("x", Authorization=header).status == 401
    del client.headers["Authorization"]
    assert client.enumerate(QUERY).status == 401
    assert lab.server.recorder.entries() == []


def test_user_names_as_windows_takes_them(lab: RunningLab) -> None:
    for user in ("administrator", ".\\Administrator", "SRV01\\ADMINISTRATOR"):
        assert lab.client(user=user).enumerate(QUERY).status == 200


def everything(client: Client) -> dict[str, Answer]:
    put = f'<p:Win32_Service xmlns:p="{SERVICES}"/>'
    return {
        "enumerate": client.enumerate(QUERY),
        "get": client.get(SERVICES, {"Name": "sppsvc"}),
        "put": client.send(NS["x"] + "/Put", SERVICES, put, selectors={"Name": "sppsvc"}),
        "create": client.send(NS["x"] + "/Create", SERVICES, put),
        "delete": client.send(NS["x"] + "/Delete", SERVICES, selectors={"Name": "sppsvc"}),
        "invoke": client.invoke(REGISTRY, "EnumKey"),
    }


def test_a_reader_only_reads(lab: RunningLab, providers: dict[str, Rows]) -> None:
    answers = everything(lab.client(user="reader"))
    assert {name for name, answer in answers.items() if answer.status == 200} == {"enumerate", "get"}
    denied = [answer for answer in answers.values() if answer.status != 200]
    assert {(answer.status, answer.subcode, answer.code) for answer in denied} == {(500, "w:AccessDenied", 5)}
    assert [call for provider in providers.values() for call in provider.calls] == []


def test_an_account_without_rights_logs_in_in_vain(lab: RunningLab) -> None:
    assert {(answer.status, answer.code) for answer in everything(lab.client(user="nobody")).values()} == {(500, 5)}


def test_runspaces_are_recorded_and_refused(lab: RunningLab, client: Client) -> None:
    uri = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
    assert client.send(NS["x"] + "/Create", uri, "<x/>").code == 2150859173
    assert [entry["kind"] for entry in lab.server.recorder.entries()] == ["shell"]


# -- languages ------------------------------------------------------------------------------------------------------


def test_faults_speak_the_machines_language(lab: RunningLab) -> None:
    english, german = lab.client(), lab.client("berlin")
    for answer in (german.get(SERVICES, {"Name": "none"}), german.enumerate("SELECT x FROM y")):
        assert answer.root.get("{http://www.w3.org/XML/1998/namespace}lang") == "de-DE"
    texts = [client.get(SERVICES, {"Name": "none"}).value(".//s:Text") for client in (english, german)]
    assert texts[0] != texts[1]
    codes = [client.get(SERVICES, {"Name": "none"}).code for client in (english, german)]
    assert codes[0] == codes[1]


# -- concurrency ----------------------------------------------------------------------------------------------------


class Blocker:
    """A method that runs until it is told to end, and notes whether another one ran meanwhile."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.finish = threading.Event()
        self.running = 0
        self.most = 0

    def __call__(self, row: dict[str, Value] | None, arguments: Instance) -> Instance:
        self.running += 1
        self.most = max(self.most, self.running)
        self.started.set()
        assert self.finish.wait(20)
        self.running -= 1
        return {"ReturnValue": 0}


@pytest.fixture
def blocker(providers: dict[str, Rows], lab: RunningLab) -> Blocker:
    blocker = Blocker()
    providers["StdRegProv"].methods["Block"] = blocker
    return blocker


def test_a_slow_method_does_not_hold_up_other_machines(lab: RunningLab, blocker: Blocker) -> None:
    with ThreadPoolExecutor(4) as pool:
        slow = pool.submit(lab.client().invoke, REGISTRY, "Block")
        assert blocker.started.wait(20)
        assert lab.client("berlin").enumerate(QUERY).status == 200
        assert not slow.done()
        same = pool.submit(lab.client().enumerate, QUERY)
        again = pool.submit(lab.client().invoke, REGISTRY, "Block")
        blocker.finish.set()
        assert [task.result(20).status for task in (slow, same, again)] == [200, 200, 200]
    assert blocker.most == 1


def test_a_method_that_takes_longer_than_the_client_allows(lab: RunningLab, blocker: Blocker) -> None:
    answer = lab.client().invoke(REGISTRY, "Block", timeout="PT0.050S")
    assert (answer.status, answer.subcode, answer.code) == (500, "w:TimedOut", 2150858793)
    assert blocker.running == 1  # it goes on all the same
    blocker.finish.set()
    assert lab.client().enumerate(QUERY).status == 200
    assert blocker.running == 0


def test_resets_wait_for_running_methods(lab: RunningLab, blocker: Blocker) -> None:
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(lab.client().invoke, REGISTRY, "Block")
        assert blocker.started.wait(20)
        connection = http.client.HTTPConnection("127.0.0.1", lab.info["control_port"], timeout=20)
        connection.request("POST", "/reset")
        reset = pool.submit(connection.getresponse)
        assert not reset.done()
        assert "reset" not in lab.estate.log
        blocker.finish.set()
        assert slow.result(20).status == 200
        assert reset.result(20).status == 200
    assert "reset" in lab.estate.log


def test_many_clients_at_once(lab: RunningLab) -> None:
    def work(_ignored: int) -> int:
        client = lab.client()
        return sum(client.enumerate(QUERY).status == 200 for _ignored in range(10))

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(work, range(20))) == 200
    assert len(lab.server.recorder.entries("SRV01")) == 200
