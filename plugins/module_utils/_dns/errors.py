# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong while a record is published, as one exception tree.

Every error says what happened and where (`message`) and what the likely cause and the next step are (`remedy`).
Both are written here or beside the check that raises; text that came from a server is never passed on.

    DnsError
        InputError         an option cannot be right; nothing was sent
        LibraryError       a Python library that the options ask for is missing
        KerberosError      no ticket for the server, or one that cannot be used
        TransportError     no usable answer
            UnreachableError   no connection; nothing was sent
            NoAnswerError      the request was sent, its answer was lost: it may or may not have been carried out
        ServerError        the server answered with an error code
        SignatureError     the answer's signature is wrong
        ZoneError          this server or this name is the wrong place for the record
        ConvergenceError   the server accepts updates, but the record set does not become what it should be
"""

from __future__ import annotations

from typing import NamedTuple


class DnsError(Exception):
    """name: symbol, such as REFUSED or TIMEOUT. code: number of the RCODE or TSIG error where there is one."""

    def __init__(self, name: str, message: str, remedy: str, *, code: int | None = None) -> None:
        super().__init__(f"{message} {remedy}")
        self.name = name
        self.message = message
        self.remedy = remedy
        self.code = name if code is None else str(code)

    def as_result(self) -> dict[str, str]:
        """The `error` value of a module's result."""
        return {"code": self.code, "name": self.name, "message": self.message, "remedy": self.remedy}


class InputError(DnsError):
    """An option cannot be right. Raised before anything is sent."""

    def __init__(self, option: str, problem: str, remedy: str) -> None:
        super().__init__("INVALID_OPTION", f"Option {option}: {problem}", remedy)
        self.option = option


class LibraryError(DnsError):
    """A Python library that the options ask for is missing."""


class KerberosError(DnsError):
    """There is no ticket for the server, or none that can be used."""


class TransportError(DnsError):
    """There is no usable answer."""


class UnreachableError(TransportError):
    """No connection came about, so nothing was sent."""


class NoAnswerError(TransportError):
    """The request was sent and no whole, matching answer came back: whether it was carried out is not known."""


class ServerError(DnsError):
    """The server answered with an error code."""


class SignatureError(DnsError):
    """The answer carries a signature that is not right."""


class ZoneError(DnsError):
    """The server, or the name, is the wrong place for the record."""


class ConvergenceError(DnsError):
    """Updates are accepted, but the record set does not become what it should be."""


class Explanation(NamedTuple):
    """name: the symbol of the code. text: what the server did. remedy: likely cause and next step, in which {key}
    (label of the credential), {server}, {zone} and {owner} are filled in."""

    name: str
    text: str
    remedy: str


# RCODEs of RFC 1035, 2136 and 8945 that mean the same for queries and updates.
RCODES: dict[int, Explanation] = {
    1: Explanation(
        "FORMERR",
        "could not make sense of the request",
        "Something between here and the server may alter DNS messages, or the server does not support dynamic "
        "updates (RFC 2136). Look at the server's log, and name the zone's primary server in the option server.",
    ),
    4: Explanation(
        "NOTIMP",
        "does not implement the request",
        "Name the zone's primary server in the option server, and enable dynamic updates (RFC 2136) there.",
    ),
    9: Explanation(
        "NOTAUTH",
        "is not authoritative for the zone, or does not accept the key",
        "Check the option zone: it must be a zone that this server is the primary of. If it is, check that {key} is "
        "known there and may update the zone.",
    ),
    10: Explanation(
        "NOTZONE",
        "says that the name lies outside the zone",
        "Check the option zone: {owner} must lie in the zone {zone} of this server, not in a delegated one.",
    ),
}

# What RCODEs of a query mean in particular; for a query that is signed, SIGNED_QUERY_RCODES.
QUERY_RCODES: dict[int, Explanation] = {
    2: Explanation(
        "SERVFAIL",
        "failed to answer",
        "The zone {zone} may not be loaded there, or have expired: look at the server's log. If it is no server of "
        "this zone, name the zone's primary in the option server.",
    ),
    5: Explanation(
        "REFUSED",
        "refused to answer",
        "It does not serve the zone {zone}, or does not answer this machine. Check the option zone, and name the "
        "zone's primary server in the option server.",
    ),
}

SIGNED_QUERY_RCODES: dict[int, Explanation] = {
    **QUERY_RCODES,
    # PowerDNS reports every trouble with a signature like this, without the TSIG record that says which it is.
    9: Explanation(
        "NOTAUTH",
        "does not accept the signature of the request, and does not say why",
        "Check that tsig_key_name, tsig_key_secret and tsig_algorithm are exactly as on the server, and that the "
        "clocks of this machine and of the server are right.",
    ),
}

# What RCODEs of an update that is signed by a TSIG key mean in particular.
UPDATE_RCODES: dict[int, Explanation] = {
    2: Explanation(
        "SERVFAIL",
        "failed to carry out the update",
        "Its journal or database may not be writable, or the record belongs to another account. Look at the server's "
        "log for the zone {zone}.",
    ),
    5: Explanation(
        "REFUSED",
        "refused the update",
        "Either {key} may not change SRV records of {owner} there, or the server is not the primary of the zone. "
        "Grant the right to update this name (BIND: update-policy, Knot: acl), or name the primary in the option "
        "server.",
    ),
}

