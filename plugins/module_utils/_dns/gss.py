# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GSS-TSIG (RFC 3645): a key that is agreed on with the server by Kerberos, as Active Directory asks for.

One TKEY query opens a session; its answer is not verified by its own signature, since Windows and RFC 3645 differ in
what that covers. That it is the right server follows from the Kerberos token inside, so mutual authentication is
insisted on. The library `gssapi` is only imported when a session is opened.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .credentials import Peer
from .errors import (
    GSS_QUERY_RCODES,
    GSS_TSIG_ERRORS,
    GSS_UPDATE_RCODES,
    TKEY_ERRORS,
    TKEY_OTHER,
    DnsError,
    Explanation,
    InputError,
    KerberosError,
    LibraryError,
    NoAnswerError,
    ServerError,
    sentence,
)
from .exchange import parse_unverified
from .kerberos_errors import CACHE_EMPTY, CACHE_MISSING, KERBEROS_ERRORS, KEYTAB_WITHOUT_KEY, minor_code
from .library import dns
from .names import checked_name, is_address

INSTALL = (
    "Install it for the Python that runs this task: the package python3-gssapi of the distribution, or `pip install "
    "gssapi`, which is built from source and needs gcc, and the headers of Python (python3-dev) and of MIT Kerberos "
    "(Debian: libkrb5-dev, Red Hat: krb5-devel)."
)

# Mechanisms. SPNEGO is what RFC 3645 asks for; Kerberos is the only one it may lead to.
_SPNEGO = "1.3.6.1.5.5.2"
_KERBEROS = "1.2.840.113554.1.2.2"

_MOST_ROUNDS = 6
_LIFETIME = 3600
Result = TypeVar("Result")
Library = Any  # the module `gssapi`: it may be missing, and not every release of it has types


def load_library() -> Library:
    """The module `gssapi`. Raises LibraryError."""
    try:
        return importlib.import_module("gssapi")
    except (ImportError, OSError):
        detail = traceback.format_exc().strip().splitlines()[-1]
        raise LibraryError(
            "MISSING_LIBRARY",
            f"The Python library gssapi, which gss_tsig needs, cannot be imported ({detail}).",
            INSTALL,
        ) from None


