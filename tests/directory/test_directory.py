# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The LDAP part against Samba: every way to encrypt and to log on, and what is said when one does not work."""

from __future__ import annotations

import selectors
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._directory.arguments import ARGUMENTS
from ansible_collections.winops.kms.plugins.module_utils._directory.errors import (
    AnswerError,
    ConnectError,
    DirectoryError,
    LogonError,
    NotPreparedError,
)
from ansible_collections.winops.kms.plugins.module_utils._directory.objects import Directory, choose
from ansible_collections.winops.kms.plugins.module_utils._directory.options import access_of
from ansible_collections.winops.kms.tests.dns_servers.base import find_program
from kmslab.model.directory import ActivationObject, LdapForest
from kmslab.model.spec import DirectorySpec

from .conftest import reading, writing
from .samba import (
    ADMINISTRATOR,
    ADMINISTRATOR_PASSWORD,
    BASE,
    CONTAINER,
    READER_PASSWORD,
    SambaDirectory,
    run,
)

SKU = "6e9fc069-257d-4bc4-b4a7-750514d32743"
PRINCIPAL = "reader@LAB.TEST"
WRONG = "Passw0rd.wrong"


def opened(options: dict[str, Any]) -> Directory:
    defaults = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
    return Directory(access_of({**defaults, **options}))


def by_kerberos(directory: SambaDirectory, **more: Any) -> dict[str, Any]:
    return {
        "ldap_server": [directory.address],
        "ldap_ca_file": str(directory.ca_file),
        "gss_hostname": directory.host,
        "gss_principal": PRINCIPAL,
        "gss_password": READER_PASSWORD,
        **more,
    }


@pytest.fixture
def made(directory: SambaDirectory) -> SambaDirectory:
    """With an object that the lab has made."""
    make(directory, "12345-000-123456-0", "Contoso", "HK222")
    return directory


def make(directory: SambaDirectory, cn: str, name: str, partial: str) -> None:
    forest = LdapForest(
        DirectorySpec(
            url=f"ldaps://{directory.address}",
            bind_dn=ADMINISTRATOR,
            password=ADMINISTRATOR_PASSWORD,
            ca_file=str(directory.ca_file),
            base=BASE,
        )
    )
    item = ActivationObject(cn, name, partial, "03612-12345", SKU, f"CN={cn},{CONTAINER}")
    forest.put(item, [str(uuid.uuid4()), str(uuid.uuid4())])
    assert item in forest.objects()


@pytest.mark.parametrize("encryption", ["ldaps", "starttls"])
def test_a_password_within_tls(made: SambaDirectory, encryption: str) -> None:
    (found,) = opened(reading(made, ldap_tls=encryption)).objects()
    assert (found.name, found.cn, found.partial_product_key) == ("Contoso", "12345-000-123456-0", "HK222")
    assert (found.activation_id, found.product_key_id) == (SKU, "03612-12345")
    assert found.created and found.created.endswith("Z")


@pytest.mark.parametrize("encryption", ["ldaps", "starttls", "sasl"])
def test_kerberos_by_password(made: SambaDirectory, encryption: str) -> None:
    (found,) = opened(by_kerberos(made, ldap_tls=encryption)).objects()
    assert found.name == "Contoso"


