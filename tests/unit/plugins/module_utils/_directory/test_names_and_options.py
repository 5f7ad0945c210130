# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that ask the directory, names of activation objects, and errors as sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.resolver
import pytest

from ansible_collections.winops.kms.plugins.module_utils._directory.arguments import ARGUMENTS
from ansible_collections.winops.kms.plugins.module_utils._directory.connection import Access, PasswordAccount
from ansible_collections.winops.kms.plugins.module_utils._directory.errors import (
    LOGON_DATA,
    RESULTS,
    AnswerError,
    ConnectError,
    InputError,
    LogonError,
    refused,
)
from ansible_collections.winops.kms.plugins.module_utils._directory.kerberos import KerberosAccount
from ansible_collections.winops.kms.plugins.module_utils._directory.names import checked_object_name, is_dn
from ansible_collections.winops.kms.plugins.module_utils._directory.options import (
    access_of,
    find_servers,
    is_given,
)

SECRET = "Passw0rd.secret"


def access(**options: Any) -> Access:
    defaults = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
    return access_of({**defaults, "ldap_server": ["dc1.lab.test"], **options})


def test_secrets_alone_are_not_logged() -> None:
    assert [name for name, spec in ARGUMENTS.items() if spec.get("no_log")] == ["ldap_password", "gss_password"]


@pytest.mark.parametrize("name", ["n", "n" * 40, " n ", "Büro", "a,b=c"])
def test_names_that_an_object_may_get(name: str) -> None:
    assert checked_object_name(name) == name.strip()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("n" * 41, "41 characters"),
        ("\U0001f600" * 21, "42 characters"),
        ("a\tb", "control"),
    ],
)
def test_names_that_it_may_not_get(name: str, text: str) -> None:
    with pytest.raises(InputError, match=text) as caught:
        checked_object_name(name)
    assert caught.value.option == "name"


def test_what_counts_as_a_distinguished_name() -> None:
    assert is_dn("CN=a,cn=b") and is_dn("CN=a,CN=b")
    assert not is_dn("CN=a") and not is_dn("a, b")


def test_a_password_account() -> None:
    found = access(ldap_user="u@lab.test", ldap_password=SECRET, ldap_tls="starttls", ldap_port=1389)
    assert found.account == PasswordAccount("u@lab.test", SECRET)
    assert (found.servers, found.encryption, found.port, found.timeout) == (("dc1.lab.test",), "starttls", 1389, 10)
    assert SECRET not in repr(found)


def test_kerberos_is_the_default() -> None:
    assert access().account == KerberosAccount()
    assert access().encryption == "ldaps"
    found = access(gss_principal="u@LAB.TEST", gss_password=SECRET, ldap_tls="sasl", gss_hostname="dc1.lab.test")
    assert isinstance(found.account, KerberosAccount) and SECRET not in repr(found)
    assert found.account.label == "the Kerberos principal u@LAB.TEST"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"ldap_server": None}, "ldap_server"),
        ({"ldap_server": ["ldaps://dc1.lab.test"]}, "ldap_server"),
        ({"ldap_server": ["dc1.lab.test:636"]}, "ldap_server"),
        ({"ldap_server": [""]}, "ldap_server"),
        ({"ldap_port": 0}, "ldap_port"),
        ({"ldap_timeout": 0}, "ldap_timeout"),
        ({"ldap_user": "u"}, "ldap_password"),
        ({"ldap_password": SECRET}, "ldap_user"),
        ({"ldap_user": "u", "ldap_password": SECRET, "ldap_tls": "sasl"}, "ldap_tls"),
        ({"ldap_user": "u", "ldap_password": SECRET, "gss_ccache": "x"}, "gss_ccache"),
        ({"gss_password": SECRET}, "gss_principal"),
        ({"gss_keytab": "a", "gss_ccache": "b"}, "gss_keytab"),
        ({"ldap_server": ["192.0.2.1"]}, "gss_hostname"),
        ({"ldap_ca_file": "/nonexistent/ca.pem"}, "ldap_ca_file"),
    ],
)
def test_options_that_cannot_be_right(options: dict[str, Any], option: str) -> None:
    with pytest.raises(InputError) as caught:
        access(**options)
    assert caught.value.option == option
    assert SECRET not in str(caught.value)


def test_a_file_without_certificates(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    with pytest.raises(InputError, match="holds no certificate"):
        access(ldap_ca_file=str(path))


def test_whether_a_directory_is_named() -> None:
    assert is_given({"ldap_domain": "lab.test"}) and is_given({"ldap_server": ["dc1"]})
    assert not is_given({"ldap_server": [], "ldap_domain": None})


def test_servers_by_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    class Record:
        def __init__(self, priority: int, weight: int, target: str) -> None:
            self.priority, self.weight, self.target = priority, weight, target

    asked: list[str] = []

    def resolve(name: str, kind: str, **_more: object) -> list[Record]:
        asked.append(f"{name} {kind}")
        return [Record(10, 0, "dc3.lab.test."), Record(0, 10, "dc2.lab.test."), Record(0, 100, "dc1.lab.test.")]

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    found = access(ldap_server=None, ldap_domain="lab.test.")
    assert found.servers == () and found.find is not None
    assert list(found.find()) == ["dc1.lab.test", "dc2.lab.test", "dc3.lab.test"]
    assert asked == ["_ldap._tcp.lab.test SRV"]


def test_a_domain_without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_arguments: object, **_more: object) -> None:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    with pytest.raises(ConnectError, match=r"no SRV record _ldap._tcp.lab.test") as caught:
        find_servers("lab.test", 1)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("code", [*RESULTS, 80])
def test_every_result_is_a_sentence(code: int) -> None:
    error = refused("reading", "the directory server x", "the account u", code, "server's own words")
    assert error.message.startswith("While reading: the directory server x ")
    assert error.message.endswith(f"(LDAP result {code}).") and error.remedy.endswith(".")
    assert "{" not in str(error) and "own words" not in str(error)
    assert isinstance(error, LogonError if code in (7, 8, 49) else AnswerError)


@pytest.mark.parametrize("data", LOGON_DATA)
def test_active_directory_says_why_a_log_on_is_refused(data: int) -> None:
    text = f"80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {data:x}, v4563"
    error = refused("logging on", "the directory server x", "the account u", 49, text)
    assert error.name == LOGON_DATA[data][0]
    assert "the account u" in error.message and "DSID" not in str(error)
