# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said when logging on or TLS fails: the libraries' exceptions as they are, no server, no Kerberos."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.kerberos_errors import KERBEROS_ERRORS
from ansible_collections.winops.kms.plugins.plugin_utils._cim.login import PYPSRP, PYWINRM, Login, Variables

USER = "alice@LAB.TEST"
KERBEROS = Login(PYWINRM, "kerberos", USER, secure=False, sealed=True, service="HTTP/win01.lab.test")
WINDOWS = ("Negotiate", "Kerberos", "CredSSP")


def made(module: str, name: str, *arguments: Any, **attributes: Any) -> Exception:
    """An exception of a package that need not be installed."""
    error: Exception = type(name, (Exception,), {"__module__": module, **attributes})(*arguments)
    return error


def exchange(text: str, code: int) -> Exception:
    """As pywinrm's copy of requests_kerberos words what pykerberos raises."""
    said = (("Unspecified GSS failure.  Minor code may provide more information", 851968), (text, code))
    return made(
        "winrm.vendor.requests_kerberos.exceptions", "KerberosExchangeError", f"authGSSClientStep() failed: {said}"
    )


def gss(minor: int) -> Exception:
    """As pyspnego hands on what gssapi raises, whose numbers have no sign."""
    base = made("gssapi.raw.misc", "GSSError", min_code=minor + 2**32)
    return made("spnego.exceptions", "SpnegoError", "SpnegoError (4294967295): Major (851968)", base_error=base)


def krb5(code: int) -> Exception:
    return made("krb5._exceptions", "Krb5Error", f"some text {code}", err_code=code)


@pytest.mark.parametrize("wrap", [lambda code: exchange("Texte traduit", code), gss, krb5])
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (-1765328352, ["has expired", f"`kinit {USER}`", "ansible_password"]),
        (-1765328243, ["there is no ticket", "KRB5CCNAME"]),
        (-1765328377, ["Kerberos knows no service HTTP/win01.lab.test", "ansible_winrm_kerberos_hostname_override"]),
        (-1765328360, [f"password or key of {USER} is wrong", "ansible_password"]),
        (-1765328378, [f"there is no account {USER}", "ansible_user"]),
        (-1765328228, ["no Kerberos server of the realm LAB.TEST answers", "port 88"]),
        (-1765328347, ["the clocks differ", "NTP"]),
        (-1765328366, ["disabled or locked"]),
    ],
)
def test_kerberos_is_told_by_its_numbers(wrap: Callable[[int], Exception], code: int, says: list[str]) -> None:
    text = KERBEROS.failure(wrap(code))
    assert text is not None and text.startswith("Logging in by Kerberos failed: ")
    assert "traduit" not in text
    for words in says:
        assert words in text


@pytest.mark.parametrize("code", [*KERBEROS_ERRORS, -1765328383])
@pytest.mark.parametrize("user", [USER, "alice", ""])
def test_every_number_gives_whole_sentences_about_the_connection(code: int, user: str) -> None:
    text = Login(PYPSRP, "kerberos", user).kerberos(code)
    assert text.endswith(".") and "{" not in text and "gss_" not in text


def test_an_expired_credential_has_no_number_of_its_own() -> None:
    error = made("spnego.exceptions", "CredentialsExpiredError", "SpnegoError (11): Major (720896)")
    assert "has expired" in str(KERBEROS.failure(error))


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("kinit: Password incorrect while getting initial credentials", "password or key of"),
        ("kinit: Preauthentication failed while getting initial credentials", "password or key of"),
        ("kinit: Client 'a@B' not found in Kerberos database while getting initial credentials", "there is no account"),
        ("kinit: Cannot contact any KDC for realm 'LAB.TEST' while getting initial credentials", "answers"),
        (
            'kinit: Cannot find KDC for realm "LAB.TEST" while getting initial credentials',
            "no Kerberos server is known",
        ),
        ("kinit: Clock skew too great while getting initial credentials", "the clocks differ"),
        ("kinit: Password has expired while getting initial credentials", "has expired"),
        ("kinit: Client's credentials have been revoked while getting initial credentials", "disabled or locked"),
        ("kinit: Something that nobody knows", "kinit: Something that nobody knows. Try `kinit"),
    ],
)
def test_kinit_is_told_by_its_text(said: str, says: str) -> None:
    text = KERBEROS.kinit(f"Kerberos auth failure for principal {USER}: Password for {USER}: \n{said}")
    assert says in text


def test_kinit_that_is_not_there() -> None:
    text = KERBEROS.kinit("Kerberos auth failure when calling kinit cmd 'kinit': [Errno 2] No such file or directory")
    assert "krb5-user" in text and "ansible_winrm_kinit_cmd" in text


