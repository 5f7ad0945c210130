# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong with logging on or with TLS, in words: what happened, and what to do next.

Kerberos' errors are told by their numbers, since its library translates its texts; kinit alone has only texts, and runs
without a language.  Texts of the libraries are quoted where nothing better is known: none of them holds a secret.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...module_utils._dns.kerberos_errors import KERBEROS_ERRORS, minor_code

__all__ = ["PYPSRP", "PYWINRM", "Login", "Variables", "chain", "first_line"]

# Packages whose exceptions mean that logging in failed, whatever their class.
_LOGIN_PACKAGES = ("spnego", "requests_ntlm", "requests_kerberos", "winrm.vendor", "requests_credssp", "gssapi", "krb5")

_KERBEROS_CODE = re.compile(r"(?<!\d)-17653\d{5}(?!\d)")
# Authentication method -> names of HTTP's schemes that serve it.
_SCHEMES = {"certificate": "", "kerberos": "negotiate kerberos", "ntlm": "negotiate ntlm"}
# Status of a log-on (MS-ERREF), which CredSSP reports -> what it means.
_LOGON_STATUS = {
    0x8009030C: "the user name or the password is wrong",
    0xC000006D: "the user name or the password is wrong",
    0xC000006E: "a restriction of the account does not allow it",
    0xC000006F: "the account may not log on at this time",
    0xC0000070: "the account may not log on from this machine",
    0xC0000071: "the password has expired",
    0xC0000072: "the account is disabled",
    0xC0000193: "the account has expired",
    0xC0000224: "the password must be changed before the first log-on",
    0xC0000234: "the account is locked",
}

# What kinit says (MIT and Heimdal) -> number in the table of MIT Kerberos.
_KINIT_TEXTS: tuple[tuple[str, int], ...] = (
    (r"password incorrect|preauthentication failed|decrypt integrity check", -1765328360),
    (r"client .*not found|client .*unknown", -1765328378),
    (r"cannot contact any kdc|unable to reach any kdc", -1765328228),
    (r"cannot find kdc|unable to find realm", -1765328230),
    (r"clock skew", -1765328347),
    (r"password (has )?expired", -1765328361),
    (r"revoked", -1765328366),
    (r"malformed", -1765328250),
)

_TRY = "Try `kinit {user}`, `klist` and `kvno {service}` as the user and with the KRB5CCNAME that Ansible runs with."
_CLOCK = "Set the clocks of this machine and of the domain controllers right by NTP: they may differ by five minutes."
_PASSWORD = "Check ansible_user and ansible_password."
_GET_TICKET = (
    "Get one by `kinit {user}` as the user and with the KRB5CCNAME that Ansible runs with, or set ansible_password so "
    "that each run gets its own."
)
_KDC = (
    "Check the realm in ansible_user (in capitals in Active Directory), and that /etc/krb5.conf names its Kerberos "
    "servers or that this machine finds them in DNS (_kerberos._udp.<realm>)."
)
_KERBEROS_REMEDIES = {
    "TKT_EXPIRED": _GET_TICKET,
    "CC_NOTFOUND": _GET_TICKET,
    "FCC_NOFILE": _GET_TICKET,
    "CCACHE_NOMATCH": _GET_TICKET,
    "C_PRINCIPAL_UNKNOWN": "Check ansible_user: name@REALM, the realm in capitals in Active Directory.",
    "S_PRINCIPAL_UNKNOWN": (
        "Give the full name that the machine has in its domain, not an address or an alias: in ansible_host, or in "
        "{spn_host}. Check that /etc/krb5.conf leads from that name to the right realm ([domain_realm])."
    ),
    "PREAUTH_FAILED": _PASSWORD,
    "BAD_INTEGRITY": _PASSWORD,
    "PARSE_MALFORMED": "Write ansible_user as name@REALM.",
    "CONFIG_NODEFREALM": "Write ansible_user as name@REALM, or set default_realm in /etc/krb5.conf.",
    "WRONG_REALM": "Give the account's own realm in ansible_user.",
    "KEY_EXP": "Set a new password; a service account should have one that does not expire.",
    "ETYPE_NOSUPP": "Allow AES for the account (Active Directory: msDS-SupportedEncryptionTypes) and in krb5.conf.",
    "REALM_UNKNOWN": _KDC,
    "KDC_UNREACH": (
        "Check that port 88 of the domain controllers (UDP and TCP) can be reached from here, and the servers in "
        "/etc/krb5.conf."
    ),
    "SKEW": _CLOCK,
    "KDCREP_SKEW": _CLOCK,
    "TKT_NYV": _CLOCK,
}
# OpenSSL's verification errors (x509_vfy.h).
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
# What OpenSSL says where the other side does not speak TLS at all.
_NO_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


@dataclass(frozen=True)
class Variables:
    """Names of a connection plugin's variables, and of what to install for it, for texts."""

    method: str
    encryption: str
    scheme: str
    spn_host: str
    authority: str
    certificate: str
    key: str
    cbt: str
    packages: dict[str, str]
    """Authentication method -> the packages that it needs, as pip knows them."""


