# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging on by Kerberos (SASL GSSAPI, RFC 4752), within TLS or with Kerberos' own encryption.

ldap3 itself can only log on. Domain controllers that insist on signing, or on a log-on that is bound to its TLS
connection (channel binding, RFC 5929), need what is here. The library `gssapi` is only imported when it is used.
"""

from __future__ import annotations

import hashlib
import importlib
import traceback
import uuid
from dataclasses import dataclass, field
from typing import Any

from .._dns.kerberos_errors import CACHE_EMPTY, CACHE_MISSING, KERBEROS_ERRORS, KEYTAB_WITHOUT_KEY, minor_code
from .errors import ConnectError, DirectoryError, LibraryError, LogonError, refused
from .library import ldap3

INSTALL = (
    "Install it for the Python that runs this task: the package python3-gssapi of the distribution, or `pip install "
    "gssapi`, which is built from source and needs gcc, and the headers of Python (python3-dev) and of MIT Kerberos "
    "(Debian: libkrb5-dev, Red Hat: krb5-devel). Or log on with ldap_user and ldap_password."
)

_KERBEROS = "1.2.840.113554.1.2.2"
_S_PRINCIPAL_UNKNOWN = -1765328377
_MOST_ROUNDS = 6

# Security layers of RFC 4752.
_NO_LAYER = 1
_CONFIDENTIALITY = 4
_LARGEST_BUFFER = 0xFFFFFF
_CHUNK = 60_000

#: Object identifiers of signatures with SHA-384 and SHA-512 in DER; every other certificate is hashed with SHA-256.
_HASHES = (
    (bytes.fromhex("2a864886f70d01010c"), "sha384"),
    (bytes.fromhex("2a864886f70d01010d"), "sha512"),
    (bytes.fromhex("2a8648ce3d040303"), "sha384"),
    (bytes.fromhex("2a8648ce3d040304"), "sha512"),
)

Library = Any  # the module `gssapi`: it may be missing, and not every release of it has types


def load_library() -> Library:
    """The module `gssapi`. Raises LibraryError."""
    try:
        return importlib.import_module("gssapi")
    except (ImportError, OSError):
        detail = traceback.format_exc().strip().splitlines()[-1]
    raise LibraryError(
        "MISSING_LIBRARY",
        f"The Python library gssapi, which logging on by Kerberos needs, cannot be imported ({detail}).",
        INSTALL,
    )


@dataclass(frozen=True)
class KerberosAccount:
    """Who logs on: the account of a credential cache (the default one if nothing is given), a keytab, or a password."""

    principal: str | None = None
    password: str | None = field(default=None, repr=False)
    keytab: str | None = None
    ccache: str | None = None
    hostname: str | None = None

    @property
    def label(self) -> str:
        """What an error calls it, within a sentence."""
        return f"the Kerberos principal {self.principal}" if self.principal else f"the account of {self.source}"

    @property
    def source(self) -> str:
        """Where its ticket comes from, within a sentence."""
        if self.keytab:
            return f"the keytab {self.keytab}"
        return f"the credential cache {self.ccache}" if self.ccache else "the default credential cache"

    def acquire(self, library: Library) -> Any:
        """The credential handle. Raises what the library raises."""
        name = library.Name(self.principal, library.NameType.kerberos_principal) if self.principal else None
        mechanisms = [library.OID.from_int_seq(_KERBEROS)]
        if self.password is not None:
            found = library.raw.acquire_cred_with_password(
                name, self.password.encode(), usage="initiate", mechs=mechanisms
            )
            return library.Credentials(found.creds)
        store: dict[str, str] | None = None
        if self.keytab:
            # A ticket cache of its own in memory, so that no other ticket is found, and none is left behind.
            store = {"client_keytab": self.keytab, "ccache": f"MEMORY:{uuid.uuid4()}"}
        elif self.ccache:
            store = {"ccache": self.ccache}
        return library.Credentials(name=name, usage="initiate", mechs=mechanisms, store=store)

    def explain(self, error: Any, service: str) -> LogonError:
        """The exception for one of the library's."""
        code = minor_code(error.min_code)
        if self.keytab and code in (CACHE_EMPTY, CACHE_MISSING):
            code = KEYTAB_WITHOUT_KEY  # which leaves the ticket cache in memory empty
        names = {
            "principal": self.principal or self.label,
            "source": self.source,
            "service": service,
            "realm": f"the realm {self.principal.rpartition('@')[2]}"
            if self.principal and "@" in self.principal
            else "the realm",
            "option": "gss_keytab" if self.keytab else "gss_ccache" if self.ccache else "KRB5CCNAME",
        }
        explanation = KERBEROS_ERRORS.get(code)
        name = explanation.name if explanation else "KERBEROS"
        text = explanation.text.format(**names) if explanation else f"Kerberos failed (code {code})"
        remedy = explanation.remedy.format(**names) if explanation else "Check Kerberos on this machine by kinit."
        if code == _S_PRINCIPAL_UNKNOWN:
            remedy = (
                "Give the full host name of the domain controller in ldap_server, not an alias, an address or the name "
                "of the domain; or its name in gss_hostname. Check that its realm is that of the account, or one that "
                "it trusts."
            )
        return LogonError(name, f"No Kerberos session with {service}: {text}.", remedy)


