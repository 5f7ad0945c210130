# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with what was found. Every judgement is a row of `RULES`, which the documentation is tested against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._dns.names import owner_name
from .lookup import FAILED, NO_RECORDS, NO_SUCH_DOMAIN
from .probe import CLOSED, KMS, NO_ANSWER, NO_ROUTE, NOT_KMS, NOT_RPC, OPEN, Verdict
from .survey import NOWHERE, Domain, Endpoint, Found

DEFAULT_PORT = 1688

ERROR, WARNING, INFO, NONE = "error", "warning", "info", "none"
# Worst first.
SEVERITIES = (ERROR, WARNING, INFO)


class Rule(NamedTuple):
    """severity: error when clients of the domain can fail to activate because of it, warning when they can later or
    elsewhere, info otherwise. meaning: for the documentation. message, remedy: filled in with the values of a finding
    ({domain}, {owner}, {target}, {port}, {asked}: who was asked) and with {detail}, which the rule's finder gives."""

    severity: str
    meaning: str
    message: str
    remedy: str


_LISTENING = (
    "Check that the Software Protection service of the host runs as an activated KMS host (winops.kms.license_info) "
    "and listens on this port (winops.kms.host with port)"
)

RULES: dict[str, Rule] = {
    "resolver_failed": Rule(
        ERROR,
        "The SRV records could not be looked up, so that nothing is known of the domain.",
        "The SRV records of {owner} could not be looked up at {asked}: {detail}.",
        "Check that it is a DNS server that answers this machine and that clients ask, and look at its log.",
    ),
    "no_such_domain": Rule(
        ERROR,
        "The domain does not exist in the DNS.",
        "The domain {domain} does not exist, says {asked}.",
        "Check the spelling. If the domain is internal, ask a DNS server that knows it (option server).",
    ),
    "no_records": Rule(
        ERROR,
        "The domain has no SRV record for KMS.",
        "{owner} has no SRV record.",
        "Publish the KMS hosts with winops.kms.srv_record, or have them publish themselves (winops.kms.host with "
        "dns_publishing).",
    ),
    "service_denied": Rule(
        ERROR,
        "The target of a record is the root, by which a domain says that it offers no such service.",
        "A record of {owner} says that there is no KMS host: its target is the root.",
        "Remove this record from the zone, unless clients of the domain shall find no KMS host.",
    ),
    "expected_host_missing": Rule(
        ERROR,
        "An expected host has no record.",
        "The expected host {target} has no record at {owner}.",
        "Publish it with winops.kms.srv_record, or have it publish itself (winops.kms.host with dns_publishing).",
    ),
    "wrong_port": Rule(
        ERROR,
        "The records of an expected host name other ports than the expected one.",
        "{target} is expected with port {port}, but is published with {detail}.",
        "Publish it with winops.kms.srv_record and the right port, which replaces what is there.",
    ),
    "target_without_address": Rule(
        ERROR,
        "The target of a record has no address.",
        "{target}, the target of a record of {owner}, has no address (neither A nor AAAA).",
        "Add an address record for the host. If the host is gone, remove its SRV record.",
    ),
    "address_lookup_failed": Rule(
        ERROR,
        "The addresses of a target could not be looked up.",
        "The addresses of {target} could not be looked up at {asked}: {detail}.",
        "Check that this DNS server can resolve the name; look at its log and at that of the name's own zone.",
    ),
    "port_closed": Rule(
        ERROR,
        "The host refuses connections at the port.",
        "{target} refuses connections at TCP port {port} ({detail}).",
        _LISTENING + "; a firewall can refuse connections as well.",
    ),
    "no_answer": Rule(
        ERROR,
        "No connection to the port comes about.",
        "{target} does not answer at TCP port {port} ({detail}).",
        "Check that the host is on, that its address records are right, and that every firewall on the way lets this "
        "port through; the rule on the host is SPPSVC-In-TCP (winops.kms.host with firewall).",
    ),
    "no_route": Rule(
        ERROR,
        "The machine that runs the module has no route to any address of the host, so that nothing is known of it.",
        "This machine has no route to {target} ({detail}).",
        "Run the module on a machine in a network of the clients (delegate_to), or without a probe.",
    ),
    "not_rpc": Rule(
        ERROR,
        "What listens at the port does not speak DCE/RPC, so that it is no KMS host.",
        "What listens at TCP port {port} of {target} does not speak DCE/RPC ({detail}).",
        "Another program has this port, or the address belongs to another machine: check the port and the address "
        "records of the host.",
    ),
    "not_kms": Rule(
        ERROR,
        "What listens at the port speaks DCE/RPC and does not offer the KMS interface.",
        "What listens at TCP port {port} of {target} speaks DCE/RPC, but is no KMS host ({detail}).",
        "Another RPC service has this port, or the host is a KMS host no longer: correct or remove the record.",
    ),
    "rpc_no_answer": Rule(
        ERROR,
        "The port accepts connections, and no usable answer to the probe comes.",
        "TCP port {port} of {target} is open, but no usable answer to an RPC bind comes ({detail}).",
        _LISTENING + "; then look for a proxy or load balancer on the way, and whether the host is overloaded.",
    ),
    "address_fails": Rule(
        WARNING,
        "The host answers as it should at some of its addresses, and not at others.",
        "{target} answers as it should at port {port}, but not at every address ({detail}).",
        "Clients that try such an address first lose time or fail. Correct the host's address records, or have it "
        "listen and be reachable at all of them.",
    ),
    "addresses_incomplete": Rule(
        WARNING,
        "The addresses of one family could not be looked up, those of the other could.",
        "Not all addresses of {target} could be looked up at {asked}: {detail}.",
        "Check that this DNS server can resolve the name; look at its log and at that of the name's own zone.",
    ),
    "cname_target": Rule(
        WARNING,
        "The target of a record is an alias, which RFC 2782 forbids.",
        "{target}, the target of a record of {owner}, is an alias (CNAME) of {detail}.",
        "Publish the host under the name that has the address records; a client need not follow an alias.",
    ),
    "duplicate_target": Rule(
        WARNING,
        "A host has several records.",
        "{target} has several records at {owner}: {detail}.",
        "A KMS host listens on one port. Publish it with winops.kms.srv_record, which leaves one record of the host.",
    ),
    "unexpected_record": Rule(
        WARNING,
        "A record leads to a host that is not expected.",
        "A record of {owner} leads to {target}, port {port}, which is not among the expected hosts.",
        "Find out who published it. If it is stale or foreign, remove it with winops.kms.srv_record (state=absent); a "
        "host that publishes itself adds it again until that is switched off there.",
    ),
    "domains_differ": Rule(
        WARNING,
        "Another domain of the list has records that this one does not have.",
        "{domain} has no record of {detail}, which another domain here has.",
        "If clients of all domains shall use the same KMS hosts, publish each host in each of them.",
    ),
    "other_port": Rule(
        INFO,
        "A record names another port than 1688, and the port is not one that is expected.",
        "{target} is published with port {port} and not with 1688, the default of KMS.",
        "This is right if the host was given this port (winops.kms.host with port). Clients and firewalls with a fixed "
        "port need it too.",
    ),
    "order_not_binding": Rule(
        INFO,
        "Records differ in priority or weight, which clients do not always heed.",
        "The records of {owner} differ in priority or weight, but a client that caches its KMS host, as it does by "
        "default, stays with the one that has answered.",
        "If the order matters, switch host caching off at the clients (winops.kms.client with host_caching). Microsoft "
        "documents differ on whether every Windows heeds the order even then.",
    ),
}


