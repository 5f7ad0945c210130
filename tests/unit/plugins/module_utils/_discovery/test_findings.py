# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each finding: when it is raised and when it is not, and that what it says is filled in."""

from __future__ import annotations

import string
from collections.abc import Sequence

import pytest

from ansible_collections.winops.kms.plugins.module_utils._discovery.findings import (
    RULES,
    SEVERITIES,
    Expected,
    Finding,
    findings,
    worst,
)
from ansible_collections.winops.kms.plugins.module_utils._discovery.lookup import Host, Record, Service
from ansible_collections.winops.kms.plugins.module_utils._discovery.probe import Verdict
from ansible_collections.winops.kms.plugins.module_utils._discovery.survey import Domain, Endpoint, Found

ASKED = "the DNS server ns1.lab.test at port 53"
FOUR, SIX = "192.0.2.1", "2001:db8::1"
KMS = Verdict("open", "kms")
TCP_OPEN = Verdict("open")
CLOSED = Verdict("closed", "no_answer", "refused")
TIMED_OUT = Verdict("no_answer", "no_answer", "timeout")
NO_ROUTE = Verdict("no_route", "no_answer", "ENETUNREACH: Network is unreachable")
NOT_KMS = Verdict("open", "not_kms", "abstract_syntax_not_supported")
NOT_RPC = Verdict("open", "not_rpc", "not_dce_rpc")
MUTE = Verdict("open", "no_answer", "connection_closed")


def found(
    target: str = "kms01.lab.test",
    port: int = 1688,
    *,
    priority: int = 0,
    weight: int = 0,
    ends: dict[str, Verdict | None] | None = None,
    aliases: tuple[str, ...] = (),
    problem: str = "",
) -> Found:
    ends = {FOUR: KMS} if ends is None else ends
    return Found(
        Record(target, port, priority, weight, 300),
        Host(tuple(ends), aliases, problem),
        tuple(Endpoint(address, verdict) for address, verdict in ends.items()),
    )


def domain(*records: Found, name: str = "lab.test", status: str = "found", problem: str = "") -> Domain:
    return Domain(name, Service(status, tuple(each.record for each in records), problem), records)


def judged(*domains: Domain, expected: Sequence[Expected] | None = None) -> list[Finding]:
    return list(findings(domains, expected, asked=ASKED))


def codes(*domains: Domain, expected: Sequence[Expected] | None = None) -> list[str]:
    return [finding.code for finding in judged(*domains, expected=expected)]


# Code -> what raises it and nothing else, and words that its message must have.
CASES: dict[str, tuple[list[Domain], list[Expected] | None, list[str]]] = {
    "resolver_failed": (
        [domain(status="failed", problem="the server failed to answer (SERVFAIL)")],
        [Expected("kms01.lab.test")],
        ["_vlmcs._tcp.lab.test", "ns1.lab.test", "SERVFAIL"],
    ),
    "no_such_domain": ([domain(status="no_such_domain")], None, ["lab.test", "ns1.lab.test"]),
    "no_records": ([domain(status="no_records")], None, ["_vlmcs._tcp.lab.test"]),
    "service_denied": ([domain(found(".", 0, ends={}))], [], ["_vlmcs._tcp.lab.test"]),
    "expected_host_missing": (
        [domain(found())],
        [Expected("KMS01.lab.test"), Expected("kms02.lab.test", 1688)],
        ["kms02.lab.test"],
    ),
    "wrong_port": ([domain(found())], [Expected("kms01.lab.test", 1700)], ["1700", "1688"]),
    "target_without_address": ([domain(found(ends={}))], None, ["kms01.lab.test"]),
    "address_lookup_failed": ([domain(found(ends={}, problem="A: it failed"))], None, ["kms01.lab.test", "it failed"]),
    "addresses_incomplete": ([domain(found(problem="AAAA: it failed"))], None, ["kms01.lab.test", "AAAA: it failed"]),
    "port_closed": ([domain(found(ends={FOUR: CLOSED, SIX: TIMED_OUT}))], None, [FOUR, "refused", SIX, "timeout"]),
    "no_answer": ([domain(found(ends={FOUR: TIMED_OUT}))], None, ["kms01.lab.test", "1688", FOUR, "timeout"]),
    "no_route": ([domain(found(ends={SIX: NO_ROUTE}))], None, ["kms01.lab.test", SIX, "ENETUNREACH"]),
    "not_rpc": ([domain(found(ends={FOUR: NOT_RPC}))], None, ["kms01.lab.test", "1688", "not_dce_rpc"]),
    "not_kms": ([domain(found(ends={FOUR: NOT_KMS}))], None, ["1688", "abstract_syntax_not_supported"]),
    "rpc_no_answer": ([domain(found(ends={FOUR: MUTE}))], None, ["1688", "connection_closed"]),
    "address_fails": ([domain(found(ends={FOUR: KMS, SIX: CLOSED}))], None, ["kms01.lab.test", f"({SIX}: refused)"]),
    "cname_target": ([domain(found(aliases=("alias.lab.test", "real.lab.test")))], None, ["real.lab.test"]),
    "duplicate_target": (
        [domain(found("KMS01.lab.test"), found(port=1689))],
        [Expected("kms01.lab.test", 1688), Expected("kms01.lab.test", 1689)],
        ["KMS01.lab.test", "1688 and 1689"],
    ),
    "unexpected_record": (
        [domain(found("old.lab.test"), found())],
        [Expected("kms01.lab.test")],
        ["old.lab.test", "1688"],
    ),
    "domains_differ": (
        [domain(found(), found("kms02.lab.test")), domain(found("KMS01.lab.test"), name="other.test")],
        None,
        ["other.test", "kms02.lab.test, port 1688"],
    ),
    "other_port": ([domain(found(port=1700))], [Expected("kms01.lab.test")], ["1700", "1688"]),
    "order_not_binding": ([domain(found(), found("kms02.lab.test", priority=10))], None, ["_vlmcs._tcp.lab.test"]),
}


