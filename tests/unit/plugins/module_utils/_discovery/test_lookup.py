# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look-ups over real sockets, against a resolver that also misbehaves."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import dns.rcode
import dns.resolver
import pytest

from ansible_collections.winops.kms.plugins.module_utils._discovery.lookup import (
    MOST_ALIAS_QUERIES,
    Host,
    Lookup,
    Record,
    Service,
    domain_name,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import InputError, UnreachableError

from .fake_dns import TTL, FakeDns

OWNER = "_vlmcs._tcp.lab.test"
SRV = f"{OWNER} SRV"


@pytest.fixture
def fake() -> Iterator[FakeDns]:
    names = {
        "lab.test SOA": ["ns1.lab.test. host.lab.test. 1 2 3 4 5"],
        SRV: ["10 0 1688 Kms02.lab.test.", "0 5 1688 kms03.lab.test.", "0 10 1689 kms01.lab.test."],
        "kms01.lab.test A": ["192.0.2.11", "192.0.2.2"],
        "kms01.lab.test AAAA": ["2001:db8::11"],
    }
    with FakeDns(names) as server:
        yield server


def lookup(fake: FakeDns, timeout: float = 10) -> Lookup:
    return Lookup("127.0.0.1", fake.port, timeout=timeout)


def test_records_come_in_the_order_of_rfc_2782(fake: FakeDns) -> None:
    assert lookup(fake).service("lab.test") == Service(
        "found",
        (
            Record("kms01.lab.test", 1689, 0, 10, TTL),
            Record("kms03.lab.test", 1688, 0, 5, TTL),
            Record("Kms02.lab.test", 1688, 10, 0, TTL),
        ),
    )
    assert fake.asked == [SRV]


def test_addresses_of_both_families(fake: FakeDns) -> None:
    assert lookup(fake).host("KMS01.lab.test") == Host(("192.0.2.2", "192.0.2.11", "2001:db8::11"))


def test_a_large_answer_is_fetched_by_tcp(fake: FakeDns) -> None:
    fake.truncate = True
    assert len(lookup(fake).service("lab.test").records) == 3
    assert fake.transports == ["udp", "tcp"]


def test_ipv6_server_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeDns({SRV: ["0 0 1688 kms01.lab.test."]}, address="::1") as fake:
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, **how: real("::1" if host == "ns1.lab.test" else host, port, **how),
        )
        asks = Lookup("ns1.lab.test", fake.port, timeout=10)
        assert asks.label == f"the DNS server ns1.lab.test at port {fake.port}"
        assert asks.service("lab.test").status == "found"


def test_no_records_in_a_domain_that_exists(fake: FakeDns) -> None:
    del fake.names[SRV]
    assert lookup(fake).service("lab.test") == Service("no_records")
    assert fake.asked == [SRV, "lab.test SOA"]


def test_other_records_at_the_name_are_no_records(fake: FakeDns) -> None:
    fake.names = {f"{OWNER} TXT": ["text"]}
    assert lookup(fake).service("lab.test") == Service("no_records")


def test_a_domain_that_does_not_exist(fake: FakeDns) -> None:
    assert lookup(fake).service("other.test") == Service("no_such_domain")


def test_it_is_not_said_to_be_missing_when_that_cannot_be_known(fake: FakeDns) -> None:
    fake.names = {}
    fake.rcodes["lab.test SOA"] = dns.rcode.SERVFAIL
    assert lookup(fake).service("lab.test") == Service("no_records")


@pytest.mark.parametrize(
    ("rcode", "problem"),
    [
        (dns.rcode.SERVFAIL, "the server failed to answer (SERVFAIL)"),
        (dns.rcode.REFUSED, "the server refused to answer (REFUSED)"),
        (dns.rcode.NOTIMP, "the server answered with an error (NOTIMP)"),
    ],
)
def test_a_server_that_fails(fake: FakeDns, rcode: dns.rcode.Rcode, problem: str) -> None:
    fake.rcodes[SRV] = rcode
    assert lookup(fake).service("lab.test") == Service("failed", problem=problem)


