# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table: what is tried by which connection plugin, and what cannot work for which reason.

A row is a way to log on, a column a listener with a setting of message encryption.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .site import ALICE, DOMAIN_PASSWORD, LOCAL

_TICKET = {"ansible_user": ALICE, "ansible_password": None}
_DOMAIN = {"ansible_user": ALICE, "ansible_password": DOMAIN_PASSWORD}
#: In values, these stand for the files of the lab to which a cell belongs.
CERTIFICATE, KEY, AUTHORITY = "<client.pem>", "<client.key>", "<ca.pem>"


@dataclass(frozen=True)
class Row:
    """A way to log on by one connection plugin."""

    plugin: str
    name: str
    method: str
    variables: Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A listener: its scheme, whether it takes plain messages (AllowUnencrypted), and the client's setting."""

    scheme: str
    encryption: str
    lax: bool = False

    @property
    def name(self) -> str:
        listener = self.scheme.upper() + (" + AllowUnencrypted" if self.lax else "")
        return f"{listener}, {self.encryption}"


@dataclass(frozen=True)
class Cell:
    """One attempt. reason: why it is not supported. says: what the message of the attempt has to hold then."""

    row: Row
    column: Column
    machine: str
    reason: str = ""
    says: tuple[str, ...] = field(default=())

    @property
    def variables(self) -> dict[str, Any]:
        """Of the inventory, without the port."""
        settings: dict[str, dict[str, Any]] = {
            "winrm": {
                "ansible_winrm_scheme": self.column.scheme,
                "ansible_winrm_ca_trust_path": AUTHORITY,
                "ansible_winrm_message_encryption": self.column.encryption,
            },
            "psrp": {
                "ansible_psrp_protocol": self.column.scheme,
                "ansible_psrp_ca_cert": AUTHORITY,
                "ansible_psrp_message_encryption": self.column.encryption,
            },
        }
        return {"ansible_connection": self.row.plugin, **settings[self.row.plugin], **self.row.variables}


def _winrm(name: str, method: str, login: Mapping[str, Any], **options: Any) -> Row:
    variables = {"ansible_winrm_transport": method, **{f"ansible_winrm_{key}": value for key, value in options.items()}}
    return Row("winrm", name, method, {**login, **variables})


def _psrp(name: str, method: str, login: Mapping[str, Any], **options: Any) -> Row:
    variables = {"ansible_psrp_auth": method, **{f"ansible_psrp_{key}": value for key, value in options.items()}}
    return Row("psrp", name, method, {**login, **variables})


_KINIT = {"kinit_env_vars": ["KRB5_CONFIG"]}
ROWS = (
    _winrm("basic", "basic", LOCAL),
    _winrm("certificate", "certificate", {}, cert_pem=CERTIFICATE, cert_key_pem=KEY),
    _winrm("ntlm", "ntlm", LOCAL),
    _winrm("ntlm, domain account", "ntlm", _DOMAIN),
    _winrm("kerberos, ticket cache", "kerberos", _TICKET, kinit_mode="manual"),
    _winrm("kerberos, kinit by the plugin", "kerberos", _DOMAIN, kinit_mode="managed", **_KINIT),
    _winrm("kerberos, default for user@REALM", "kerberos", _DOMAIN, **_KINIT),
    _winrm("credssp", "credssp", LOCAL),
    _winrm("kerberos, else ntlm", "kerberos,ntlm", LOCAL, **_KINIT),
    _psrp("basic", "basic", LOCAL),
    _psrp("certificate", "certificate", {}, certificate_pem=CERTIFICATE, certificate_key_pem=KEY),
    _psrp("negotiate, local account", "negotiate", LOCAL),
    _psrp("negotiate, domain account", "negotiate", _DOMAIN),
    _psrp("ntlm", "ntlm", LOCAL),
    _psrp("kerberos, ticket cache", "kerberos", _TICKET),
    _psrp("kerberos, password", "kerberos", _DOMAIN),
    _psrp("kerberos, service WSMAN", "kerberos", _TICKET, negotiate_service="WSMAN"),
    _psrp("credssp", "credssp", LOCAL),
    _psrp("credssp, Kerberos within", "credssp", _DOMAIN, credssp_auth_mechanism="kerberos"),
)
COLUMNS = (
    Column("http", "auto"),
    Column("http", "always"),
    Column("http", "never"),
    Column("http", "never", lax=True),
    Column("https", "auto"),
    Column("https", "always"),
    Column("https", "never"),
)

_NO_SEAL = "the method has no keys to encrypt messages with"
_PLAIN = "Windows takes no unencrypted message over HTTP by default (AllowUnencrypted)"
_TLS_ONLY = "a client certificate needs TLS"


def _limits(row: Row, column: Column) -> tuple[str, tuple[str, ...]]:
    """Why a cell is not supported, and what is said then; empty for one that is."""
    sealing = row.method not in ("basic", "certificate")
    plain = column.scheme == "http"
    # pypsrp refuses what it can't encrypt, pywinrm does so for `always` alone.
    refuses = column.encryption == "always" or (row.plugin == "psrp" and plain and column.encryption == "auto")
    if not sealing and refuses:
        return (_TLS_ONLY if row.method == "certificate" and plain else _NO_SEAL), ("cannot be set up", "encryption")
    if row.method == "certificate" and plain:
        return _TLS_ONLY, (("SSL must be used",) if row.plugin == "psrp" else ("certificate needs TLS",))
    if plain and not column.lax and (not sealing or column.encryption == "never"):
        return _PLAIN, ("was not encrypted", "use HTTPS")
    return "", ()


def cells() -> Iterator[Cell]:
    """All of them, each with a machine of its own."""
    for number, (row, column) in enumerate((row, column) for row in ROWS for column in COLUMNS):
        reason, says = _limits(row, column)
        yield Cell(row, column, f"m{number:03}", reason, says)