PYWINRM = Variables(
    method="ansible_winrm_transport",
    encryption="ansible_winrm_message_encryption",
    scheme="ansible_winrm_scheme",
    spn_host="ansible_winrm_kerberos_hostname_override",
    authority="ansible_winrm_ca_trust_path",
    certificate="ansible_winrm_cert_pem",
    key="ansible_winrm_cert_key_pem",
    cbt="ansible_winrm_send_cbt",
    packages={"kerberos": "pykerberos", "ntlm": "requests_ntlm", "credssp": "requests-credssp"},
)
PYPSRP = Variables(
    method="ansible_psrp_auth",
    encryption="ansible_psrp_message_encryption",
    scheme="ansible_psrp_protocol",
    spn_host="ansible_psrp_negotiate_hostname_override",
    authority="ansible_psrp_ca_cert",
    certificate="ansible_psrp_certificate_pem",
    key="ansible_psrp_certificate_key_pem",
    cbt="ansible_psrp_negotiate_send_cbt",
    packages={"kerberos": "gssapi krb5", "negotiate": "gssapi krb5", "credssp": "requests-credssp"},
)
_BUILT_FROM_SOURCE = (
    " This is built from source, with gcc and the headers of Python and of MIT Kerberos (Debian: python3-dev "
    "libkrb5-dev, Red Hat: python3-devel krb5-devel)."
)