def test_every_rule_has_its_case() -> None:
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize("code", CASES)
def test_each_finding(code: str) -> None:
    domains, expected, words = CASES[code]
    (finding,) = judged(*domains, expected=expected)
    assert finding.code == code
    assert finding.severity == RULES[code].severity
    assert all(word in finding.message for word in words), finding.message
    assert finding.remedy
    assert "None" not in finding.message + finding.remedy
    assert not set("{}") & set(finding.message + finding.remedy)


@pytest.mark.parametrize("code", RULES)
def test_the_texts_are_sentences(code: str) -> None:
    rule = RULES[code]
    assert rule.severity in SEVERITIES
    for text in (rule.meaning, rule.message, rule.remedy):
        assert text.endswith("."), text
        assert text[0].isupper() or text[0] == "{", text
    fields = {
        field for text in (rule.message, rule.remedy) for _before, field, *_rest in string.Formatter().parse(text)
    }
    assert fields - {None} <= {"domain", "owner", "target", "port", "asked", "detail"}


@pytest.mark.parametrize(
    "domains",
    [
        [domain(found())],
        [domain(found(ends={FOUR: KMS, SIX: KMS}))],
        [domain(found(ends={FOUR: TCP_OPEN}))],
        [domain(found(ends={FOUR: None, SIX: None}))],
        [domain(found(), found("kms02.lab.test"))],
        [domain(found()), domain(found("KMS01.lab.test", priority=5), name="other.test")],
    ],
    ids=["one", "both families", "tcp alone", "not probed", "two hosts", "two domains that agree"],
)
def test_all_is_well(domains: list[Domain]) -> None:
    assert codes(*domains) == []


def test_an_address_out_of_reach_of_this_machine_is_no_fault_of_a_host_that_answers() -> None:
    assert codes(domain(found(ends={FOUR: KMS, SIX: NO_ROUTE}))) == []


def test_one_address_without_route_does_not_hide_that_the_other_fails() -> None:
    assert codes(domain(found(ends={FOUR: TIMED_OUT, SIX: NO_ROUTE}))) == ["no_answer"]


def test_the_best_address_decides() -> None:
    """A client tries one address after the other."""
    assert codes(domain(found(ends={FOUR: NOT_RPC, SIX: NOT_KMS}))) == ["not_kms"]
    assert codes(domain(found(ends={FOUR: CLOSED, SIX: MUTE}))) == ["rpc_no_answer"]


def test_another_port_that_is_expected_is_not_mentioned() -> None:
    assert codes(domain(found(port=1700)), expected=[Expected("kms01.lab.test", 1700)]) == []


def test_expected_hosts_are_missing_where_there_are_no_records() -> None:
    wanted = [Expected("kms01.lab.test"), Expected("kms02.lab.test")]
    missing = ["expected_host_missing", "expected_host_missing"]
    assert codes(domain(status="no_records"), expected=wanted) == ["no_records", *missing]


def test_an_empty_list_makes_every_record_unexpected() -> None:
    assert codes(domain(found()), expected=[]) == ["unexpected_record"]


def test_a_domain_without_records_is_not_compared() -> None:
    assert codes(domain(found()), domain(name="other.test", status="no_records")) == ["no_records"]


def test_weights_are_mentioned_too() -> None:
    assert codes(domain(found(weight=1), found("kms02.lab.test", weight=2))) == ["order_not_binding"]


def test_the_worst_comes_first_then_the_order_of_domains_and_records() -> None:
    result = judged(
        domain(found("kms02.lab.test", 1700), found("kms03.lab.test", ends={FOUR: CLOSED})),
        domain(found("kms02.lab.test", 1700, ends={FOUR: NOT_KMS}), name="other.test"),
    )
    assert [(each.severity, each.code, each.domain, each.target, each.port) for each in result] == [
        ("error", "port_closed", "lab.test", "kms03.lab.test", 1688),
        ("error", "not_kms", "other.test", "kms02.lab.test", 1700),
        ("warning", "domains_differ", "other.test", None, None),
        ("info", "other_port", "lab.test", "kms02.lab.test", 1700),
        ("info", "other_port", "other.test", "kms02.lab.test", 1700),
    ]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ([], "none"),
        (["other_port"], "info"),
        (["other_port", "cname_target"], "warning"),
        (["cname_target", "no_answer", "other_port"], "error"),
    ],
)
def test_worst(raised: list[str], expected: str) -> None:
    assert worst(Finding(code, "lab.test", None, None, "", "") for code in raised) == expected
