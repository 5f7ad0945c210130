# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negotiate (NTLM and Kerberos), Kerberos and CredSSP by pyspnego's acceptor; message encryption (MS-WSMV 2.2.9.1).

A Kerberos login needs a keytab of the services HTTP, WSMAN and host of this machine: the environment's KRB5_KTNAME, as
for every acceptor of MIT Kerberos.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from . import names
from .auth import LostContext, Session, Step, Unencrypted, find_account

_BOUNDARY = b"--Encrypted Boundary"
_OCTETS = b"\tContent-Type: application/octet-stream\r\n"
_LENGTH = re.compile(rb"Length=(\d+)")
#: CredSSP's TLS has records of 16 KB; a longer message comes in several parts.
_PART = 16 * 1024
#: A Kerberos login without SPNEGO around it begins with the mechanism's OID in a GSS-API token (RFC 2743, 3.1).
_KERBEROS_OID = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

#: GSS_C_CHANNEL_BOUND_FLAG of MIT Kerberos 1.19 and later.
_CHANNEL_BOUND = 0x800


class PasswordFile:
    """The accounts of one machine in the form in which pyspnego's NTLM looks them up: lines DOMAIN:USER:PASSWORD.

    pyspnego takes the file's name from the environment, at the moment when it needs it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def use(self, machine: str, accounts: Mapping[str, tuple[str, str]]) -> None:
        lines = []
        for user, (password, _rights) in accounts.items():
            domain, _ignored, name = user.rpartition("\\")
            # A local account is named with the machine, a dot or nothing in front of it.
            domains = [domain] if domain else ["", ".", machine, machine.upper()]
            lines += [f"{one}:{name}:{password}" for one in domains]
        text = "\n".join(lines)
        path = self._directory / f"accounts-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if not path.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:
                stream.write(text)
        os.environ["NTLM_USER_FILE"] = str(path)


class SpnegoSession:
    """One login, and the keys it leaves for the messages of its connection."""

    def __init__(
        self, scheme: SpnegoScheme, machine: str, accounts: Mapping[str, tuple[str, str]], *, encrypts: bool
    ) -> None:
        self._scheme = scheme
        self._machine = machine
        self._accounts = accounts
        self._encrypts = encrypts
        self._context: Any = None
        self._sealed = False

    def step(self, token: str) -> Step:
        try:
            data = base64.b64decode(token, validate=True)
        except binascii.Error:
            return Step()
        self._scheme.passwords.use(self._machine, self._accounts)
        if self._context is None or self._context.complete:
            self._context = self._scheme.context(data)
        try:
            answer = self._context.step(data)
        except (SpnegoError, AttributeError, ValueError, struct.error):
            # AttributeError: gssapi keeps an error for later when there is a token that tells the client of it, and
            # pyspnego then asks for the flags of what has never begun.
            self._context = None
            return Step()
        challenge = f"{self._scheme.name} {base64.b64encode(answer).decode()}" if answer else ""
        if not self._context.complete:
            return Step(challenge=challenge)
        if self._scheme.demands_binding and not _is_bound(self._context):
            return Step()
        account = self._account(str(self._context.client_principal))
        return Step(account=account, challenge=challenge if account else "")

    def _account(self, principal: str) -> str | None:
        """NTLM tells DOMAIN\\user or user, Kerberos user@REALM; an account may be written in any of these forms."""
        user = principal.partition("@")[0] if "@" in principal else principal
        return find_account(self._accounts, principal) or find_account(self._accounts, user)

    def unwrap(self, body: bytes, content_type: str) -> bytes:
        if not content_type.lower().startswith("multipart/"):
            if body and self._encrypts:
                raise Unencrypted
            return body
        if self._context is None or not self._context.complete:
            raise LostContext
        self._sealed = True
        try:
            return b"".join(self._opened(body))
        except (SpnegoError, ValueError, IndexError, struct.error):
            raise LostContext from None

    def _opened(self, body: bytes) -> list[bytes]:
        parts = [part for part in re.split(rb"--\s*Encrypted Boundary\r\n", body) if part]
        messages = []
        for head, payload in zip(parts[::2], parts[1::2], strict=True):
            sealed = re.sub(rb"--\s*Encrypted Boundary--\r\n\Z", b"", payload).replace(_OCTETS, b"", 1)
            (size,) = struct.unpack("<i", sealed[:4])
            message: bytes = self._context.unwrap_winrm(sealed[4 : 4 + size], sealed[4 + size :])
            told = _LENGTH.search(head)
            if told is None or int(told[1]) != len(message):
                raise ValueError("the length of the message is not the one that its header tells")
            messages.append(message)
        return messages

    def wrap(self, envelope: bytes) -> tuple[bytes, str]:
        if not self._sealed:
            return envelope, names.CONTENT_TYPE
        size = _PART if self._scheme.in_parts else len(envelope)
        parts = [envelope[start : start + size] for start in range(0, len(envelope), size)]
        kind = "multipart/x-multi-encrypted" if len(parts) > 1 else "multipart/encrypted"
        body = b"".join(map(self._closed, parts)) + _BOUNDARY + b"--\r\n"
        return body, f'{kind};protocol="{self._scheme.protocol}";boundary="Encrypted Boundary"'

    def _closed(self, message: bytes) -> bytes:
        sealed = self._context.wrap_winrm(message)
        length = len(message) + sealed.padding_length
        lines = (
            _BOUNDARY,
            b"\tContent-Type: " + self._scheme.protocol.encode(),
            b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=" + str(length).encode(),
            _BOUNDARY,
        )
        head = b"\r\n".join(lines) + b"\r\n" + _OCTETS
        header, data = bytes(sealed.header), bytes(sealed.data)
        return head + struct.pack("<i", len(header)) + header + data


def _is_bound(context: Any) -> bool:
    """Whether a login is bound to its TLS connection.

    pyspnego's NTLM has refused it already if it is not; MIT Kerberos lets one pass that names no binding, and only says
    so in a flag, which pyspnego does not hand on.
    """
    while hasattr(context, "_context_list"):  # SPNEGO around it
        context = context._context
    return str(context.negotiated_protocol) != "kerberos" or bool(context._context_attr & _CHANNEL_BOUND)


class SpnegoScheme(ABC):
    """A scheme whose tokens pyspnego takes.

    encrypted: whether bodies must be; certificate (DER): that of the TLS connection, to which a login has to be bound.
    """

    sticky = True
    binds = True
    in_parts = False

    def __init__(self, passwords: PasswordFile, *, encrypted: bool = True, certificate: bytes | None = None) -> None:
        self.passwords = passwords
        self._encrypted = encrypted
        self._bindings = None
        if certificate is not None and self.binds:
            digest = hashlib.sha256(certificate).digest()
            self._bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + digest)

    name: str
    challenge: str
    protocol: str

    @property
    def demands_binding(self) -> bool:
        """Whether a login has to be bound to the TLS connection (CbtHardeningLevel Strict)."""
        return self._bindings is not None

    def session(self, machine: str, accounts: Mapping[str, tuple[str, str]], peer: str | None) -> Session:
        return SpnegoSession(self, machine, accounts, encrypts=self._encrypted)

    def context(self, token: bytes) -> Any:
        """An acceptor for a login that begins with this token."""
        return spnego.server(protocol=self.mechanism(token), channel_bindings=self._bindings)

    @abstractmethod
    def mechanism(self, token: bytes) -> str:
        """pyspnego's name of the mechanism of a login that begins with this token."""


class NegotiateScheme(SpnegoScheme):
    """NTLM or Kerberos, inside SPNEGO or alone, as Windows takes them."""

    name = challenge = "Negotiate"
    protocol = "application/HTTP-SPNEGO-session-encrypted"

    def mechanism(self, token: bytes) -> str:
        if token.startswith(b"NTLMSSP\0"):
            return "ntlm"
        return "kerberos" if _KERBEROS_OID in token[:24] else "negotiate"


class KerberosScheme(SpnegoScheme):
    """Kerberos alone."""

    name = challenge = "Kerberos"
    protocol = "application/HTTP-Kerberos-session-encrypted"

    def mechanism(self, token: bytes) -> str:
        return "kerberos"


class CredSspScheme(SpnegoScheme):
    """CredSSP: the client's password reaches the machine, through TLS inside the login."""

    name = challenge = "CredSSP"
    protocol = "application/HTTP-CredSSP-session-encrypted"
    in_parts = True

    binds = False  # to the connection: it has a TLS channel of its own

    def mechanism(self, token: bytes) -> str:
        return "credssp"


SPNEGO_SCHEMES: tuple[type[SpnegoScheme], ...] = (NegotiateScheme, KerberosScheme, CredSspScheme)
"""In the order in which Windows offers them."""