class GssCredential:
    """A Kerberos identity: that of a credential cache, of a keytab, or of a user and password.

    principal: name@REALM; optional with a cache or keytab. ccache: name of a cache such as FILE:/tmp/krb5cc_0, or a
    path; None for the default one. keytab: likewise. hostname: the server's name in Kerberos, if that is not the peer's
    host.
    Nothing is looked up or sent before the first message is signed.
    """

    signs = True
    lenient = True
    tsig_errors: Mapping[int, Explanation] = GSS_TSIG_ERRORS
    query_rcodes: Mapping[int, Explanation] = GSS_QUERY_RCODES
    update_rcodes: Mapping[int, Explanation] = GSS_UPDATE_RCODES

    def __init__(
        self,
        *,
        principal: str | None = None,
        password: str | None = None,
        keytab: str | None = None,
        ccache: str | None = None,
        hostname: str | None = None,
        library: Callable[[], Library] = load_library,
    ) -> None:
        """Raises InputError for options that do not go together."""
        given = [
            option
            for option, value in (("gss_password", password), ("gss_keytab", keytab), ("gss_ccache", ccache))
            if value
        ]
        if len(given) > 1:
            raise InputError(given[0], f"it does not go with {given[1]}.", "Give one source of the credential.")
        if password and not principal:
            raise InputError("gss_principal", "gss_password needs it.", "Give the account, as name@REALM.")
        self._principal = principal
        self._password: Callable[[], bytes] | None = None if not password else password.encode
        self._keytab = keytab
        self._ccache = ccache
        self._hostname = checked_host(hostname) if hostname else None
        self._library = library
        self._initiator: str | None = None
        self._key: dns.tsig.Key | None = None

    def __repr__(self) -> str:
        return f"<{self.label}>"

    @property
    def label(self) -> str:
        """Such as "the Kerberos principal kms@CONTOSO.COM"."""
        name = self._initiator or self._principal
        return f"the Kerberos principal {name}" if name else f"the Kerberos principal of {self._source}"

    @property
    def _source(self) -> str:
        if self._keytab:
            return f"the keytab {self._keytab}"
        if self._ccache:
            return f"the credential cache {self._ccache}"
        return "the default credential cache"

    def sign(self, message: dns.message.Message, peer: Peer) -> None:
        """Have the message signed in the session with the server, which is opened for the first message."""
        if self._key is None:
            self._key = _Negotiation(self, self._library(), peer).run()
        message.use_tsig(self._key)

    def renew(self) -> bool:
        """Forget the session (the server was restarted, or keeps few of them); the next message opens another."""
        known = self._key is not None
        self._key = None
        return known

    def service_host(self, peer: Peer) -> str:
        """The host name of the server's Kerberos service. Raises InputError."""
        if self._hostname:
            return self._hostname
        if is_address(peer.host):
            raise InputError(
                "gss_hostname",
                f"it is needed, since the server {peer.host} is named by its address.",
                "Give the full host name of the DNS server there: Kerberos knows it by this name.",
            )
        return peer.host.lower()

    def acquire(self, library: Library, *kinds: str) -> Any:
        """The credential handle for the mechanisms. Raises what the library raises."""
        name = None
        if self._principal:
            name = library.Name(self._principal, library.NameType.kerberos_principal)
        mechanisms = [library.OID.from_int_seq(kind) for kind in kinds]
        if self._password is not None:
            result = library.raw.acquire_cred_with_password(name, self._password(), usage="initiate", mechs=mechanisms)
            return library.Credentials(result.creds)
        store: dict[str, str] | None = None
        if self._keytab:
            # A ticket cache of its own in memory, so that no other ticket is found, and none is left behind.
            store = {"client_keytab": self._keytab, "ccache": f"MEMORY:{uuid.uuid4()}"}
        elif self._ccache:
            store = {"ccache": self._ccache}
        return library.Credentials(name=name, usage="initiate", mechs=mechanisms, store=store)

    def learned(self, initiator: str) -> None:
        """Whose ticket it is, once that is known."""
        self._initiator = initiator

    def too_slow(self, service: str, seconds: float) -> KerberosError:
        """The exception for Kerberos servers that have not answered in time."""
        return KerberosError(
            "KDC_TIMEOUT",
            f"No Kerberos session with {service}: no ticket for {self.label} came within {seconds:g} s.",
            "A firewall may drop what is sent to the Kerberos server (domain controller): check that its port 88, UDP "
            "and TCP, can be reached from here, and the servers in /etc/krb5.conf. If it is only slow, raise timeout.",
        )

    def explain(self, code: int, text: str, service: str) -> KerberosError:
        """The exception for a minor code. text: the library's own, used when the code is not in the table."""
        if self._keytab and code in (CACHE_EMPTY, CACHE_MISSING):
            code = KEYTAB_WITHOUT_KEY  # which leaves the ticket cache in memory empty
        explanation = KERBEROS_ERRORS.get(code) or Explanation(
            "KERBEROS", "Kerberos failed ({text})", "Check the Kerberos set-up of this machine by kinit."
        )
        principal = self._initiator or self._principal
        names = {
            "text": _printable(text),
            "principal": principal or f"the account of {self._source}",
            "source": self._source,
            "service": service,
            "realm": f"the realm {principal.rpartition('@')[2]}" if principal and "@" in principal else "the realm",
            "option": "gss_keytab" if self._keytab else "gss_ccache" if self._ccache else "KRB5CCNAME",
        }
        return KerberosError(
            explanation.name,
            f"No Kerberos session with {service}: {explanation.text.format(**names)}.",
            explanation.remedy.format(**names),
        )