_SIGN = (
    "Sign the requests: give tsig_key_name and tsig_key_secret, or set gss_tsig for a zone in Active Directory. If "
    "updates are to be allowed by address alone, allow them for this machine."
)

UNSIGNED_UPDATE_RCODES: dict[int, Explanation] = {
    2: UPDATE_RCODES[2],
    5: Explanation("REFUSED", "refused the update, which is not signed", _SIGN),
    9: Explanation("NOTAUTH", "refused the update, which is not signed", _SIGN),
}

# Error field of the TSIG record, RFC 8945 section 3.
TSIG_ERRORS: dict[int, Explanation] = {
    16: Explanation(
        "BADSIG",
        "does not accept the signature of the request",
        "The secret differs from the server's, so check tsig_key_secret; {key} itself is known there.",
    ),
    17: Explanation(
        "BADKEY",
        "does not know the key of the request, or does not accept it for this name",
        "Check that tsig_key_name and tsig_algorithm are exactly as on the server, and that {key} may update {owner} "
        "there.",
    ),
    18: Explanation(
        "BADTIME",
        "and this machine do not agree on the time of a signature",
        "The clocks of this machine and of the server differ by more than five minutes: set both right by NTP.",
    ),
    22: Explanation(
        "BADTRUNC",
        "does not accept so short a signature",
        "Choose a tsig_algorithm that is not truncated, such as hmac-sha256, or let the server accept this one.",
    ),
}

# The same for a key that was agreed on by Kerberos. Servers that store records in Active Directory check who owns them.
GSS_TSIG_ERRORS: dict[int, Explanation] = {
    16: Explanation(
        "BADSIG",
        "does not accept the signature of the request",
        "The session that {key} has with the server does not hold. Run the task again; if it stays so, look at the "
        "server's log.",
    ),
    17: Explanation(
        "BADKEY",
        "does not know the session any more, nor the next one",
        "Several servers may answer at this address, each knowing its own sessions alone: name one of them in the "
        "option server. If it is a single one, check that {key} may update {owner} there.",
    ),
    18: TSIG_ERRORS[18],
}

GSS_QUERY_RCODES: dict[int, Explanation] = {
    **QUERY_RCODES,
    9: Explanation(
        "NOTAUTH",
        "does not accept the signature of the request, and does not say why",
        "Several servers may answer at this address, each knowing its own sessions alone: name one of them in the "
        "option server. Check that the clocks of this machine and of the server are right.",
    ),
}

GSS_UPDATE_RCODES: dict[int, Explanation] = {
    2: Explanation(
        "SERVFAIL",
        "failed to carry out the update",
        "In Active Directory, only the account that made the node {owner} and DNS administrators may change it, also "
        "after its last record is gone. Grant {key} the right to write to the node (better: a group of all that "
        "publish), or look at the server's log for the zone {zone}.",
    ),
    5: Explanation(
        "REFUSED",
        "refused the update",
        "Either {key} may not change SRV records of {owner} there, or the zone takes no dynamic updates. In Active "
        "Directory, only the account that made the node and DNS administrators may change it: grant {key} the right to "
        "write to it (better: a group of all that publish). With BIND, grant it in update-policy.",
    ),
}

# Error field of the TKEY record, RFC 2930 section 2.6, and RCODE of the answer that carries none.
TKEY_ERRORS: dict[int, Explanation] = {
    16: Explanation(
        "BADSIG",
        "does not accept the Kerberos ticket",
        "The ticket was damaged on the way, or was made for another server. Check that gss_hostname (by default, "
        "server) is the name of exactly this server.",
    ),
    17: Explanation(
        "BADKEY",
        "does not accept the Kerberos ticket of {key} for {service}",
        "The server may not hold the key of that name (BIND: tkey-gssapi-keytab, or a keytab older than the account's "
        "present key), the name may be that of another machine (gss_hostname), or its clock may differ by more than "
        "five minutes.",
    ),
    18: TSIG_ERRORS[18],
    19: Explanation(
        "BADMODE",
        "does not agree on keys by Kerberos (GSS-TSIG)",
        "Enable GSS-TSIG on the server (BIND: tkey-gssapi-keytab), or use a TSIG key.",
    ),
    20: Explanation("BADNAME", "already has a session of this name", "Run the task again."),
    21: Explanation(
        "BADALG",
        "does not agree on keys by Kerberos (GSS-TSIG)",
        "Enable GSS-TSIG on the server (BIND: tkey-gssapi-keytab), or use a TSIG key.",
    ),
}

TKEY_OTHER = (
    "does not agree on keys by Kerberos (GSS-TSIG)",
    "Enable GSS-TSIG there (BIND: tkey-gssapi-keytab), use a TSIG key, or name a server that has it in the option "
    "server: a domain controller, for a zone in Active Directory.",
)

# For every other code: text and remedy.
OTHER = ("refused the request", "Look at the server's log for the zone {zone}.")


def sentence(text: str) -> str:
    """The text with a capital at its start, and nothing else changed."""
    return text[:1].upper() + text[1:]
