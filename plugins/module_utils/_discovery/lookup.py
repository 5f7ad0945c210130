# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the DNS says: the SRV records of a domain and the addresses of their targets, asked as a client asks.

By UDP, and by TCP where an answer does not fit, of one named server or of this machine's own resolver.

The package: what a KMS client would find for a DNS domain, and what is wrong with it. Nothing in it imports Ansible.
Each module stands on those named before it: `lookup` asks the DNS, `probe` asks a host, `survey` does both for several
domains at once, `findings` judges what came out.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import NamedTuple

from .._dns.errors import InputError, UnreachableError
from .._dns.library import dns
from .._dns.names import checked_name, is_address, owner_name

# How many times the rest of a chain of aliases is asked for, when a server answers with its beginning alone.
MOST_ALIAS_QUERIES = 8
LONGEST_NAME = 253

FOUND = "found"
NO_RECORDS = "no_records"
NO_SUCH_DOMAIN = "no_such_domain"
FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """One SRV record. target: without its final dot, in the case in which the DNS has it; "." alone means that the
    domain offers no such service (RFC 2782)."""

    target: str
    port: int
    priority: int
    weight: int
    ttl: int

    @property
    def host(self) -> str:
        """What the target is compared by: case does not count (RFC 4343)."""
        return self.target.lower()

    @property
    def rank(self) -> tuple[int, int, str, int]:
        """The order of RFC 2782, lowest priority first. Within one priority the order is drawn by lot, by weight: what
        is drawn first most often stands first here."""
        return (self.priority, -self.weight, self.host, self.port)


