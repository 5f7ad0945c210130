# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who signs a request. A credential is any object with the two members of `Credential`.

A secret never leaves its object: dnspython's own key objects print theirs, so none is kept in an attribute that a
message, a repr or an exception could show.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Protocol

from .errors import (
    QUERY_RCODES,
    SIGNED_QUERY_RCODES,
    TSIG_ERRORS,
    UNSIGNED_UPDATE_RCODES,
    UPDATE_RCODES,
    Explanation,
    InputError,
)
from .library import dns
from .names import checked_name

# TSIG algorithms of RFC 8945 section 6 that are not deprecated.
ALGORITHMS = (
    "hmac-sha224",
    "hmac-sha256",
    "hmac-sha256-128",
    "hmac-sha384",
    "hmac-sha384-192",
    "hmac-sha512",
    "hmac-sha512-256",
)
DEFAULT_ALGORITHM = "hmac-sha256"


class Peer(Protocol):
    """The server, as a credential needs it that has to agree on a key first."""

    @property
    def host(self) -> str:
        """Its name or address, as it was given."""

    @property
    def label(self) -> str:
        """What messages call it."""

    @property
    def timeout(self) -> float:
        """How many seconds to wait for anything."""

    def ask(self, message: dns.message.Message) -> bytes:
        """Send the message as it is; the answer to it as it came. Raises TransportError."""


class Credential(Protocol):
    """Signs queries and updates."""

    @property
    def label(self) -> str:
        """What an error calls it, within a sentence; no secret."""

    @property
    def signs(self) -> bool:
        """Whether requests are signed at all."""

    @property
    def lenient(self) -> bool:
        """Whether a server may be of a kind that does not sign its answers to queries in a way that can be verified.
        A reading that is not proven is then accepted, as long as none from this server was ever proven."""

    @property
    def tsig_errors(self) -> Mapping[int, Explanation]:
        """What an error code in an answer's TSIG record means for this kind of key."""

    @property
    def query_rcodes(self) -> Mapping[int, Explanation]:
        """What an RCODE of an answer to a query means for this kind of key, where this is special."""

    @property
    def update_rcodes(self) -> Mapping[int, Explanation]:
        """The same for an answer to an update."""

    def sign(self, message: dns.message.Message, peer: Peer) -> None:
        """Have the message signed when it is put on the wire, and its answer verified."""

    def renew(self) -> bool:
        """The server does not know the key of the last message. Whether another one can be made by signing again."""


class Unsigned:
    """No signature: for servers that allow updates by address."""

    label = "a request without a key"
    signs = False
    lenient = False
    tsig_errors: Mapping[int, Explanation] = TSIG_ERRORS
    query_rcodes: Mapping[int, Explanation] = QUERY_RCODES
    update_rcodes: Mapping[int, Explanation] = UNSIGNED_UPDATE_RCODES

    def sign(self, message: dns.message.Message, peer: Peer) -> None:
        """Leave the message as it is."""

    def renew(self) -> bool:
        """There is none."""
        return False


class TsigCredential:
    """A shared secret (RFC 8945)."""

    signs = True
    lenient = False
    tsig_errors: Mapping[int, Explanation] = TSIG_ERRORS
    query_rcodes: Mapping[int, Explanation] = SIGNED_QUERY_RCODES
    update_rcodes: Mapping[int, Explanation] = UPDATE_RCODES

    def __init__(self, name: str, secret: str, algorithm: str = DEFAULT_ALGORITHM) -> None:
        """secret: base64, as in a key file; white space in it does not count. Raises InputError."""
        checked = checked_name(name, "tsig_key_name")
        if algorithm not in ALGORITHMS:
            raise InputError("tsig_algorithm", f"{algorithm!r} is not supported.", f"Choose {', '.join(ALGORITHMS)}.")
        try:
            raw = base64.b64decode("".join(secret.split()), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not raw:
            # Outside of the except clause: the decoder's exception must not travel along as context.
            raise InputError(
                "tsig_key_secret",
                "the secret is empty or not base64.",
                "Give the value of `secret` from the server's key file, without its quotation marks.",
            )
        self.label = f"the TSIG key {checked} ({algorithm})"
        self._key: Callable[[], dns.tsig.Key] = lambda: dns.tsig.Key(checked + ".", raw, algorithm)

    def __repr__(self) -> str:
        return f"<{self.label}>"

    def sign(self, message: dns.message.Message, peer: Peer) -> None:
        """Have the message signed with the shared secret."""
        message.use_tsig(self._key())

    def renew(self) -> bool:
        """A shared secret stays what it is."""
        return False
