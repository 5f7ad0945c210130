# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The negotiation of a session and what is told when it fails, with a library and a server that play along."""

from __future__ import annotations

import importlib
import re
import string
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TKEY
import dns.rrset
import dns.tsig
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import Credential
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import (
    GSS_TSIG_ERRORS,
    GSS_UPDATE_RCODES,
    TKEY_ERRORS,
    TSIG_ERRORS,
    UPDATE_RCODES,
    DnsError,
    InputError,
    KerberosError,
    LibraryError,
    NoAnswerError,
    ServerError,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.gss import GssCredential, check_keytab, load_library
from ansible_collections.winops.kms.plugins.module_utils._dns.kerberos_errors import KERBEROS_ERRORS, minor_code

PASSWORD = "Passw0rd.of-the-tests"
PRINCIPAL = "kms@LAB.TEST"
SPNEGO = "1.3.6.1.5.5.2"
KERBEROS = "1.2.840.113554.1.2.2"


class GssError(Exception):
    """As the library's: codes without sign, and texts that are not to be relied on."""

    def __init__(self, min_code: int, text: str = "Minor text") -> None:
        super().__init__(f"Major, {text}")
        self.min_code = min_code % 2**32
        self.text = text

    def get_all_statuses(self, code: int, is_major: bool) -> list[str]:
        assert code == self.min_code and not is_major
        return [self.text]


class BadMic(GssError):
    pass


class Library:
    """The module `gssapi`. fail: what a step of a context raises, by mechanism. tokens: what its steps return."""

    NameType = SimpleNamespace(kerberos_principal="principal")
    RequirementFlag = SimpleNamespace(mutual_authentication=2, integrity=32, replay_detection=4)
    OID = SimpleNamespace(from_int_seq=str)
    exceptions = SimpleNamespace(GSSError=GssError, BadMICError=BadMic)

    def __init__(self) -> None:
        self.acquired: list[dict[str, Any]] = []
        self.contexts: list[Context] = []
        self.fail: dict[str, GssError] = {}
        self.fail_to_acquire: dict[tuple[str, ...], GssError] = {}
        self.tokens: list[bytes | None] = [b"first", None]
        self.flags = 2 | 32 | 4
        self.raw = SimpleNamespace(acquire_cred_with_password=self._with_password)

    def Name(self, text: str, kind: str) -> str:
        assert kind == "principal"
        return text

    def Credentials(self, handle: Any = None, **wanted: Any) -> Any:
        if handle is not None:
            return handle
        return self._acquire(wanted)

    def _with_password(self, name: str, password: bytes, **wanted: Any) -> Any:
        return SimpleNamespace(creds=self._acquire({"name": name, "password": password, **wanted}))

    def _acquire(self, wanted: dict[str, Any]) -> Any:
        self.acquired.append(wanted)
        failure = self.fail_to_acquire.get(tuple(wanted["mechs"]))
        if failure is not None:
            raise failure
        return SimpleNamespace(name=wanted["name"] or "found@LAB.TEST")

    def SecurityContext(self, **wanted: Any) -> Context:
        context = Context(self, wanted)
        self.contexts.append(context)
        return context


class Context:
    """Signs by putting a letter in front; accepts the full data, or in `quirk` what follows its first two bytes."""

    def __init__(self, library: Library, wanted: dict[str, Any]) -> None:
        self.library = library
        self.wanted = wanted
        self.received: list[bytes | None] = []
        self.quirk = False
        self.expired = False
        self.actual_flags = library.flags

    @property
    def complete(self) -> bool:
        return len(self.received) == len(self.library.tokens)

    def step(self, token: bytes | None = None) -> bytes | None:
        failure = self.library.fail.get(self.wanted["mech"])
        if failure is not None:
            raise failure
        if token == b"wrong":
            raise GssError(-1765328343, "Message stream modified")
        self.received.append(token)
        return self.library.tokens[len(self.received) - 1]

    def get_signature(self, data: bytes) -> bytes:
        if self.expired:
            raise GssError(-1765328352)
        return b"S" + data[-4:]

    def verify_signature(self, data: bytes, signature: bytes) -> None:
        if self.quirk and signature == b"quirk" + data:
            return
        if self.quirk or signature != b"right":
            raise BadMic(0)


class DnsPeer:
    """Answers TKEY queries. answers: the token of each, or how the answer is made."""

    label = "the DNS server dc1.lab.test at port 53"
    timeout = 10.0

    def __init__(self, *answers: bytes | Callable[[dns.message.Message], Any], host: str = "DC1.lab.test") -> None:
        self.host = host
        self.answers = list(answers) or [b"theirs"]
        self.names: list[dns.name.Name] = []
        self.tokens: list[bytes] = []

    def ask(self, message: dns.message.Message) -> bytes:
        query = dns.message.from_wire(message.to_wire() or b"")
        assert query.flags == 0
        (rrset,) = query.additional
        assert rrset.name == query.question[0].name
        self.names.append(rrset.name)
        self.tokens.append(rrset[0].key)
        assert rrset[0].expiration > rrset[0].inception and rrset[0].mode == 3
        given = self.answers.pop(0)
        answer = dns.message.make_response(query)
        if isinstance(given, bytes):
            answer.answer.append(tkey(rrset.name, given))
        else:
            given(answer)
        return answer.to_wire() or b""


def tkey(name: dns.name.Name, token: bytes, error: int = 0) -> dns.rrset.RRset:
    kind: Any = dns.rdtypes.ANY.TKEY.TKEY
    rdata = kind(dns.rdataclass.ANY, dns.rdatatype.TKEY, dns.tsig.GSS_TSIG, 0, 9, 3, error, token)
    rrset = dns.rrset.RRset(name, dns.rdataclass.ANY, dns.rdatatype.TKEY)
    rrset.add(rdata)
    return rrset


def refuse(rcode: int = 0, error: int | None = None) -> Callable[[dns.message.Message], None]:
    def change(answer: dns.message.Message) -> None:
        answer.set_rcode(dns.rcode.Rcode.make(rcode))
        if error is not None:
            answer.answer.append(tkey(answer.question[0].name, b"", error))

    return change


def credential(library: Library, **options: Any) -> GssCredential:
    return GssCredential(library=lambda: library, **(options or {"principal": PRINCIPAL, "password": PASSWORD}))


def message() -> dns.message.Message:
    return dns.message.make_query("_vlmcs._tcp.lab.test.", "SRV")


def sign(identity: Credential, peer: DnsPeer | None = None) -> dns.tsig.Key:
    signed = message()
    identity.sign(signed, peer or DnsPeer())
    assert isinstance(signed.keyring, dns.tsig.Key)
    return signed.keyring


def test_a_session_is_opened_once_for_the_right_server_with_mutual_authentication() -> None:
    library, peer = Library(), DnsPeer()
    identity = credential(library)
    key = sign(identity, peer)
    assert sign(identity, peer) is key
    (context,) = library.contexts
    assert context.wanted["name"] == "DNS/dc1.lab.test@", "in lower case, and in whatever realm knows it"
    assert (context.wanted["mech"], context.wanted["usage"]) == (SPNEGO, "initiate")
    assert context.wanted["flags"] == 2 | 4 | 32
    assert (peer.tokens, context.received) == ([b"first"], [None, b"theirs"])
    assert key.name == peer.names[0]
    assert key.name.labels[-2:] == (b"kms-tsig", b""), "no label that a zone could share"
    assert identity.label == f"the Kerberos principal {PRINCIPAL}"
    assert (identity.signs, identity.lenient) == (True, True)


def test_each_session_has_a_name_of_its_own_and_a_forgotten_one_is_opened_anew() -> None:
    library, peer = Library(), DnsPeer(b"one", b"two")
    identity = credential(library)
    assert not identity.renew(), "there is none yet"
    first = sign(identity, peer)
    assert identity.renew()
    assert sign(identity, peer).name != first.name
    assert len(library.contexts) == 2


def test_a_negotiation_may_take_several_rounds() -> None:
    library, peer = Library(), DnsPeer(b"one", b"two")
    library.tokens = [b"first", b"second", None]
    sign(credential(library), peer)
    assert peer.tokens == [b"first", b"second"]
    assert len(set(peer.names)) == 1


def test_the_last_token_is_sent_although_the_context_is_complete() -> None:
    library, peer = Library(), DnsPeer(b"one", b"")
    library.tokens = [b"first", b"second"]
    sign(credential(library), peer)
    assert peer.tokens == [b"first", b"second"]


@pytest.mark.parametrize(
    ("options", "acquired"),
    [
        (
            {"principal": PRINCIPAL, "password": PASSWORD},
            {"name": PRINCIPAL, "password": PASSWORD.encode()},
        ),
        ({"ccache": "FILE:/tmp/cc"}, {"name": None, "store": {"ccache": "FILE:/tmp/cc"}}),
        ({"ccache": "/tmp/cc", "principal": PRINCIPAL}, {"name": PRINCIPAL, "store": {"ccache": "/tmp/cc"}}),
        ({"principal": PRINCIPAL}, {"name": PRINCIPAL, "store": None}),
        ({"hostname": "dc1.lab.test"}, {"name": None, "store": None}),
    ],
)
def test_where_the_ticket_comes_from(options: dict[str, str], acquired: dict[str, Any]) -> None:
    library = Library()
    sign(credential(library, **options))
    assert library.acquired == [{"usage": "initiate", "mechs": [SPNEGO, KERBEROS], **acquired}]


def test_a_keytab_comes_with_a_ticket_cache_of_its_own() -> None:
    library = Library()
    identity = credential(library, keytab="/etc/kms.keytab")
    assert identity.label == "the Kerberos principal of the keytab /etc/kms.keytab"
    sign(identity)
    sign(credential(library, keytab="/etc/kms.keytab"))
    one, other = (acquired["store"] for acquired in library.acquired)
    assert one["client_keytab"] == "/etc/kms.keytab"
    assert one["ccache"].startswith("MEMORY:") and one["ccache"] != other["ccache"]
    assert identity.label == "the Kerberos principal found@LAB.TEST"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"password": PASSWORD}, "gss_principal"),
        ({"principal": PRINCIPAL, "password": PASSWORD, "keytab": "/x"}, "gss_password"),
        ({"keytab": "/x", "ccache": "/y"}, "gss_keytab"),
        ({"hostname": "192.0.2.53"}, "gss_hostname"),
        ({"hostname": "dc1 lab"}, "gss_hostname"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, str], option: str) -> None:
    with pytest.raises(InputError) as caught:
        GssCredential(**options)  # type: ignore[arg-type]
    assert caught.value.option == option
    assert PASSWORD not in str(caught.value)