@dataclass(frozen=True)
class Service:
    """The answer for a domain. status: one of the constants above. problem: why it failed, within a sentence."""

    status: str
    records: tuple[Record, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Host:
    """The answer for a target.

    addresses: IPv4 first. aliases: the names that the target is an alias (CNAME) of, in order. problem: why a look-up
    failed, within a sentence; there can be addresses of the other family nevertheless.
    """

    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    problem: str = ""


class _Failed(Exception):
    """A question got no usable answer. Its text belongs within a sentence."""


class _Reply(NamedTuple):
    exists: bool
    message: dns.message.Message


class Lookup:
    """Asks one server, or this machine's resolver. Safe for several threads."""

    def __init__(self, server: str | None = None, port: int = 53, *, timeout: float = 5.0) -> None:
        """server: name or address. timeout: seconds for the answer to one question, with all repetitions of it.

        Raises InputError when this machine has no resolver, UnreachableError when the server's name is unknown.
        """
        self._timeout = timeout
        if server is None:
            self.label = "this machine's resolver"
            try:
                self._resolver = dns.resolver.Resolver()
            except dns.resolver.NoResolverConfiguration:
                raise InputError(
                    "server",
                    "it is not given, and this machine has no DNS resolver configured.",
                    "Name the DNS server that the clients ask in the option server.",
                ) from None
        else:
            self.label = f"the DNS server {server} at port {port}"
            self._resolver = dns.resolver.Resolver(configure=False)
            self._resolver.port = port
            self._resolver.nameservers = _addresses_of(server)

    def service(self, domain: str) -> Service:
        """The KMS record set of the domain, in the order of RFC 2782."""
        owner = dns.name.from_text(owner_name(domain) + ".")
        try:
            name, reply = self._follow(owner, dns.rdatatype.SRV, [])
        except _Failed as failure:
            return Service(FAILED, problem=str(failure))
        records = sorted(
            (
                Record(_plain(rdata.target), rdata.port, rdata.priority, rdata.weight, rrset.ttl)
                for rrset in reply.message.answer
                if rrset.rdtype == dns.rdatatype.SRV and rrset.name == name
                for rdata in rrset
            ),
            key=lambda record: record.rank,
        )
        if records:
            return Service(FOUND, tuple(records))
        return Service(NO_RECORDS if reply.exists or self._exists(domain) else NO_SUCH_DOMAIN)

    def host(self, target: str) -> Host:
        """The addresses of a target, both families."""
        name = dns.name.from_text(target + ".")
        addresses: list[str] = []
        aliases: list[str] = []
        problems: list[str] = []
        for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            passed: list[str] = []
            try:
                final, reply = self._follow(name, rdtype, passed)
            except _Failed as failure:
                problems.append(f"{dns.rdatatype.to_text(rdtype)}: {failure}")
            else:
                addresses += sorted(
                    {
                        rdata.address
                        for rrset in reply.message.answer
                        if rrset.rdtype == rdtype and rrset.name == final
                        for rdata in rrset
                    },
                    key=lambda address: ipaddress.ip_address(address).packed,
                )
            aliases = max(aliases, passed, key=len)
        return Host(tuple(addresses), tuple(aliases), "; ".join(problems))

    def _exists(self, domain: str) -> bool:
        """Whether the domain has a name at all, asked where the owner name of its records has none."""
        try:
            return self._ask(dns.name.from_text(domain + "."), dns.rdatatype.SOA).exists
        except _Failed:
            return True  # not known; then it is only certain that the records are missing

    def _follow(
        self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, aliases: list[str]
    ) -> tuple[dns.name.Name, _Reply]:
        """The name at the end of the chain of aliases, and the reply that speaks of it. Fills `aliases`."""
        for _round in range(MOST_ALIAS_QUERIES):
            reply = self._ask(name, rdtype)
            last = _end_of_chain(reply.message, name, aliases)
            answered = last == name or not reply.exists
            if answered or any(rrset.name == last and rrset.rdtype == rdtype for rrset in reply.message.answer):
                return last, reply
            name = last
        raise _Failed("the chain of aliases (CNAME) does not end")

    def _ask(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> _Reply:
        try:
            found = self._resolver.resolve(name, rdtype, raise_on_no_answer=False, lifetime=self._timeout, search=False)
        except dns.resolver.NXDOMAIN as error:
            return _Reply(False, error.response(name))
        except dns.exception.Timeout:
            raise _Failed(f"no answer came within {self._timeout:g} s") from None
        except dns.resolver.NoNameservers as error:
            raise _Failed(_why(error)) from None
        except dns.exception.DNSException as error:
            raise _Failed(f"no usable answer came ({type(error).__name__})") from None
        return _Reply(True, found.response)


def domain_name(text: str) -> str:
    """A domain that clients look in, without its final dot. Raises InputError."""
    name = checked_name(text, "domains")
    if is_address(name):
        raise InputError("domains", f"{text!r} is an address.", "Give the name of a DNS domain, such as contoso.com.")
    if len(owner_name(name)) > LONGEST_NAME:
        raise InputError("domains", f"{text!r} is too long for the name of the records in it.", "Shorten it.")
    if name.startswith("_"):
        raise InputError(
            "domains",
            f"{text!r} begins with the name of a service.",
            f"Give the domain that clients look in, and not {owner_name('contoso.com')}.",
        )
    return name


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


def _addresses_of(server: str) -> list[str]:
    try:
        found = socket.getaddrinfo(server, None, type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError):
        raise UnreachableError(
            "UNKNOWN_HOST",
            f"The name of the DNS server {server} cannot be resolved on this machine.",
            "Check the option server, or give the server's address.",
        ) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _end_of_chain(message: dns.message.Message, name: dns.name.Name, aliases: list[str]) -> dns.name.Name:
    targets: dict[dns.name.Name, dns.name.Name] = {
        rrset.name: rrset[0].target for rrset in message.answer if rrset.rdtype == dns.rdatatype.CNAME
    }
    while name in targets:
        name = targets.pop(name)
        aliases.append(_plain(name))
    return name


_SAYINGS = {"SERVFAIL": "the server failed to answer", "REFUSED": "the server refused to answer"}


def _why(error: dns.resolver.NoNameservers) -> str:
    """The result code of the last server that gave one, as each release of dnspython keeps it."""
    attempts: list[tuple[object, ...]] = error.kwargs.get("errors") or []
    for attempt in reversed(attempts):
        response = attempt[4] if len(attempt) > 4 else None
        if isinstance(response, dns.message.Message):
            code = dns.rcode.to_text(response.rcode())
            return f"{_SAYINGS.get(code, 'the server answered with an error')} ({code})"
    return "no server gave a usable answer"