@dataclass(frozen=True)
class Expected:
    """A host that shall be found. port: None when any is right."""

    target: str
    port: int | None = None

    @property
    def host(self) -> str:
        """What it is compared by."""
        return self.target.lower()


@dataclass(frozen=True)
class Finding:
    """One row of the result. target, port: None where the finding is not about a host."""

    code: str
    domain: str
    target: str | None
    port: int | None
    message: str
    remedy: str

    @property
    def severity(self) -> str:
        """error, warning or info, by the rule."""
        return RULES[self.code].severity

    def as_result(self) -> dict[str, str | int | None]:
        """The finding in a module's result."""
        return {
            "severity": self.severity,
            "code": self.code,
            "domain": self.domain,
            "target": self.target,
            "port": self.port,
            "message": self.message,
            "remedy": self.remedy,
        }


class _Raised(NamedTuple):
    code: str
    target: str | None = None
    port: int | None = None
    detail: str = ""


def findings(domains: Sequence[Domain], expected: Sequence[Expected] | None, *, asked: str) -> tuple[Finding, ...]:
    """All findings, the worst first, then by domain and record.

    expected: None when nothing is expected; then no record is unexpected either. asked: how messages name the resolver.
    """
    result = [
        _finding(raised, domain, asked)
        for domain in domains
        for raised in (
            *_of_service(domain),
            *_of_order(domain),
            *_of_expected(domain, expected),
            *_of_comparison(domain, domains),
            *(raised for found in domain.records for raised in _of_record(found, expected or ())),
        )
    ]
    return tuple(sorted(result, key=lambda finding: SEVERITIES.index(finding.severity)))


def worst(found: Iterable[Finding]) -> str:
    """The worst severity, or none."""
    present = {finding.severity for finding in found}
    return next((severity for severity in SEVERITIES if severity in present), NONE)


def _finding(raised: _Raised, domain: Domain, asked: str) -> Finding:
    rule = RULES[raised.code]
    values = {
        "domain": domain.name,
        "owner": owner_name(domain.name),
        "target": raised.target,
        "port": raised.port,
        "asked": asked,
        "detail": raised.detail,
    }
    return Finding(
        raised.code,
        domain.name,
        raised.target,
        raised.port,
        rule.message.format(**values),
        rule.remedy.format(**values),
    )