def test_a_server_named_by_its_address_needs_a_name() -> None:
    with pytest.raises(InputError) as caught:
        sign(credential(Library()), DnsPeer(host="192.0.2.53"))
    assert caught.value.option == "gss_hostname"
    library = Library()
    sign(credential(library, hostname="dc2.lab.test."), DnsPeer(host="2001:db8::53"))
    assert library.contexts[0].wanted["name"] == "DNS/dc2.lab.test@"


def test_a_keytab_that_cannot_be_read_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    there = tmp_path / "kms.keytab"
    there.touch()
    for fine in (str(there), f"FILE:{there}", "MEMORY:x", "WRFILE:/nowhere"):
        check_keytab(fine)
    for wrong in (str(tmp_path / "other"), f"file:{tmp_path}/other"):
        with pytest.raises(InputError) as caught:
            check_keytab(wrong)
        assert caught.value.option == "gss_keytab"


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'gssapi'"), OSError("libgssapi_krb5.so.2: cannot open")]
)
def test_a_missing_library_is_only_missed_when_it_is_used(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def import_module(name: str) -> None:
        assert name == "gssapi"
        raise error

    monkeypatch.setattr(importlib, "import_module", import_module)
    identity = GssCredential(principal=PRINCIPAL, password=PASSWORD)
    with pytest.raises(LibraryError) as caught:
        identity.sign(message(), DnsPeer())
    assert caught.value.name == "MISSING_LIBRARY"
    for word in ("gssapi", "gcc", "libkrb5-dev", "python3-dev", "python3-gssapi"):
        assert word in str(caught.value)


def test_the_library_is_the_module() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib, "import_module", lambda name: name)
        assert load_library() == "gssapi"


