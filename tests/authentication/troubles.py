# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong when somebody logs on, and what is said then: a table, one row for each connection plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .cells import AUTHORITY, CERTIFICATE, KEY
from .site import ALICE, DEAD_REALM, DOMAIN_PASSWORD, LATE, LOCAL, REALM, STRANGER

WRONG = "Wrong-Secret-7"
FOREIGN_CERTIFICATE, FOREIGN_KEY, FOREIGN_AUTHORITY = "<foreign.pem>", "<foreign.key>", "<foreign-ca.pem>"
"""Files of the other lab, whose authority this one does not know."""
HTTP_PORT, HTTPS_PORT, RELAY_PORT = "<http>", "<https>", "<relay>"
OTHER_NAME = "127.1"
"""A name of this machine that stands in no certificate."""


@dataclass(frozen=True)
class Trouble:
    """says: words of the message. libraries: packages that are missing on the controller."""

    name: str
    plugin: str
    machine: str
    scheme: str
    variables: Mapping[str, Any]
    says: tuple[str, ...]
    libraries: tuple[str, ...] = ()

    @property
    def all_variables(self) -> dict[str, Any]:
        """Of the inventory; what the trouble itself says comes last."""
        common: dict[str, dict[str, Any]] = {
            "winrm": {"ansible_winrm_scheme": self.scheme, "ansible_winrm_ca_trust_path": AUTHORITY},
            "psrp": {"ansible_psrp_protocol": self.scheme, "ansible_psrp_ca_cert": AUTHORITY},
        }
        return {"ansible_connection": self.plugin, **common[self.plugin], **self.variables}


_KINIT = {"ansible_winrm_kinit_env_vars": ["KRB5_CONFIG"]}
#: What a trouble means -> variables of it by plugin.
_BY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "basic": ({"ansible_winrm_transport": "basic"}, {"ansible_psrp_auth": "basic"}),
    "ntlm": ({"ansible_winrm_transport": "ntlm"}, {"ansible_psrp_auth": "ntlm"}),
    "credssp": ({"ansible_winrm_transport": "credssp"}, {"ansible_psrp_auth": "credssp"}),
    "kerberos": ({"ansible_winrm_transport": "kerberos", **_KINIT}, {"ansible_psrp_auth": "kerberos"}),
    "certificate": ({"ansible_winrm_transport": "certificate"}, {"ansible_psrp_auth": "certificate"}),
    "plain": ({"ansible_winrm_message_encryption": "never"}, {"ansible_psrp_message_encryption": "never"}),
    "http": ({"ansible_winrm_scheme": "http"}, {"ansible_psrp_protocol": "http"}),
    "other service": (
        {"ansible_winrm_kerberos_hostname_override": "nosuch.lab.test"},
        {"ansible_psrp_negotiate_hostname_override": "nosuch.lab.test"},
    ),
    "foreign authority": (
        {"ansible_winrm_ca_trust_path": FOREIGN_AUTHORITY},
        {"ansible_psrp_ca_cert": FOREIGN_AUTHORITY},
    ),
    "own certificate": (
        {"ansible_winrm_cert_pem": CERTIFICATE, "ansible_winrm_cert_key_pem": KEY},
        {"ansible_psrp_certificate_pem": CERTIFICATE, "ansible_psrp_certificate_key_pem": KEY},
    ),
    "foreign certificate": (
        {"ansible_winrm_cert_pem": FOREIGN_CERTIFICATE, "ansible_winrm_cert_key_pem": FOREIGN_KEY},
        {"ansible_psrp_certificate_pem": FOREIGN_CERTIFICATE, "ansible_psrp_certificate_key_pem": FOREIGN_KEY},
    ),
    "other key": (
        {"ansible_winrm_cert_pem": CERTIFICATE, "ansible_winrm_cert_key_pem": FOREIGN_KEY},
        {"ansible_psrp_certificate_pem": CERTIFICATE, "ansible_psrp_certificate_key_pem": FOREIGN_KEY},
    ),
    "no file": (
        {"ansible_winrm_cert_pem": "/nowhere.pem", "ansible_winrm_cert_key_pem": "/nowhere.key"},
        {"ansible_psrp_certificate_pem": "/nowhere.pem", "ansible_psrp_certificate_key_pem": "/nowhere.key"},
    ),
    "not bound": ({"ansible_winrm_send_cbt": False}, {"ansible_psrp_negotiate_send_cbt": False}),
}
#: The variables that the remedies name, by plugin.
_METHOD = ("ansible_winrm_transport", "ansible_psrp_auth")
_SCHEME = ("ansible_winrm_scheme", "ansible_psrp_protocol")
_AUTHORITY = ("ansible_winrm_ca_trust_path", "ansible_psrp_ca_cert")
_CERTIFICATE = ("ansible_winrm_cert_pem", "ansible_psrp_certificate_pem")
_SPN = ("ansible_winrm_kerberos_hostname_override", "ansible_psrp_negotiate_hostname_override")
_PACKAGE = ("pip install pykerberos", "pip install gssapi krb5")

