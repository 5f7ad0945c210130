# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of all modules that ask the directory to how it is reached, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from .._dns.kerberos_arguments import KERBEROS_ARGUMENTS
from .._dns.library import dns
from .._dns.library import problem as dns_problem
from .arguments import SASL
from .connection import Access, PasswordAccount
from .errors import ConnectError, InputError, LibraryError
from .kerberos import KerberosAccount

_RANGES = {"ldap_port": (1, 65535), "ldap_timeout": (1, 600)}


def is_given(options: Mapping[str, Any]) -> bool:
    """Whether the options say which directory to ask."""
    return bool(options.get("ldap_server") or options.get("ldap_domain"))


def access_of(options: Mapping[str, Any]) -> Access:
    """How the directory is reached. Raises InputError; nothing is sent, and no library is needed yet."""
    for option, (lowest, highest) in _RANGES.items():
        value = options.get(option)
        if value is not None and not lowest <= value <= highest:
            raise InputError(option, f"{value} is out of range.", f"Give a number from {lowest} to {highest}.")
    if not is_given(options):
        raise InputError(
            "ldap_server",
            "it is needed, or ldap_domain.",
            "Name a domain controller in ldap_server, or the domain in ldap_domain to have them found in DNS.",
        )
    servers = tuple(_server(text) for text in options.get("ldap_server") or ())
    domain = (options.get("ldap_domain") or "").rstrip(".")
    timeout = options["ldap_timeout"]
    access = Access(
        servers=servers,
        account=_account(options),
        encryption=options["ldap_tls"],
        port=options.get("ldap_port"),
        ca_file=options.get("ldap_ca_file") or None,
        validate=options["ldap_validate_certs"],
        timeout=timeout,
        find=partial(find_servers, domain, timeout) if domain else None,
    )
    access.check()
    return access


def _server(text: str) -> str:
    name = text.strip()
    if not name or "/" in name or name.count(":") == 1:
        raise InputError(
            "ldap_server",
            f"{text!r} is neither a host name nor an address.",
            "Give the name alone, without ldap:// and without a port, which is the option ldap_port.",
        )
    return name.strip("[]").rstrip(".")


def _account(options: Mapping[str, Any]) -> PasswordAccount | KerberosAccount:
    user, password = options.get("ldap_user"), options.get("ldap_password")
    gss = [name for name in KERBEROS_ARGUMENTS if options.get(name)]
    if user or password:
        if gss:
            raise InputError(
                gss[0], "it does not go with ldap_user.", "Log on by password or by Kerberos, not by both."
            )
        if not user or not password:
            raise InputError(
                "ldap_password" if user else "ldap_user",
                "it is needed, since the other of the two is given.",
                "Give both, or none to log on by Kerberos.",
            )
        if options["ldap_tls"] == SASL:
            raise InputError(
                "ldap_tls",
                "sasl does not protect ldap_password.",
                "Set ldap_tls to ldaps or starttls, or log on by Kerberos (gss_principal with gss_password).",
            )
        return PasswordAccount(user, password)
    sources = [name for name in ("gss_password", "gss_keytab", "gss_ccache") if options.get(name)]
    if len(sources) > 1:
        raise InputError(sources[0], f"it does not go with {sources[1]}.", "Give one source of the credential.")
    if options.get("gss_password") and not options.get("gss_principal"):
        raise InputError("gss_principal", "gss_password needs it.", "Give the account, as name@REALM.")
    return KerberosAccount(
        principal=options.get("gss_principal") or None,
        password=options.get("gss_password") or None,
        keytab=options.get("gss_keytab") or None,
        ccache=options.get("gss_ccache") or None,
        hostname=options.get("gss_hostname") or None,
    )


def find_servers(domain: str, timeout: float) -> Sequence[str]:
    """The domain controllers that the domain's SRV records name (_ldap._tcp), in their order. Raises DirectoryError."""
    if dns_problem() is not None:
        raise LibraryError(
            "MISSING_LIBRARY",
            "The Python library dnspython, which finding domain controllers needs, is not there.",
            "Install it for the Python that runs this task (pip install dnspython), or name them in ldap_server.",
        )
    name = f"_ldap._tcp.{domain}"
    try:
        answer = dns.resolver.resolve(name, "SRV", lifetime=timeout)
    except (dns.exception.DNSException, OSError):
        answer = None
    if answer is None:
        raise ConnectError(
            "NO_SERVER",
            f"DNS has no SRV record {name}, or does not answer.",
            "Check ldap_domain, and that this machine asks the DNS servers of the domain; or name domain controllers "
            "in ldap_server.",
        )
    records = sorted(answer, key=lambda record: (record.priority, -record.weight))
    return [str(record.target).rstrip(".") for record in records]
