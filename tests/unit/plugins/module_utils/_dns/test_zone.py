# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding the zone and its primary, from what servers of all kinds say of it."""

from __future__ import annotations

from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.errors import ServerError, ZoneError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host, ensure
from ansible_collections.winops.kms.plugins.module_utils._dns.zone import apex_at, find_apex, plain, primary_of

from .fake_server import ZONE, FakeServer, Play

OWNER = "_vlmcs._tcp.lab.test."


class Source:
    """Answers by name: lines of the answer section, "!" before those of the authority section, flags in words."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("__", "."): lines for name, lines in answers.items()}
        self.asked: list[str] = []

    def __call__(self, name: dns.name.Name) -> dns.message.Message:
        self.asked.append(plain(name))
        message = dns.message.make_response(dns.message.make_query(name, dns.rdatatype.SOA))
        for line in self.answers.get(plain(name), []):
            if line == "AA":
                message.flags |= dns.flags.AA
            elif line == "NXDOMAIN":
                message.set_rcode(dns.rcode.NXDOMAIN)
            else:
                owner, kind, data = line.lstrip("!").split(" ", 2)
                section = message.authority if line.startswith("!") else message.answer
                section.append(dns.rrset.from_text(owner, 60, "IN", kind, data))
        return message


def soa(zone: str, primary: str = "ns1.lab.test.") -> str:
    return f"{zone} SOA {primary} hostmaster.lab.test. 1 2 3 4 5"


@pytest.mark.parametrize(
    ("answers", "zone", "asked"),
    [
        pytest.param({OWNER: ["AA", "NXDOMAIN", "!" + soa("lab.test.")]}, "lab.test", 1, id="no such name yet"),
        pytest.param({OWNER: ["AA", "!" + soa("LAB.Test.")]}, "LAB.Test", 1, id="no SOA at the name"),
        pytest.param({OWNER: ["AA", "!" + soa("_tcp.lab.test.")]}, "_tcp.lab.test", 1, id="_tcp is a zone of its own"),
        pytest.param({OWNER: ["AA", soa(OWNER)]}, "_vlmcs._tcp.lab.test", 1, id="even the name is a zone of its own"),
        pytest.param({OWNER: ["AA"], "lab.test.": ["AA", soa("lab.test.")]}, "lab.test", 3, id="answers without SOA"),
        pytest.param(
            {
                OWNER: [f"{OWNER} CNAME kms.elsewhere.example.", "!" + soa("elsewhere.example.")],
                "_tcp.lab.test.": ["!" + soa("lab.test.")],
            },
            "lab.test",
            2,
            id="an alias leads elsewhere",
        ),
    ],
)
def test_the_apex_is_found(answers: dict[str, list[str]], zone: str, asked: int) -> None:
    source = Source(**{name.removesuffix("."): lines for name, lines in answers.items()})
    assert plain(find_apex("lab.test", source, where="here", zone="lab.test").zone) == zone
    assert len(source.asked) == asked


@pytest.mark.parametrize(
    ("lines", "name", "words"),
    [
        pytest.param(["AA", "NXDOMAIN", "!" + soa("test.")], "WRONG_ZONE", ["lab.test", "the zone test"], id="above"),
        pytest.param(["NXDOMAIN", "!" + soa(".", "a.root.")], "NOT_SERVED", ["lab.test"], id="the root"),
        pytest.param(
            ["!_tcp.lab.test. NS ns7.lab.test."], "DELEGATED", ["_tcp.lab.test", "ns7.lab.test"], id="delegated"
        ),
        pytest.param(["!. NS a.root-servers.example."], "NOT_SERVED", ["lab.test"], id="upward referral"),
        pytest.param([], "NOT_SERVED", ["lab.test"], id="an empty answer"),
        pytest.param([soa("elsewhere.example.")], "NOT_SERVED", ["lab.test"], id="another zone's SOA"),
    ],
)
def test_what_is_no_zone_here_is_told_apart(lines: list[str], name: str, words: list[str]) -> None:
    names = ("_vlmcs._tcp.lab.test", "_tcp.lab.test", "lab.test")
    with pytest.raises(ZoneError) as caught:
        find_apex("lab.test", Source(**dict.fromkeys(names, lines)), where="here", zone="lab.test")
    assert caught.value.name == name
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    ("domain", "answers", "zone", "asked"),
    [
        ("office.lab.test", {"_vlmcs._tcp.office.lab.test": ["AA", "NXDOMAIN", "!" + soa("lab.test.")]}, "lab.test", 1),
        ("lab.test", {"_vlmcs._tcp.lab.test": ["AA", "!" + soa("lab.test.")]}, "lab.test", 1),
        # Samba gives no SOA with the answer that there is no such record.
        ("office.lab.test", {"lab.test": ["AA", soa("lab.test.")]}, "lab.test", 4),
        ("office.corp", {"corp": ["AA", soa("corp.")]}, "corp", 4),
    ],
)
def test_without_a_zone_the_one_that_holds_the_domain_is_found(
    domain: str, answers: dict[str, list[str]], zone: str, asked: int
) -> None:
    source = Source(**answers)
    assert plain(find_apex(domain, source, where="here").zone) == zone
    assert len(source.asked) == asked


@pytest.mark.parametrize(
    ("lines", "name", "words"),
    [
        pytest.param(["NXDOMAIN", "!" + soa(".", "a.root.")], "NOT_SERVED", "option domain", id="the root"),
        pytest.param(["!. NS a.root-servers.example."], "NOT_SERVED", "option domain", id="upward referral"),
        pytest.param(["!office.lab.test. NS ns7.lab.test."], "DELEGATED", "ns7.lab.test", id="delegated"),
        pytest.param([], "NOT_SERVED", "office.lab.test", id="nothing at all"),
    ],
)
def test_without_a_zone_the_domain_is_named_when_there_is_none(lines: list[str], name: str, words: str) -> None:
    names = ("_vlmcs._tcp.office.lab.test", "_tcp.office.lab.test", "office.lab.test", "lab.test", "test")
    with pytest.raises(ZoneError, match=words) as caught:
        find_apex("office.lab.test", Source(**dict.fromkeys(names, lines)), where="here")
    assert caught.value.name == name


def test_a_server_that_only_knows_of_the_zone_is_refused_before_anything_is_sent() -> None:
    with FakeServer() as fake:
        fake.authoritative = False
        with pytest.raises(ZoneError, match=r"ns1\.lab\.test") as caught:
            ensure(Server("127.0.0.1", fake.port), Goal(ZONE, (Host("kms01.lab.test"),), zone=ZONE))
        assert caught.value.name == "NOT_AUTHORITATIVE"
        assert fake.updates == []


def test_the_update_goes_to_the_zone_that_holds_the_name() -> None:
    with FakeServer() as fake:
        fake.apex = "_tcp.lab.test"
        assert plain(apex_at(Server("127.0.0.1", fake.port), ZONE, ZONE).zone) == "_tcp.lab.test"
        assert ensure(Server("127.0.0.1", fake.port), Goal(ZONE, (Host("kms01.lab.test"),), zone=ZONE)).changed


@pytest.mark.parametrize(("rcode", "name"), [(2, "SERVFAIL"), (5, "REFUSED"), (9, "NOTAUTH")])
def test_a_server_that_does_not_serve_the_zone_says_so(rcode: int, name: str) -> None:
    with FakeServer() as fake:
        fake.on_query.append(Play(rcode=rcode))
        with pytest.raises(ServerError, match=r"zone lab\.test") as caught:
            ensure(Server("127.0.0.1", fake.port), Goal(ZONE, (Host("kms01.lab.test"),), zone=ZONE))
        assert (caught.value.name, caught.value.code) == (name, str(rcode))


class Resolver(dns.resolver.Resolver):
    """The machine's resolver, answering from a Source, or failing."""

    def __init__(self, source: Source | Exception) -> None:
        super().__init__(configure=False)
        self.source = source

    def resolve(self, qname: Any, *args: Any, **kwargs: Any) -> Any:
        assert kwargs["search"] is False and kwargs["lifetime"] == 7.0
        if isinstance(self.source, Exception):
            raise self.source
        response = self.source(qname)
        if response.rcode() == dns.rcode.NXDOMAIN:
            raise dns.resolver.NXDOMAIN(qnames=[qname], responses={qname: response})
        return cast(Any, type("Found", (), {"response": response}))


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "AA"])
def test_the_primary_is_that_of_the_soa(rcode: str) -> None:
    source = Source(**{"_vlmcs._tcp.lab.test": [rcode, "!" + soa("lab.test.", "dc1.lab.test.")]})
    assert primary_of("lab.test", "lab.test", timeout=7.0, resolver=Resolver(source)) == "dc1.lab.test"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (dns.exception.Timeout(timeout=7.0), "did not answer within 7 s"),
        (dns.resolver.NoNameservers(), "gave no usable answer"),
        (Source(**{"_vlmcs._tcp.lab.test": ["!" + soa("lab.test.", ".")]}), "names none"),
    ],
)
def test_without_a_primary_the_option_is_asked_for(failure: Any, words: str) -> None:
    with pytest.raises(ZoneError, match=words) as caught:
        primary_of("lab.test", "lab.test", timeout=7.0, resolver=Resolver(failure))
    assert caught.value.name == "NO_PRIMARY"
    assert "option server" in caught.value.remedy


def test_a_domain_that_does_not_exist_is_no_zone() -> None:
    names = ("_vlmcs._tcp.lab.tst", "_tcp.lab.tst", "lab.tst")
    source = Source(**{name: ["NXDOMAIN", "!" + soa(".", "a.root.")] for name in names})
    with pytest.raises(ZoneError, match=r"zone lab\.tst was not found") as caught:
        primary_of("lab.tst", "lab.tst", timeout=7.0, resolver=Resolver(source))
    assert caught.value.name == "NOT_SERVED"
