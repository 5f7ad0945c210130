# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asking: authentication schemes and what they do to message bodies.

A scheme makes one `Session` per connection and machine; the session keeps whatever a multi-leg scheme (Negotiate)
needs between requests, and unwraps and wraps the bodies where the scheme encrypts messages.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from . import names


@dataclass(frozen=True)
class Step:
    """Result of one leg: `account` is set once the client is known.

    `challenge` goes into WWW-Authenticate: of a 401 while the exchange goes on, of the answer itself at its end.
    Neither of both means that the client is refused.
    """

    account: str | None = None
    challenge: str = ""


class LostContext(Exception):
    """An encrypted body arrived for which there is no key any more: Windows answers 400 with an empty body."""


class Unencrypted(Exception):
    """A plain body arrived where the listener demands message encryption: Windows answers as to a wrong password."""


class Session(Protocol):
    """What one connection has agreed on with one machine."""

    def step(self, token: str) -> Step:
        """Take the client's token (what follows the scheme's name in Authorization)."""

    def unwrap(self, body: bytes, content_type: str) -> bytes:
        """The envelope inside a request's body.  Raises LostContext or Unencrypted."""

    def wrap(self, envelope: bytes) -> tuple[bytes, str]:
        """A response's body and its Content-Type."""


class Scheme(Protocol):
    """One authentication scheme of an endpoint."""

    name: str
    challenge: str
    """What the first 401 offers, e.g. `Basic realm="WSMAN"`."""
    sticky: bool
    """Whether one successful authentication covers the later requests of its connection (Negotiate)."""

    def session(self, machine: str, accounts: Mapping[str, tuple[str, str]], peer: str | None) -> Session:
        """A fresh session for a connection to this machine; `peer` is the name in the client's certificate, if any."""


def find_account(accounts: Mapping[str, tuple[str, str]], user: str) -> str | None:
    """The account a user name stands for: local names compare without case, `.\\` and `MACHINE\\` may lead."""
    for candidate in (user, user.rpartition("\\")[2]):
        for name in accounts:
            if name.lower() == candidate.lower():
                return name
    return None


class BasicSession:
    """Basic: every request carries user and password; bodies are plain."""

    def __init__(self, accounts: Mapping[str, tuple[str, str]], *, encrypted: bool = False) -> None:
        self._accounts = accounts
        self._encrypted = encrypted

    def step(self, token: str) -> Step:
        try:
            user, colon, password = base64.b64decode(token, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Step()
        account = find_account(self._accounts, user)
        if not colon or account is None:
            return Step()
        right = hmac.compare_digest(self._accounts[account][0].encode(), password.encode())
        return Step(account=account) if right else Step()

    def unwrap(self, body: bytes, content_type: str) -> bytes:
        if content_type.lower().startswith("multipart/"):
            raise LostContext
        if self._encrypted:
            raise Unencrypted
        return body

    def wrap(self, envelope: bytes) -> tuple[bytes, str]:
        return envelope, names.CONTENT_TYPE


class BasicScheme:
    """The Basic scheme with the realm that Windows names; `encrypted`: only behind TLS (AllowUnencrypted is false)."""

    name = "Basic"
    challenge = 'Basic realm="WSMAN"'
    sticky = False

    def __init__(self, *, encrypted: bool = False) -> None:
        self._encrypted = encrypted

    def session(self, machine: str, accounts: Mapping[str, tuple[str, str]], peer: str | None) -> Session:
        return BasicSession(accounts, encrypted=self._encrypted)


class CertificateSession:
    """Behind TLS with a client certificate: its name is that of the account to which Windows has mapped it."""

    def __init__(self, account: str | None) -> None:
        self._account = account

    def step(self, token: str) -> Step:
        return Step(account=self._account)

    def unwrap(self, body: bytes, content_type: str) -> bytes:
        return body

    def wrap(self, envelope: bytes) -> tuple[bytes, str]:
        return envelope, names.CONTENT_TYPE


class CertificateScheme:
    """A client says by a security profile (DSP0226, C.3) that its certificate tells who it is."""

    name = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
    challenge = name
    sticky = False

    def session(self, machine: str, accounts: Mapping[str, tuple[str, str]], peer: str | None) -> Session:
        return CertificateSession(find_account(accounts, peer) if peer else None)