def checked_host(text: str) -> str:
    """The host part of the service name. Raises InputError."""
    name = checked_name(text, "gss_hostname").lower()
    if is_address(name):
        raise InputError("gss_hostname", f"{text!r} is an address.", "Give the full host name of the DNS server.")
    return name


def _printable(text: str) -> str:
    """One line of plain characters, not too long."""
    return "".join(character if " " <= character <= "~" else " " for character in text)[:200].strip(" .")


def _within(seconds: float, work: Callable[[], Result]) -> Result | None:
    """What the work returns or raises; None when it takes longer.

    It is not ended then. The Kerberos library cannot be interrupted and asks a server that does not answer for about a
    minute. It works on without holding anything up, and ends with the process at the latest.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    return results[0] if results else None


class _Session:
    """What dnspython calls in the place of a secret.

    Samba 4.17 leaves the two bytes of the length of the request's MAC out of what it signs (RFC 8945 section 5.3.1 has
    them), so a signature over the rest is right as well. The MAC itself is always covered.
    """

    def __init__(self, context: Any, library: Library, explain: Callable[[Exception], KerberosError]) -> None:
        self._context = context
        self._library = library
        self._explain = explain

    def get_signature(self, data: bytes) -> bytes:
        try:
            signature: bytes = self._context.get_signature(data)
        except self._library.exceptions.GSSError as error:
            failure = self._explain(error)
        else:
            return signature
        raise failure

    def verify_signature(self, data: bytes, signature: bytes) -> None:
        try:
            self._context.verify_signature(data, signature)
        except self._library.exceptions.BadMICError:
            self._context.verify_signature(data[2:], signature)


class _Negotiation:
    """Opens one session with one server."""

    def __init__(self, credential: GssCredential, library: Library, peer: Peer) -> None:
        self.credential = credential
        self.library = library
        self.peer = peer
        self.host = credential.service_host(peer)
        self.service = f"DNS/{self.host}"

    def run(self) -> dns.tsig.Key:
        result = _within(self.peer.timeout, self._begin)
        if isinstance(result, tuple):
            return self._agree(*result)
        raise result or self.credential.too_slow(self.service, self.peer.timeout)

    def _begin(self) -> tuple[Any, bytes | None] | DnsError:
        """A context and its first token, or what has gone wrong. Here alone, Kerberos servers are asked."""
        try:
            # Both mechanisms, since SPNEGO needs one to lead to.
            handle = self.credential.acquire(self.library, _SPNEGO, _KERBEROS)
            self.credential.learned(str(handle.name))
            context = self._context(handle, _SPNEGO)
            return context, context.step()
        except self.library.exceptions.GSSError as error:
            # Returned and not raised: the library's exception must not travel along as context.
            return self._failure(error)

    def _context(self, handle: Any, mechanism: str) -> Any:
        flag = self.library.RequirementFlag
        # As a principal in the account's own or a trusting realm: a host-based name would be looked up in DNS, forwards
        # and backwards, and end as the name of something else.
        name = self.library.Name(f"{self.service}@", self.library.NameType.kerberos_principal)
        return self.library.SecurityContext(
            name=name,
            creds=handle,
            usage="initiate",
            mech=self.library.OID.from_int_seq(mechanism),
            flags=flag.mutual_authentication | flag.integrity | flag.replay_detection,
        )

    def _failure(self, error: Exception) -> KerberosError:
        code, text = self._minor(error)
        if code > 0 and code not in KERBEROS_ERRORS:
            # Within SPNEGO, codes of Kerberos are numbered anew; Kerberos alone says what it is.
            try:
                self._context(self.credential.acquire(self.library, _KERBEROS), _KERBEROS).step()
            except self.library.exceptions.GSSError as again:
                code, text = self._minor(again)
        return self.credential.explain(code, text, self.service)

    def _minor(self, error: Any) -> tuple[int, str]:
        texts = error.get_all_statuses(error.min_code, False)
        return minor_code(error.min_code), "; ".join(str(text) for text in texts)

    def _agree(self, context: Any, token: bytes | None) -> dns.tsig.Key:
        # It shares no label with a zone: dnspython would compress it, and Samba 4.17 then signs something else.
        name = dns.name.from_text(f"{uuid.uuid4()}.kms-tsig.")
        for _round in range(_MOST_ROUNDS):
            token = self._step(context, self._ask(name, token or b""))
            if not token:
                break
        if not context.complete:
            raise self._unfinished("the negotiation was left unfinished")
        if not context.actual_flags & self.library.RequirementFlag.mutual_authentication:
            raise self._unfinished("the server has not proven that it is the right one")
        return dns.tsig.Key(name, _Session(context, self.library, self._failure), dns.tsig.GSS_TSIG)  # type: ignore[arg-type]

    def _step(self, context: Any, answer: bytes) -> bytes | None:
        """The next token to send, if there is one."""
        if context.complete or not answer:
            return None
        try:
            token: bytes | None = context.step(answer)
        except self.library.exceptions.GSSError as error:
            failure = self._not_proven(error)
        else:
            return token
        raise failure

    def _ask(self, name: dns.name.Name, token: bytes) -> bytes:
        """One TKEY query; the token in its answer."""
        now = int(time.time())
        kind: Any = dns.rdtypes.ANY.TKEY.TKEY
        query = dns.message.make_query(name, dns.rdatatype.TKEY, dns.rdataclass.ANY)
        query.flags = dns.flags.Flag(0)
        rdata = kind(
            dns.rdataclass.ANY,
            dns.rdatatype.TKEY,
            dns.tsig.GSS_TSIG,
            now,
            now + _LIFETIME,
            kind.GSSAPI_NEGOTIATION,
            dns.rcode.NOERROR,
            token,
        )
        query.find_rrset(query.additional, name, dns.rdataclass.ANY, dns.rdatatype.TKEY, create=True).add(rdata)
        raw = self.peer.ask(query)
        rcode = raw[3] & 15
        message = parse_unverified(raw)
        found = [
            rdata
            for rrset in (message.answer if message is not None else [])
            if rrset.rdtype == dns.rdatatype.TKEY and rrset.name == name
            for rdata in rrset
        ]
        if rcode or (found and found[0].error):
            raise self._refused(found[0].error if found and found[0].error else 0, rcode)
        if not found:
            raise self._unfinished("the answer to the key exchange holds no key")
        return bytes(found[0].key)

    def _refused(self, error: int, rcode: int) -> ServerError:
        name = dns.rcode.to_text(dns.rcode.Rcode.make(error or rcode), tsig=bool(error))
        explanation = TKEY_ERRORS.get(error) or Explanation(name, *TKEY_OTHER)
        names = {"key": self.credential.label, "service": self.service}
        return ServerError(
            explanation.name,
            f"While agreeing on a key: {self.peer.label} {explanation.text.format(**names)} ({name}).",
            sentence(explanation.remedy.format(**names)),
            code=error or rcode,
        )

    def _not_proven(self, error: Exception) -> KerberosError:
        _code, text = self._minor(error)
        return KerberosError(
            "BAD_TOKEN",
            f"While agreeing on a key: {self.peer.label} has not proven that it is {self.service} "
            f"({_printable(text)}).",
            "Another machine may answer at this address, or the clocks differ. Check server, and gss_hostname if it is "
            "given.",
        )

    def _unfinished(self, problem: str) -> NoAnswerError:
        return NoAnswerError(
            "BAD_ANSWER",
            f"No Kerberos session with {self.peer.label}: {problem}.",
            "Check that it is a DNS server with GSS-TSIG, and look at its log.",
        )


def check_keytab(path: str) -> None:
    """Raises InputError for a keytab that is a file and cannot be read: Kerberos itself does not tell it from an empty
    one."""
    kind, _colon, rest = path.rpartition(":")
    if kind.upper() in ("", "FILE") and not os.access(rest, os.R_OK):
        raise InputError("gss_keytab", f"{path} does not exist or cannot be read by this user.", "Check the path.")