_STATUS_CODES = {FAILED: "resolver_failed", NO_SUCH_DOMAIN: "no_such_domain", NO_RECORDS: "no_records"}


def _of_service(domain: Domain) -> Iterator[_Raised]:
    code = _STATUS_CODES.get(domain.service.status)
    if code is not None:
        yield _Raised(code, detail=domain.service.problem)


def _of_order(domain: Domain) -> Iterator[_Raised]:
    records = [found.record for found in domain.records if found.record.host != NOWHERE]
    by_host: dict[str, list[int]] = {}
    for record in sorted(records, key=lambda record: record.port):
        by_host.setdefault(record.host, []).append(record.port)
    for record in records:
        ports = by_host.pop(record.host, [])
        if len(ports) > 1:
            yield _Raised("duplicate_target", record.target, detail=f"ports {_listed(map(str, ports))}")
    if len({record.host for record in records}) > 1 and len({(each.priority, each.weight) for each in records}) > 1:
        yield _Raised("order_not_binding")


def _of_expected(domain: Domain, expected: Sequence[Expected] | None) -> Iterator[_Raised]:
    """Nothing is missing where nothing could be looked up."""
    if expected is None or domain.service.status == FAILED:
        return
    published: dict[str, list[int]] = {}
    for found in domain.records:
        published.setdefault(found.record.host, []).append(found.record.port)
    for wanted in expected:
        ports = published.get(wanted.host)
        if ports is None:
            yield _Raised("expected_host_missing", wanted.target, wanted.port)
        elif wanted.port is not None and wanted.port not in ports:
            yield _Raised("wrong_port", wanted.target, wanted.port, _listed(map(str, sorted(ports))))
    names = {wanted.host for wanted in expected}
    for found in domain.records:
        if found.record.host not in names | {NOWHERE}:
            yield _Raised("unexpected_record", found.record.target, found.record.port)


def _doors(domain: Domain) -> dict[tuple[str, int], str]:
    return {
        (found.record.host, found.record.port): f"{found.record.target}, port {found.record.port}"
        for found in domain.records
        if found.record.host != NOWHERE
    }


def _of_comparison(domain: Domain, domains: Sequence[Domain]) -> Iterator[_Raised]:
    """A domain without any record has a finding of its own already."""
    own = _doors(domain)
    if not own:
        return
    others: dict[tuple[str, int], str] = {}
    for other in domains:
        others.update(_doors(other))
    lacking = [text for door, text in sorted(others.items()) if door not in own]
    if lacking:
        yield _Raised("domains_differ", detail=_listed(lacking))


def _of_record(found: Found, expected: Sequence[Expected]) -> Iterator[_Raised]:
    record = found.record
    if record.host == NOWHERE:
        yield _Raised("service_denied")
        return
    target, port = record.target, record.port
    if port != DEFAULT_PORT and Expected(record.host, port) not in [
        Expected(each.host, each.port) for each in expected
    ]:
        yield _Raised("other_port", target, port)
    if found.host.aliases:
        yield _Raised("cname_target", target, port, found.host.aliases[-1])
    if found.host.problem:
        code = "addresses_incomplete" if found.host.addresses else "address_lookup_failed"
        yield _Raised(code, target, port, found.host.problem)
    elif not found.host.addresses:
        yield _Raised("target_without_address", target, port)
    yield from _of_probe(found)


# The best verdict of a record -> code. TCP first: without a connection there is nothing to say of RPC.
_TCP_CODES = {CLOSED: "port_closed", NO_ANSWER: "no_answer", NO_ROUTE: "no_route"}
_RPC_CODES = {NOT_KMS: "not_kms", NOT_RPC: "not_rpc", NO_ANSWER: "rpc_no_answer"}


def _of_probe(found: Found) -> Iterator[_Raised]:
    best = found.best
    if best is None:
        return
    target, port = found.record.target, found.record.port
    code = _TCP_CODES.get(best.tcp) or _RPC_CODES.get(best.rpc or "")
    if code is not None:
        yield _Raised(code, target, port, _told(found.endpoints))
        return
    failing = [each for each in found.endpoints if each.verdict and not _good(each.verdict) and _known(each.verdict)]
    if failing:
        yield _Raised("address_fails", target, port, _told(failing))


def _good(verdict: Verdict) -> bool:
    return verdict.tcp == OPEN and verdict.rpc in (KMS, None)


def _known(verdict: Verdict) -> bool:
    """That this machine has no IPv6, say, is no fault of a host that answers at its other address."""
    return verdict.tcp != NO_ROUTE


def _told(endpoints: Iterable[Endpoint]) -> str:
    """Each address with what came of it."""
    return "; ".join(
        f"{each.address}: {each.verdict.reason or each.verdict.tcp}" for each in endpoints if each.verdict is not None
    )


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
