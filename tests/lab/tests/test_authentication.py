# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging on to the lab by every scheme, by the clients that Ansible's connection plugins use, with and without TLS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from labsupport.foreign import psrp_query, winrm_query
from pypsrp.exceptions import AuthenticationError
from pypsrp.wsman import WSMan
from requests_credssp.exceptions import AuthenticationException, NTStatusException
from winrm.exceptions import InvalidCredentialsError
from winrm.protocol import Protocol

from kmslab.control import Lab

ESTATE = Path(__file__).parents[1] / "estates" / "small.yml"
HOST = "kms1"
USER, PASSWORD = "Administrator", "Lab-only-1"
SERVICE = "SELECT ClientMachineID FROM SoftwareLicensingService"
#: More than 16 KB there, by its length, and back, by its answer: several parts where CredSSP encrypts.
LONG = "SELECT * FROM SoftwareLicensingProduct" + " " * 20_000

Query = Callable[[str], list[dict[str, str | None]]]
REFUSED = (InvalidCredentialsError, AuthenticationError, AuthenticationException, NTStatusException)


@pytest.fixture(autouse=True)
def _no_realm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Kerberos is installed, no realm of this machine has a part in these tests: there is none."""
    monkeypatch.setenv("KRB5_CONFIG", os.devnull)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(ESTATE) as running:
        yield running


@pytest.fixture(scope="module")
def strict_lab() -> Iterator[Lab]:
    """A lab whose machines take no plain message without TLS, as Windows is by default."""
    with Lab(ESTATE, arguments=("--demand-encryption",)) as running:
        yield running


def pywinrm(lab: Lab, scheme: str, transport: Any, **options: Any) -> Query:
    given = {"username": USER, "password": PASSWORD, "ca_trust_path": lab.info["ca_file"], **options}
    protocol = Protocol(lab.endpoint(HOST, scheme=scheme), transport=transport, **given)
    return lambda query: winrm_query(protocol, query)


def pypsrp(lab: Lab, scheme: str, auth: str, **options: Any) -> Query:
    given = {"username": USER, "password": PASSWORD, "cert_validation": lab.info["ca_file"], **options}
    secure = scheme == "https"
    port = lab.info[f"{scheme}_port"]
    wsman = WSMan(
        "127.0.0.1", port=port, path=f"{HOST}/wsman", auth=auth, ssl=secure, max_envelope_size=512000, **given
    )
    return lambda query: psrp_query(wsman, query)


def certificate(lab: Lab, client: str) -> dict[str, str]:
    names = {"pywinrm": ("cert_pem", "cert_key_pem"), "pypsrp": ("certificate_pem", "certificate_key_pem")}[client]
    return {names[0]: str(lab.directory / "client.pem"), names[1]: str(lab.directory / "client.key")}


CLIENTS: dict[str, Callable[..., Query]] = {"pywinrm": pywinrm, "pypsrp": pypsrp}
ENCRYPTED = [
    ("pywinrm", "ntlm"),
    ("pywinrm", "credssp"),
    ("pypsrp", "negotiate"),
    ("pypsrp", "ntlm"),
    ("pypsrp", "credssp"),
]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("client", "auth"), ENCRYPTED)
def test_logged_on_and_encrypted(strict_lab: Lab, client: str, auth: str, scheme: str) -> None:
    query = CLIENTS[client](strict_lab, scheme, auth)
    [service] = query(SERVICE)
    assert service["ClientMachineID"] == strict_lab.machine(HOST)["cmid"]
    # The connection goes on with its keys, also for messages of many kilobytes.
    assert len(query(LONG)) > 5
    [again] = query(SERVICE)
    assert again == service


@pytest.mark.parametrize("user", [USER.lower(), f"{HOST}\\{USER}", f".\\{USER}"])
def test_a_local_account_has_several_names(lab: Lab, user: str) -> None:
    assert pywinrm(lab, "http", "ntlm", username=user)(SERVICE)
    assert pypsrp(lab, "http", "ntlm", username=user)(SERVICE)


@pytest.mark.parametrize(("client", "auth"), [*ENCRYPTED, ("pywinrm", "basic"), ("pypsrp", "basic")])
@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "Nobody"}])
def test_wrong_credentials_are_refused(lab: Lab, client: str, auth: str, wrong: dict[str, str]) -> None:
    lab.clear_requests()
    with pytest.raises(REFUSED):
        CLIENTS[client](lab, "https", auth, **wrong)(SERVICE)
    assert lab.requests() == []


@pytest.mark.parametrize("client", CLIENTS)
def test_basic_needs_tls_where_encryption_is_demanded(strict_lab: Lab, client: str) -> None:
    plain = {"encryption": "never"} if client == "pypsrp" else {}
    with pytest.raises(REFUSED):
        CLIENTS[client](strict_lab, "http", "basic", **plain)(SERVICE)
    assert CLIENTS[client](strict_lab, "https", "basic")(SERVICE)


def test_a_message_that_is_not_encrypted_is_refused_as_windows_does(strict_lab: Lab) -> None:
    with pytest.raises(InvalidCredentialsError):
        pywinrm(strict_lab, "http", "ntlm", message_encryption="never")(SERVICE)
    assert pywinrm(strict_lab, "https", "ntlm", message_encryption="never")(SERVICE)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_certificate(lab: Lab, client: str) -> None:
    assert CLIENTS[client](lab, "https", "certificate", **certificate(lab, client))(SERVICE)


def test_a_client_certificate_of_another_authority(lab: Lab, strict_lab: Lab) -> None:
    foreign = certificate(strict_lab, "pywinrm")
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        pywinrm(lab, "https", "certificate", **foreign)(SERVICE)


def test_a_server_certificate_of_an_unknown_authority(lab: Lab, strict_lab: Lab) -> None:
    for query in (
        pywinrm(lab, "https", "ntlm", ca_trust_path=strict_lab.info["ca_file"]),
        pypsrp(lab, "https", "ntlm", cert_validation=strict_lab.info["ca_file"]),
    ):
        with pytest.raises(requests.exceptions.SSLError):
            query(SERVICE)


@pytest.mark.parametrize(
    "query",
    [
        lambda lab: pywinrm(lab, "https", "ntlm", send_cbt=False),
        lambda lab: pypsrp(lab, "https", "ntlm", negotiate_send_cbt=False),
    ],
)
def test_a_login_by_tls_has_to_be_bound_to_its_channel(lab: Lab, query: Callable[[Lab], Query]) -> None:
    with pytest.raises(REFUSED):
        query(lab)(SERVICE)


def test_what_is_offered(strict_lab: Lab) -> None:
    answer = requests.post(strict_lab.endpoint(HOST), timeout=10)
    offered = answer.raw.headers.getlist("WWW-Authenticate")
    assert answer.status_code == 401
    assert offered == ["Negotiate", "Kerberos", "CredSSP", 'Basic realm="WSMAN"']


def test_the_keys_of_one_connection_are_of_no_use_on_another(strict_lab: Lab) -> None:
    protocol = Protocol(strict_lab.endpoint(HOST), transport="ntlm", username=USER, password=PASSWORD)
    winrm_query(protocol, SERVICE)
    # The connection is lost; pywinrm goes on with the old keys on a new one.
    protocol.transport.build_session().close()
    with pytest.raises(Exception, match="400"):
        winrm_query(protocol, SERVICE)