def test_a_server_that_does_not_answer(fake: FakeDns) -> None:
    fake.silent.add(SRV)
    assert lookup(fake, timeout=0.2).service("lab.test") == Service("failed", problem="no answer came within 0.2 s")


def test_half_of_the_addresses_fail(fake: FakeDns) -> None:
    fake.rcodes["kms01.lab.test AAAA"] = dns.rcode.SERVFAIL
    assert lookup(fake).host("kms01.lab.test") == Host(
        ("192.0.2.2", "192.0.2.11"), problem="AAAA: the server failed to answer (SERVFAIL)"
    )


def test_all_addresses_fail(fake: FakeDns) -> None:
    fake.rcodes = {f"kms01.lab.test {kind}": dns.rcode.REFUSED for kind in ("A", "AAAA")}
    host = lookup(fake).host("kms01.lab.test")
    assert host.addresses == ()
    assert host.problem.count("(REFUSED)") == 2


@pytest.mark.parametrize("target", ["kms02.lab.test", "gone.lab.test"])
def test_a_target_without_address_is_no_failure(fake: FakeDns, target: str) -> None:
    fake.names["kms02.lab.test TXT"] = ["text"]
    assert lookup(fake).host(target) == Host()


@pytest.mark.parametrize("chase", [True, False], ids=["a resolver", "a server that answers with one link at a time"])
def test_aliases_are_followed_and_told(fake: FakeDns, chase: bool) -> None:
    fake.chase = chase
    fake.names["kms.lab.test CNAME"] = ["alias.lab.test."]
    fake.names["alias.lab.test CNAME"] = ["kms01.lab.test."]
    assert lookup(fake).host("kms.lab.test") == Host(
        ("192.0.2.2", "192.0.2.11", "2001:db8::11"), aliases=("alias.lab.test", "kms01.lab.test")
    )


def test_an_alias_that_leads_nowhere(fake: FakeDns) -> None:
    fake.names["kms.lab.test CNAME"] = ["gone.lab.test."]
    assert lookup(fake).host("kms.lab.test") == Host(aliases=("gone.lab.test",))


@pytest.mark.parametrize("chase", [True, False])
def test_aliases_in_a_circle_end(fake: FakeDns, chase: bool) -> None:
    fake.chase = chase
    fake.names = {"one.lab.test CNAME": ["two.lab.test."], "two.lab.test CNAME": ["one.lab.test."]}
    host = lookup(fake).host("one.lab.test")
    assert host.addresses == ()
    assert host.problem
    assert len(fake.asked) <= 2 * MOST_ALIAS_QUERIES


def test_the_record_set_itself_may_be_an_alias(fake: FakeDns) -> None:
    fake.names["_vlmcs._tcp.other.test CNAME"] = [OWNER + "."]
    assert len(lookup(fake).service("other.test").records) == 3


def test_the_resolver_of_this_machine(fake: FakeDns, monkeypatch: pytest.MonkeyPatch) -> None:
    def configured() -> dns.resolver.Resolver:
        resolver = real(configure=False)
        resolver.port = fake.port
        resolver.nameservers = ["127.0.0.1"]
        return resolver

    real = dns.resolver.Resolver
    monkeypatch.setattr(dns.resolver, "Resolver", configured)
    asks = Lookup()
    assert asks.label == "this machine's resolver"
    assert asks.service("lab.test").status == "found"


def test_a_machine_without_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def unconfigured() -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", unconfigured)
    with pytest.raises(InputError) as caught:
        Lookup()
    assert caught.value.option == "server"


def test_a_server_whose_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_ignored: object, **_also: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnreachableError) as caught:
        Lookup("ns9.lab.test")
    assert "ns9.lab.test" in caught.value.message


@pytest.mark.parametrize(
    "text", ["", ".", "lab..test", "192.0.2.1", "_vlmcs._tcp.lab.test", "_tcp.lab.test", ".".join(["a" * 60] * 4)]
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        domain_name(text)
    assert caught.value.option == "domains"


def test_domains_are_taken_with_and_without_the_final_dot() -> None:
    assert domain_name("Lab.test.") == "Lab.test"
    assert domain_name("test") == "test"