@dataclass(frozen=True)
class Login:
    """How a client logs on, as far as texts need it.

    method: basic, certificate, ntlm, kerberos, negotiate or credssp; empty when it is not known.  secure: by TLS.
    sealed: bodies are encrypted with the keys of the log-in.  service: Kerberos' name of the host's service.
    """

    variables: Variables
    method: str = ""
    user: str = ""
    secure: bool = False
    sealed: bool = False
    service: str = "the host's service"

    @property
    def who(self) -> str:
        """The user, within a sentence."""
        return self.user or "the connection's user"

    def missing_library(self, name: str = "") -> str:
        """A package that the authentication method needs is not there."""
        packages = self.variables.packages.get(self.method, name or "the library of the connection plugin")
        source = _BUILT_FROM_SOURCE if self.method in ("kerberos", "negotiate") else ""
        method = f" for the authentication method {self.method}" if self.method else ""
        names = [name] if name else packages.split()
        missing = f"package {names[0]} is" if len(names) == 1 else f"packages {' and '.join(names)} are"
        return (
            f"The Python {missing} missing on the controller{method}. Install for the Python that runs Ansible: pip "
            f"install {packages}.{source}"
        )

    def refused(self, offered: Iterable[str]) -> str:
        """The host answered 401, and offers these methods."""
        names = ["certificates" if "secprofile/https/mutual" in name else name for name in offered]
        by = f" by {self.method}" if self.method else ""
        text = f"The host refuses the credentials of {self.who}{by}, or that way to log on."
        if names:
            text += f" The host offers: {', '.join(names)}."
        return " ".join([text, *self._next_steps({name.lower() for name in names})])

    def _next_steps(self, offered: set[str]) -> Iterator[str]:
        names = set(_SCHEMES.get(self.method, self.method).split())
        if self.method and names and offered and not names & offered:
            yield f"That is not how this host lets anybody log on: choose another one in {self.variables.method}."
            return
        if self.method == "certificate" and not self.secure:
            yield f"A client certificate needs TLS: set {self.variables.scheme}: https."
            return
        if self.method == "certificate":
            yield (
                "Check that the certificate is mapped to an account there (Get-ChildItem WSMan:\\localhost\\"
                f"ClientCertificate), and {self.variables.certificate}."
            )
            return
        if self.method and not self.secure and not self.sealed:
            yield (
                "The message was not encrypted, and Windows by default takes none without encryption: use HTTPS "
                f"({self.variables.scheme}: https), or ntlm, kerberos or credssp ({self.variables.method}) with "
                f"{self.variables.encryption}: auto."
            )
        if self.method == "kerberos":
            yield (
                f"Kerberos gave a ticket for {self.service}: check that this name belongs to this very machine, and "
                "that the account may log on there over the network."
            )
        else:
            yield f"Check ansible_user, ansible_password and {self.variables.method}."
        if self.method == "basic":
            yield "Basic takes accounts of the machine itself, none of a domain."
        elif self.secure and self.method in ("ntlm", "negotiate", "kerberos"):
            yield (
                "If they are right, the log-in may not be bound to the host's own certificate: something between here "
                f"and the host ends TLS and begins it anew, or {self.variables.cbt} is false."
            )

    def failure(self, exc: Exception) -> str | None:
        """What an exception of an authentication package means; None for one of another package."""
        if not type(exc).__module__.startswith(_LOGIN_PACKAGES):
            return None
        code = self._kerberos_code(exc)
        if code is not None:
            return self.kerberos(code)
        status = getattr(exc, "status", None)
        if isinstance(status, int):
            meaning = _LOGON_STATUS.get(status, f"status 0x{status:08X}")
            return f"The host refuses the credentials of {self.who} by {self.method}: {meaning}. {_PASSWORD}"
        return f"Logging in failed ({type(exc).__name__}): {first_line(exc)}"

    @staticmethod
    def _kerberos_code(exc: Exception) -> int | None:
        for link in chain(exc):
            name = type(link).__name__
            if name in ("CredentialsExpiredError", "ExpiredCredentialsError"):
                return -1765328352
            for attribute in ("err_code", "min_code"):
                number = getattr(link, attribute, None)
                if isinstance(number, int) and minor_code(number) in KERBEROS_ERRORS:
                    return minor_code(number)
            if name == "KerberosExchangeError":
                codes = _KERBEROS_CODE.findall(str(link))
                if codes:
                    return int(codes[-1])
        return None

    def kerberos(self, code: int) -> str:
        """A number in the table of MIT Kerberos."""
        user, at, realm = self.user.rpartition("@")
        names = {
            "principal": self.who,
            "source": "the credential cache",
            "service": self.service,
            "realm": f"the realm {realm}" if at and user else "the realm",
            "option": "KRB5CCNAME",
            "spn_host": self.variables.spn_host,
            "user": self.user or "<user>@<REALM>",
        }
        found = KERBEROS_ERRORS.get(code)
        text = found.text.format(**names) if found else f"error {code}"
        remedy = _KERBEROS_REMEDIES.get(found.name) if found else None
        if remedy is None:
            # Those that are about the other options of DNS modules don't fit.
            remedy = found.remedy if found and "gss_" not in found.remedy else _TRY
        return f"Logging in by Kerberos failed: {text}. {remedy.format(**names)}"

    def kinit(self, text: str) -> str:
        """kinit, which the connection plugin runs, has failed with this text."""
        for pattern, code in _KINIT_TEXTS:
            if re.search(pattern, text, re.IGNORECASE):
                return self.kerberos(code)
        if "calling kinit" in text:
            return (
                "Kerberos' program kinit cannot be run on the controller. Install it (Debian: krb5-user, Red Hat: "
                "krb5-workstation), or name it in ansible_winrm_kinit_cmd."
            )
        said = [line.strip() for line in text.splitlines() if line.strip()]
        return (
            f"Logging in by Kerberos failed: {said[-1] if said else 'kinit failed'}. Try `kinit {self.user}` by hand."
        )

    def tls(self, exc: Exception) -> str:
        """TLS could not be set up."""
        failed = "TLS could not be set up"
        for link in chain(exc):
            if isinstance(link, ssl.SSLCertVerificationError):
                return f"{failed}: {link.verify_message.rstrip('.')}. {self._distrust(link.verify_code)}"
            if isinstance(link, ssl.SSLError):
                return f"{failed}: {self._broken_off(link)}"
            # urllib3 1 compares the names itself.
            if type(link).__name__ == "CertificateError":
                return f"{failed}: {first_line(link)}. {self._distrust(_OTHER_NAME)}"
        return f"{failed}. Check the certificate, the CA file and that the port speaks HTTPS."

    def _distrust(self, code: int) -> str:
        if code in (_OTHER_NAME, _OTHER_ADDRESS):
            return (
                "The host's certificate is for other names: put one of these in ansible_host, or give the host a "
                "certificate for this one."
            )
        if code == _NOT_YET_VALID:
            return "The host's certificate is not valid yet: check the clocks of this machine and of the host."
        if code == _EXPIRED:
            return "The host's certificate has expired: renew it, or check the clock of this machine."
        return (
            "The host's certificate is of an authority that is not trusted here: give the authority's certificate "
            f"(PEM) in {self.variables.authority}."
        )

    def _broken_off(self, exc: ssl.SSLError) -> str:
        reason = exc.reason or "the host broke it off"
        if reason in _NO_TLS:
            return (
                f"{reason}. This port does not speak TLS; if it is one for HTTP (normally 5985), set "
                f"{self.variables.scheme}: http, else check that the port speaks HTTPS (normally 5986)."
            )
        if "MISMATCH" in reason:
            return f"{reason}. The key in {self.variables.key} is not that of {self.variables.certificate}."
        if self.method == "certificate":
            return f"{reason}. {self.untrusted_certificate}"
        return f"{reason}. Check the certificate, the CA file and that the port speaks HTTPS."

    @property
    def untrusted_certificate(self) -> str:
        """The host may not accept the client's certificate: it says so by hanging up."""
        return (
            "The host may not trust the client's certificate: check its validity, and that its authority is among the "
            "host's trusted root authorities, and its issuer where the mapping to an account names one. "
            f"({self.variables.certificate})"
        )

    @property
    def other_port(self) -> str:
        """The host hung up on a plain request before it answered any."""
        return f"If the port is one for HTTPS (normally 5986), set {self.variables.scheme}: https."


def first_line(exc: BaseException) -> str:
    """The beginning of an exception's text."""
    return (str(exc).strip().splitlines() or [""])[0][:300]


def chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception and everything it was made from: the libraries keep their causes in several places."""
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [*current.args, getattr(current, "reason", None), getattr(current, "base_error", None)]
        waiting += [current.__cause__, current.__context__]