def log_on(connection: Any, account: KerberosAccount, host: str, server: str, *, encrypt: bool) -> None:
    """Log the open connection on; encrypt: have Kerberos encrypt what follows, for a connection without TLS.

    host: the server's name in Kerberos; server: what messages call it.
    Raises LogonError, and ConnectError when the server does not keep to the protocol.
    """
    library = load_library()
    service = f"ldap/{host}"
    try:
        failure: DirectoryError | None = _negotiate(connection, account, library, service, server, encrypt=encrypt)
    except library.exceptions.GSSError as error:
        failure = account.explain(error, service)
    # Outside of the except clause: the library's exception must not travel along as context.
    if failure is not None:
        raise failure


def _negotiate(
    connection: Any, account: KerberosAccount, library: Library, service: str, server: str, *, encrypt: bool
) -> DirectoryError | None:
    flag = library.RequirementFlag
    wanted = flag.mutual_authentication | flag.integrity | flag.replay_detection | flag.out_of_sequence_detection
    context = library.SecurityContext(
        # As a principal: a host-based name would be looked up in DNS, and end as the name of something else.
        name=library.Name(f"{service}@", library.NameType.kerberos_principal),
        creds=account.acquire(library),
        usage="initiate",
        mech=library.OID.from_int_seq(_KERBEROS),
        flags=wanted | (flag.confidentiality if encrypt else 0),
        channel_bindings=_channel_bindings(connection.socket, library),
    )
    token: bytes | None = None
    for _round in range(_MOST_ROUNDS):
        token = context.step(token)
        answer = _send(connection, token or b"", account, server)
        if context.complete:
            break
        token = answer
    else:
        return _unfinished(server)
    offered = bytes(context.unwrap(answer).message)
    layer = _CONFIDENTIALITY if encrypt else _NO_LAYER
    if len(offered) != 4:
        return _unfinished(server)
    if not offered[0] & layer:
        return ConnectError(
            "NO_COMMON_PROTECTION",
            f"{server} does not offer the protection that is asked for.",
            "Set ldap_tls to ldaps or starttls."
            if encrypt
            else "The server wants Kerberos' own encryption: set ldap_tls to sasl.",
        )
    largest = int.from_bytes(offered[1:], "big") or _CHUNK
    buffer = _LARGEST_BUFFER if encrypt else 0
    choice = bytes([layer]) + buffer.to_bytes(3, "big")
    _send(connection, context.wrap(choice, False).message, account, server, last=True)
    if encrypt:
        connection.socket = SealedSocket(connection.socket, context, library, min(_CHUNK, largest // 2))
    connection.bound = True
    return None


def _send(connection: Any, token: bytes, account: KerberosAccount, server: str, *, last: bool = False) -> bytes:
    """One step of the log-on; the server's token."""
    connection.sasl_in_progress = True
    try:
        result = ldap3.protocol.sasl.sasl.send_sasl_negotiation(connection, None, token)
    finally:
        connection.sasl_in_progress = False
    if result["result"] not in ((0,) if last else (0, 14)):
        raise refused("logging on", server, account.label, result["result"], result.get("message", ""))
    return bytes(result.get("saslCreds") or b"")


def _unfinished(server: str) -> ConnectError:
    return ConnectError(
        "BAD_ANSWER",
        f"{server} left the Kerberos log-on unfinished.",
        "Check that it is a domain controller, and look at its event log.",
    )


def _channel_bindings(socket: Any, library: Library) -> Any:
    """What ties the log-on to this TLS connection (tls-server-end-point); None without TLS."""
    get_certificate = getattr(socket, "getpeercert", None)
    certificate = get_certificate(True) if get_certificate else None
    if not certificate:
        return None
    kind = next((kind for oid, kind in _HASHES if oid in certificate), "sha256")
    digest = hashlib.new(kind, certificate).digest()
    return library.raw.ChannelBindings(application_data=b"tls-server-end-point:" + digest)


class SealedSocket:
    """A socket whose messages Kerberos signs and encrypts: each is preceded by its length in four bytes."""

    def __init__(self, socket: Any, context: Any, library: Library, chunk: int) -> None:
        self._socket = socket
        self._context = context
        self._library = library
        self._chunk = max(chunk, 1024)
        self._received = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), self._chunk):
            token = self._context.wrap(bytes(data[start : start + self._chunk]), True).message
            self._socket.sendall(len(token).to_bytes(4, "big") + token)

    def recv(self, size: int) -> bytes:
        if not self._received:
            length = int.from_bytes(self._exactly(4), "big")
            if not length:
                return b""
            if length > _LARGEST_BUFFER:
                raise OSError("the sealed message is longer than was agreed")
            token = self._exactly(length)
            try:
                self._received = self._context.unwrap(token).message
            except self._library.exceptions.GSSError:
                self._received = b""
            if not self._received:
                raise OSError("the sealed message cannot be opened")
        found, self._received = self._received[:size], self._received[size:]
        return found

    def _exactly(self, size: int) -> bytes:
        """So many bytes; none when the connection ended before the first."""
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                if data:
                    raise OSError("the connection ended within a sealed message")
                return b""
            data += more
        return data