_LOCAL_WRONG = {**LOCAL, "ansible_password": WRONG}
_DOMAIN_WRONG = {"ansible_user": ALICE, "ansible_password": WRONG}
_REFUSED = ("refuses the credentials of Administrator", "password")


def _ticket(user: str) -> dict[str, Any]:
    return {"ansible_user": user, "ansible_password": None}


def _domain(user: str) -> dict[str, Any]:
    return {"ansible_user": user, "ansible_password": DOMAIN_PASSWORD}


Says = tuple["str | tuple[str, str]", ...]
#: Name, scheme, what of _BY, variables, words (a pair is by plugin).
_ROWS: tuple[tuple[str, str, tuple[str, ...], Mapping[str, Any], Says], ...] = (
    ("wrong password: basic", "https", ("basic",), _LOCAL_WRONG, (*_REFUSED, "none of a domain")),
    ("wrong password: ntlm", "http", ("ntlm",), _LOCAL_WRONG, (*_REFUSED, "by ntlm")),
    ("wrong password: ntlm by TLS", "https", ("ntlm",), _LOCAL_WRONG, (*_REFUSED, "by ntlm")),
    ("wrong password: credssp", "http", ("credssp",), _LOCAL_WRONG, (*_REFUSED, "by credssp")),
    ("wrong password: kerberos", "http", ("kerberos",), _DOMAIN_WRONG, (ALICE, "password", "ansible_password")),
    ("no such account", "http", ("ntlm",), {**LOCAL, "ansible_user": "Nobody"}, ("credentials of Nobody", "user")),
    (
        "no such account: kerberos",
        "http",
        ("kerberos",),
        _domain(f"nobody@{REALM}"),
        (f"there is no account nobody@{REALM}", "ansible_user"),
    ),
    (
        "an account without rights there",
        "http",
        ("kerberos",),
        _ticket(STRANGER),
        (f"credentials of {STRANGER}", "Kerberos gave a ticket for", "may log on there"),
    ),
    ("expired ticket", "http", ("kerberos",), _ticket(LATE), ("has expired", f"`kinit {LATE}`", "ansible_password")),
    (
        "no ticket",
        "http",
        ("kerberos",),
        _ticket(f"nobody@{REALM}"),
        ("there is no ticket", f"`kinit nobody@{REALM}`", "KRB5CCNAME", "ansible_password"),
    ),
    (
        "KDC that does not answer",
        "http",
        ("kerberos",),
        _domain(f"bob@{DEAD_REALM}"),
        (f"no Kerberos server of the realm {DEAD_REALM} answers", "port 88"),
    ),
    (
        "realm that is not known",
        "http",
        ("kerberos",),
        _domain("bob@ELSEWHERE.TEST"),
        ("no Kerberos server is known for the realm ELSEWHERE.TEST", "krb5.conf"),
    ),
    (
        "service that is not known",
        "http",
        ("kerberos", "other service"),
        _ticket(ALICE),
        ("Kerberos knows no service", "/nosuch.lab.test", _SPN),
    ),
    ("server's certificate is not trusted", "https", ("ntlm", "foreign authority"), LOCAL, ("TLS", _AUTHORITY)),
    (
        "server's certificate has another name",
        "https",
        ("ntlm",),
        {**LOCAL, "ansible_host": OTHER_NAME},
        ("TLS", OTHER_NAME, "other names", "ansible_host"),
    ),
    (
        "client's certificate is not trusted",
        "https",
        ("certificate", "foreign certificate"),
        {},
        ("client's certificate", "trusted root authorities", _CERTIFICATE),
    ),
    ("client's key is another one", "https", ("certificate", "other key"), {}, ("is not that of", _CERTIFICATE)),
    ("client's certificate is not there", "https", ("certificate", "no file"), {}, ("/nowhere.pem",)),
    (
        "plain listener that demands encryption: basic",
        "http",
        ("basic", "plain"),
        LOCAL,
        ("was not encrypted", "use HTTPS", _SCHEME, _METHOD),
    ),
    (
        "plain listener that demands encryption: ntlm",
        "http",
        ("ntlm", "plain"),
        LOCAL,
        ("was not encrypted", "use HTTPS", _SCHEME),
    ),
    (
        "plain HTTP to a port with TLS",
        "https",
        ("ntlm", "http"),
        LOCAL,
        ("dropped", "one for HTTPS", (f"{_SCHEME[0]}: https", f"{_SCHEME[1]}: https")),
    ),
    (
        "TLS to a port without",
        "https",
        ("ntlm",),
        {**LOCAL, "ansible_port": HTTP_PORT},
        ("does not speak TLS", (f"{_SCHEME[0]}: http", f"{_SCHEME[1]}: http")),
    ),
    (
        "log-on not bound to its TLS channel",
        "https",
        ("ntlm", "not bound"),
        LOCAL,
        ("refuses the credentials", "bound to the host's own certificate"),
    ),
    (
        "log-on not bound to its TLS channel: kerberos",
        "https",
        ("kerberos", "not bound"),
        _ticket(ALICE),
        ("refuses the credentials", "bound to the host's own certificate"),
    ),
    (
        "something ends TLS on the way: ntlm",
        "https",
        ("ntlm",),
        {**LOCAL, "ansible_port": RELAY_PORT},
        ("refuses the credentials", "bound to the host's own certificate"),
    ),
    (
        "something ends TLS on the way: kerberos",
        "https",
        ("kerberos",),
        {**_ticket(ALICE), "ansible_port": RELAY_PORT},
        ("refuses the credentials", "bound to the host's own certificate"),
    ),
)
#: Name, method, what is not there, variables, words.
_MISSING: tuple[tuple[str, str, tuple[str, ...], Mapping[str, Any], Says], ...] = (
    ("kerberos", "kerberos", ("kerberos", "gssapi"), _ticket(ALICE), ("missing on the controller", _PACKAGE)),
    ("credssp", "credssp", ("requests_credssp",), LOCAL, ("pip install requests-credssp", "credssp")),
)


def _troubles() -> Iterator[Trouble]:
    for number, plugin in enumerate(("winrm", "psrp")):

        def variables(kinds: tuple[str, ...], more: Mapping[str, Any], number: int = number) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for kind in kinds:
                found |= _BY[kind][number]
            return {**found, **more}

        def words(says: Says, number: int = number) -> tuple[str, ...]:
            return tuple(one if isinstance(one, str) else one[number] for one in says)

        for index, (name, scheme, kinds, more, says) in enumerate(_ROWS):
            yield Trouble(name, plugin, f"t{number}{index:02}", scheme, variables(kinds, more), words(says))
        for index, (name, method, libraries, more, says) in enumerate(_MISSING):
            text = f"library that is not installed: {name}"
            given = variables((method,), more)
            yield Trouble(text, plugin, f"l{number}{index:02}", "http", given, words(says), libraries)


TROUBLES = tuple(_troubles())