@pytest.mark.parametrize("code", KERBEROS_ERRORS)
@pytest.mark.parametrize(
    "options", [{}, {"keytab": "/etc/kms.keytab"}, {"ccache": "/tmp/cc"}, {"hostname": "dc2.lab.test"}]
)
def test_every_code_becomes_a_sentence(code: int, options: dict[str, str]) -> None:
    library = Library()
    library.fail_to_acquire[SPNEGO, KERBEROS] = GssError(code)
    with pytest.raises(KerberosError) as caught:
        sign(credential(library, **options))
    error = caught.value
    assert error.name == KERBEROS_ERRORS[code].name or error.name == "KT_NOTFOUND"
    assert "DNS/dc" in error.message
    assert "{" not in str(error) and "Minor text" not in str(error)
    assert PASSWORD not in str(error)
    assert error.__context__ is None and error.__cause__ is None


def test_codes_have_a_sign() -> None:
    assert minor_code(2529638936) == -1765328360
    assert minor_code(39756032) == 39756032


def test_a_keytab_without_the_key_is_not_called_an_empty_cache() -> None:
    library = Library()
    library.fail_to_acquire[SPNEGO, KERBEROS] = GssError(-1765328189)
    with pytest.raises(
        KerberosError, match=r"there is no key for other@LAB.TEST in the keytab /etc/kms.keytab"
    ) as caught:
        sign(credential(library, keytab="/etc/kms.keytab", principal="other@LAB.TEST"))
    assert caught.value.name == "KT_NOTFOUND"