def test_a_status_of_credssp() -> None:
    login = Login(PYWINRM, "credssp", "Administrator")
    refused = made("requests_credssp.exceptions", "NTStatusException", status=0x8009030C)
    assert "user name or the password is wrong" in str(login.failure(refused))
    assert "locked" in str(login.failure(made("requests_credssp.exceptions", "NTStatusException", status=0xC0000234)))
    assert "0xC00000BB" in str(
        login.failure(made("requests_credssp.exceptions", "NTStatusException", status=0xC00000BB))
    )


def test_an_exception_of_any_other_package_is_none_of_these() -> None:
    assert Login(PYWINRM).failure(ValueError("x")) is None


# --- 401 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "offered", "says", "never"),
    [
        (Login(PYWINRM, "basic", "a"), WINDOWS, ["not how this host", "ansible_winrm_transport"], ["ansible_password"]),
        (Login(PYPSRP, "basic", "a"), (*WINDOWS, "Basic"), ["not encrypted", "ansible_psrp_protocol: https"], []),
        (Login(PYPSRP, "basic", "a", secure=True), ("Basic",), ["none of a domain"], ["not encrypted"]),
        (
            Login(PYWINRM, "ntlm", "a"),
            WINDOWS,
            ["not encrypted", "ansible_winrm_message_encryption: auto"],
            ["TLS and"],
        ),
        (
            Login(PYWINRM, "ntlm", "a", sealed=True),
            WINDOWS,
            ["ansible_user, ansible_password and ansible_winrm_transport"],
            ["not encrypted", "certificate"],
        ),
        (Login(PYWINRM, "ntlm", "a", secure=True), WINDOWS, ["own certificate"], ["not encrypted"]),
        (Login(PYPSRP, "ntlm", "a", sealed=True), ("CredSSP", "Basic"), ["not how this host"], []),
        (KERBEROS, WINDOWS, ["gave a ticket for HTTP/win01.lab.test"], ["own certificate"]),
        (Login(PYWINRM, "certificate", secure=True), WINDOWS, ["mapped to an account"], ["ansible_password"]),
        (Login(PYWINRM, "certificate"), WINDOWS, ["needs TLS", "ansible_winrm_scheme: https"], ["mapped"]),
        (Login(PYPSRP), (), ["refuses the credentials of the connection's user"], ["offers"]),
    ],
)
def test_refused(login: Login, offered: tuple[str, ...], says: list[str], never: list[str]) -> None:
    text = login.refused(offered)
    for words in says:
        assert words in text
    for words in never:
        assert words not in text


# --- TLS ------------------------------------------------------------------------------------------------------------


def distrust(code: int) -> Exception:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "what OpenSSL says"
    return error


def broken_off(reason: str | None) -> Exception:
    error = ssl.SSLError(1, "x")
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("error", "method", "says"),
    [
        (distrust(62), "ntlm", "other names"),
        (distrust(64), "ntlm", "other names"),
        (made("urllib3.packages.ssl_match_hostname", "CertificateError"), "ntlm", "other names"),
        (distrust(9), "ntlm", "not valid yet"),
        (distrust(10), "ntlm", "has expired"),
        (distrust(20), "ntlm", "ansible_psrp_ca_cert"),
        (broken_off("WRONG_VERSION_NUMBER"), "ntlm", "ansible_psrp_protocol: http,"),
        (broken_off("KEY_VALUES_MISMATCH"), "certificate", "ansible_psrp_certificate_key_pem"),
        (broken_off("TLSV1_ALERT_UNKNOWN_CA"), "certificate", "trusted root authorities"),
        (broken_off(None), "certificate", "trusted root authorities"),
        (broken_off("TLSV1_ALERT_INTERNAL_ERROR"), "ntlm", "speaks HTTPS"),
        (OSError("x"), "ntlm", "speaks HTTPS"),
    ],
)
def test_tls(error: Exception, method: str, says: str) -> None:
    # As it comes: wrapped by urllib3, and that by requests.
    wrapped = made("requests.exceptions", "SSLError", made("urllib3.exceptions", "MaxRetryError", reason=error))
    text = Login(PYPSRP, method, "a", secure=True).tls(wrapped)
    assert text.startswith("TLS could not be set up") and says in text


# --- libraries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "method", "name", "says"),
    [
        (PYWINRM, "kerberos", "", "pip install pykerberos"),
        (PYWINRM, "credssp", "", "pip install requests-credssp"),
        (PYPSRP, "kerberos", "", "pip install gssapi krb5"),
        (PYPSRP, "credssp", "requests_credssp", "package requests_credssp is missing"),
        (PYWINRM, "", "xmltodict", "pip install xmltodict"),
    ],
)
def test_missing_library(variables: Variables, method: str, name: str, says: str) -> None:
    text = Login(variables, method).missing_library(name)
    assert says in text
    assert ("built from source" in text) is (method == "kerberos")


def test_the_text_of_a_library_is_quoted_where_nothing_better_is_known() -> None:
    error = made("spnego.exceptions", "SpnegoError", "No idea\nsecond line", reason=SimpleNamespace())
    assert Login(PYPSRP, "ntlm").failure(error) == "Logging in failed (SpnegoError): No idea"