def test_kerberos_by_keytab_and_by_cache(made: SambaDirectory, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keytab = by_kerberos(made, ldap_tls="sasl", gss_password=None, gss_principal=None, gss_keytab=str(made.keytab))
    assert len(opened(keytab).objects()) == 1
    cache = f"FILE:{tmp_path}/tickets"
    kinit = find_program("kinit", "krb5-user")
    run(kinit, "-k", "-t", str(made.keytab), PRINCIPAL, environment={"KRB5CCNAME": cache})
    ticket = by_kerberos(made, ldap_tls="sasl", gss_password=None, gss_principal=None)
    assert len(opened({**ticket, "gss_ccache": cache}).objects()) == 1
    monkeypatch.setenv("KRB5CCNAME", cache)
    assert len(opened(ticket).objects()) == 1


def test_with_kerberos_alone_nothing_can_be_read_on_the_way(made: SambaDirectory) -> None:
    with Tap(made.address, 389) as tap:
        options = by_kerberos(made, ldap_tls="sasl", ldap_server=["127.0.0.1"], ldap_port=tap.port)
        assert len(opened(options).objects()) == 1
    assert b"GSSAPI" in tap.seen, "the log-on itself is plain LDAP"
    assert b"Contoso" not in tap.seen and b"Activation Objects" not in tap.seen


def test_more_objects_than_fit_into_one_sealed_message(directory: SambaDirectory) -> None:
    for number in range(12):
        make(directory, f"cn-{number}", f"{number:02d} " + "n" * 30, f"HK{number:03d}")
    assert [item.name[:2] for item in opened(by_kerberos(directory, ldap_tls="sasl")).objects()] == [
        f"{number:02d}" for number in range(12)
    ]


FAILURES: dict[str, tuple[Callable[[SambaDirectory], dict[str, Any]], type[DirectoryError], str, str]] = {
    "password": (
        lambda d: reading(d, ldap_password=WRONG),
        LogonError,
        "INVALID_CREDENTIALS",
        "does not accept the name or the password of the account reader@lab.test",
    ),
    "password in starttls": (
        lambda d: reading(d, ldap_password=WRONG, ldap_tls="starttls"),
        LogonError,
        "INVALID_CREDENTIALS",
        "does not accept the name or the password of the account reader@lab.test",
    ),
    "unknown account": (
        lambda d: reading(d, ldap_user="nobody@lab.test"),
        LogonError,
        "INVALID_CREDENTIALS",
        "the account nobody@lab.test",
    ),
    "authority": (
        lambda d: reading(d, ldap_ca_file=str(d.other_ca_file)),
        ConnectError,
        "CERTIFICATE_UNKNOWN_CA",
        "is not signed by an authority that is trusted here",
    ),
    "authority in starttls": (
        lambda d: reading(d, ldap_ca_file=str(d.other_ca_file), ldap_tls="starttls"),
        ConnectError,
        "CERTIFICATE_UNKNOWN_CA",
        "is not signed by an authority that is trusted here",
    ),
    "TLS on the plain port": (lambda d: reading(d, ldap_port=389), ConnectError, "TLS_FAILED", "No TLS connection"),
    "nobody listens": (
        lambda d: reading(d, ldap_server=["127.0.0.1"], ldap_port=9),
        ConnectError,
        "UNREACHABLE",
        "127.0.0.1 at port 9 cannot be reached",
    ),
    "name without address": (
        lambda d: reading(d, ldap_server=["dc9.lab.invalid"]),
        ConnectError,
        "UNREACHABLE",
        "dc9.lab.invalid at port 636 cannot be reached",
    ),
    "Kerberos password": (
        lambda d: by_kerberos(d, gss_password=WRONG),
        LogonError,
        "PREAUTH_FAILED",
        "the password or key of reader@LAB.TEST is wrong",
    ),
    "Kerberos account": (
        lambda d: by_kerberos(d, gss_principal="nobody@LAB.TEST"),
        LogonError,
        "C_PRINCIPAL_UNKNOWN",
        "there is no account nobody@LAB.TEST",
    ),
    "Kerberos service": (
        lambda d: by_kerberos(d, gss_hostname="dc9.lab.test"),
        LogonError,
        "S_PRINCIPAL_UNKNOWN",
        "Kerberos knows no service ldap/dc9.lab.test",
    ),
    "no ticket": (
        lambda d: by_kerberos(d, gss_principal=None, gss_password=None),
        LogonError,
        "CC_NOTFOUND",
        "there is no ticket in the default credential cache",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_goes_wrong_is_a_sentence(directory: SambaDirectory, case: str) -> None:
    options, kind, name, text = FAILURES[case]
    with pytest.raises(kind) as caught:
        opened(options(directory)).objects()
    assert caught.value.name == name
    assert text in caught.value.message and caught.value.message[0].isupper()
    assert caught.value.remedy.endswith(".")
    assert caught.value.__cause__ is None and WRONG not in str(caught.value)


def test_a_certificate_for_another_name(directory: SambaDirectory) -> None:
    with Tap(directory.address, 636) as tap, pytest.raises(ConnectError) as caught:
        opened(reading(directory, ldap_server=["127.0.0.1"], ldap_port=tap.port)).objects()
    assert caught.value.name == "CERTIFICATE_WRONG_NAME"
    with Tap(directory.address, 636) as tap:
        options = reading(directory, ldap_server=["127.0.0.1"], ldap_port=tap.port, ldap_validate_certs=False)
        assert opened(options).objects() == ()


def test_the_next_server_is_taken_when_one_is_gone(directory: SambaDirectory) -> None:
    found = opened(reading(directory, ldap_server=["127.0.0.1", directory.address]))
    assert found.objects() == ()
    assert directory.address in found.server
    with pytest.raises(ConnectError) as caught:
        opened(reading(directory, ldap_server=["127.0.0.1", "127.0.0.2"])).objects()
    assert "127.0.0.1 at port 636" in caught.value.message and "127.0.0.2 at port 636" in caught.value.message


def test_a_server_that_says_nothing_is_given_up(directory: SambaDirectory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for encryption in ("ldaps", "starttls"):
            options = reading(directory, ldap_server=["127.0.0.1"], ldap_port=port, ldap_timeout=1, ldap_tls=encryption)
            with pytest.raises(DirectoryError) as caught:
                opened(options).objects()
            assert caught.value.name in ("TIMEOUT", "NO_ANSWER", "UNREACHABLE"), caught.value


def test_deleting(made: SambaDirectory) -> None:
    directory = opened(writing(made))
    target = choose(directory.objects(), "contoso")
    assert target is not None
    with pytest.raises(AnswerError) as caught:
        opened(reading(made)).delete(target)
    assert caught.value.name == "INSUFFICIENT_ACCESS_RIGHTS"
    assert "does not allow it to the account reader@lab.test" in caught.value.message
    directory.delete(target)
    assert directory.objects() == ()
    directory.delete(target)


def test_a_forest_that_is_not_prepared(directory: SambaDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.winops.kms.plugins.module_utils._directory.objects"
    monkeypatch.setattr(f"{module}.CONTAINER", "CN=Not There,CN=Services")
    with pytest.raises(NotPreparedError) as caught:
        opened(reading(directory)).objects()
    assert caught.value.name == "NO_CONTAINER" and "adprep" in caught.value.remedy


class Tap:
    """Passes one connection after the other on to a server, and keeps what was said; `seen` is complete at the end."""

    def __init__(self, address: str, port: int) -> None:
        self.target = (address, port)
        self.seen = b""

    def __enter__(self) -> Tap:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        # A connection that says nothing ends the serving.
        self._closing = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()

    _closing = False

    def _serve(self) -> None:
        while True:
            client, _address = self._listener.accept()
            with client:
                if self._closing:
                    return
                with socket.create_connection(self.target) as server, selectors.DefaultSelector() as selector:
                    selector.register(client, selectors.EVENT_READ, server)
                    selector.register(server, selectors.EVENT_READ, client)
                    while self._pass_on(selector):
                        pass

    def _pass_on(self, selector: Any) -> bool:
        for key, _events in selector.select():
            try:
                data = key.fileobj.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return False
            self.seen += data
            key.data.sendall(data)
        return True