def test_codes_that_spnego_hides_are_had_from_kerberos_itself() -> None:
    library = Library()
    library.fail = {SPNEGO: GssError(100005), KERBEROS: GssError(-1765328377)}
    with pytest.raises(KerberosError, match=r"knows no service DNS/dc1\.lab\.test") as caught:
        sign(credential(library))
    assert caught.value.name == "S_PRINCIPAL_UNKNOWN"
    assert library.acquired[-1]["mechs"] == [KERBEROS]

    library = Library()
    library.fail_to_acquire = {(SPNEGO, KERBEROS): GssError(100006), (KERBEROS,): GssError(-1765328243)}
    with pytest.raises(KerberosError, match="no ticket in the default credential cache") as caught:
        sign(credential(library, hostname="dc1.lab.test"))


def test_an_unknown_code_is_told_by_the_library_s_own_text_in_one_line() -> None:
    library = Library()
    library.fail = {
        SPNEGO: GssError(4711, "Something\nnew \x1b[31m" + "x" * 500),
        KERBEROS: GssError(4711, "Some\x07{thing}"),
    }
    with pytest.raises(KerberosError) as caught:
        sign(credential(library))
    assert "(Some {thing})" in caught.value.message
    assert not set(str(caught.value)) - set(string.printable.replace("\n", ""))


@pytest.mark.parametrize("error", TKEY_ERRORS)
def test_what_the_server_says_of_the_ticket_is_told(error: int) -> None:
    with pytest.raises(ServerError) as caught:
        sign(credential(Library()), DnsPeer(refuse(error=error)))
    assert (caught.value.code, caught.value.name) == (str(error), TKEY_ERRORS[error].name)
    assert DnsPeer.label in caught.value.message
    assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    ("rcode", "name"), [(1, "FORMERR"), (2, "SERVFAIL"), (4, "NOTIMP"), (5, "REFUSED"), (9, "NOTAUTH"), (3, "NXDOMAIN")]
)
def test_a_server_without_gss_tsig_is_called_that(rcode: int, name: str) -> None:
    with pytest.raises(ServerError, match="GSS-TSIG") as caught:
        sign(credential(Library()), DnsPeer(refuse(rcode)))
    assert (caught.value.code, caught.value.name) == (str(rcode), name)


