# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS with the checks of Python's own ssl module, and a sentence for each thing that is wrong with a certificate."""

from __future__ import annotations

import ssl
from typing import Any

from .errors import ConnectError, InputError
from .library import ldap3

#: X509_V_ERR_* of OpenSSL (x509_vfy.h) -> name, what is wrong, next step.
_VERIFY: dict[int, tuple[str, str, str]] = {
    9: ("CERTIFICATE_NOT_YET_VALID", "is not valid yet", "Check the clock of this machine."),
    10: ("CERTIFICATE_EXPIRED", "has expired", "Renew it, or check the clock of this machine."),
    18: ("CERTIFICATE_UNKNOWN_CA", "is signed by itself alone", "Give it, or better its authority, in ldap_ca_file."),
    62: (
        "CERTIFICATE_WRONG_NAME",
        "is for another name",
        "Name the server in ldap_server as its certificate does, which is its full host name as a rule.",
    ),
    64: (
        "CERTIFICATE_WRONG_NAME",
        "is not for this address",
        "Name the server in ldap_server as its certificate does, which is its full host name as a rule.",
    ),
}
_UNKNOWN_CA = (
    "CERTIFICATE_UNKNOWN_CA",
    "is not signed by an authority that is trusted here",
    "Give the certificate of your certification authority (PEM) in ldap_ca_file, or add it to those that this machine "
    "trusts.",
)


def make_context(*, ca_file: str | None, validate: bool) -> ssl.SSLContext:
    """What TLS connections are made with. Raises InputError for a file that holds no certificates."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        context = None
    if context is None:
        raise InputError(
            "ldap_ca_file",
            f"{ca_file} cannot be read, or holds no certificate.",
            "Give the path of a file with certificates in PEM form, on the machine that asks the directory.",
        )
    if not validate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def failure(error: BaseException, server: str) -> ConnectError:
    """The exception for a TLS connection that did not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        name, text, remedy = _VERIFY.get(error.verify_code, _UNKNOWN_CA)
        return ConnectError(name, f"The certificate of {server} {text}.", remedy)
    if isinstance(error, TimeoutError):
        return ConnectError("TIMEOUT", f"{server} did not answer in time while TLS was set up.", "Is it an LDAPS port?")
    return ConnectError(
        "TLS_FAILED",
        f"No TLS connection with {server} came about.",
        "Check that the port speaks TLS (636: ldap_tls ldaps; 389: starttls), and that the domain controller has a "
        "certificate. Without one, Kerberos can encrypt by itself: ldap_tls sasl.",
    )


def make_tls(context: ssl.SSLContext, hostname: str) -> Any:
    """What ldap3 wraps a socket by; its attribute `error` keeps why that failed, of which ldap3 has the text alone."""

    class Tls(ldap3.Tls):  # type: ignore[misc]
        error: BaseException | None = None

        def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
            try:
                connection.socket = context.wrap_socket(connection.socket, server_hostname=hostname)
            except (OSError, ValueError) as caught:
                self.error = caught
                raise

    return Tls()