@pytest.mark.parametrize(
    ("answers", "tokens"),
    [
        ([refuse()], [b"first", None]),
        ([b""], [b"first", None]),
        ([b"one"] * 6, [b"token"] * 9),
    ],
    ids=["no key in the answer", "ended early", "without end"],
)
def test_a_negotiation_that_leads_nowhere(answers: list[Any], tokens: list[bytes | None]) -> None:
    library = Library()
    library.tokens = tokens
    with pytest.raises(NoAnswerError, match="No Kerberos session") as caught:
        sign(credential(library), DnsPeer(*answers))
    assert caught.value.name == "BAD_ANSWER"


def test_a_machine_that_is_not_the_server_is_found_out() -> None:
    with pytest.raises(KerberosError, match=r"has not proven that it is DNS/dc1\.lab\.test") as caught:
        sign(credential(Library()), DnsPeer(b"wrong"))
    assert caught.value.name == "BAD_TOKEN"
    library = Library()
    library.flags = 32
    with pytest.raises(NoAnswerError, match="has not proven"):
        sign(credential(library))


def test_signatures_that_leave_the_length_out_are_right_as_well() -> None:
    library = Library()
    session: Any = sign(credential(library)).secret
    (context,) = library.contexts
    assert session.get_signature(b"12345678") == b"S5678"
    session.verify_signature(b"data", b"right")
    with pytest.raises(BadMic):
        session.verify_signature(b"data", b"not right")
    context.quirk = True
    session.verify_signature(b"\x00\x04MAC.data", b"quirkMAC.data")
    with pytest.raises(BadMic):
        session.verify_signature(b"\x00\x04MAC.data", b"quirk.data")


def test_a_session_that_ends_while_it_is_used() -> None:
    library = Library()
    session: Any = sign(credential(library)).secret
    library.contexts[0].expired = True
    with pytest.raises(KerberosError) as caught:
        session.get_signature(b"data")
    assert caught.value.name == "TKT_EXPIRED"


def test_nothing_shows_the_password() -> None:
    library = Library()
    library.fail_to_acquire[SPNEGO, KERBEROS] = GssError(-1765328360)
    identity = credential(library)
    with pytest.raises(DnsError) as caught:
        sign(identity)
    assert PASSWORD not in repr(identity) + repr(vars(identity)["_principal"]) + repr(caught.value) + identity.label


def test_tables_for_kerberos_cover_what_those_for_keys_do() -> None:
    assert GSS_TSIG_ERRORS.keys() <= TSIG_ERRORS.keys()
    assert GSS_UPDATE_RCODES.keys() == UPDATE_RCODES.keys()
    fields = {"principal", "source", "service", "realm", "option"}
    for explanation in KERBEROS_ERRORS.values():
        assert set(re.findall(r"{(\w+)}", explanation.text + explanation.remedy)) <= fields


def test_kerberos_gets_no_more_time_than_the_server() -> None:
    """The library cannot be interrupted, so it is left to itself."""
    library, peer, go_on = Library(), DnsPeer(), threading.Event()
    acquire = library._acquire

    def wait(wanted: dict[str, Any]) -> Any:
        go_on.wait(60)
        return acquire(wanted)

    library._acquire = wait  # type: ignore[method-assign]
    peer.timeout = 0.05
    try:
        with pytest.raises(KerberosError) as caught:
            sign(credential(library), peer)
    finally:
        go_on.set()
    assert caught.value.name == "KDC_TIMEOUT"
    assert PRINCIPAL in caught.value.message and "0.05 s" in caught.value.message
    assert PASSWORD not in str(caught.value)
    assert peer.tokens == [], "nothing was sent to the DNS server"


def test_what_is_no_error_of_kerberos_comes_out_as_it_is() -> None:
    library = Library()
    library.fail[SPNEGO] = ZeroDivisionError()  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        sign(credential(library))
