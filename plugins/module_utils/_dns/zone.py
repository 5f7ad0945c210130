# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a record belongs: the zone that holds its name, and that zone's primary server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .errors import ZoneError, sentence
from .exchange import Server, content
from .library import dns
from .names import owner_name

Ask = Callable[["dns.name.Name"], "dns.message.Message"]


class Apex(NamedTuple):
    """zone: its name. primary: the MNAME of its SOA record. authoritative: the answer came from the zone itself."""

    zone: dns.name.Name
    primary: dns.name.Name
    authoritative: bool


def from_text(name: str) -> dns.name.Name:
    """A checked name, without its final dot, as an absolute one."""
    return dns.name.from_text(name + ".")


def plain(name: dns.name.Name) -> str:
    """The name without its final dot, as messages show it."""
    return name.to_text(omit_final_dot=True)


def _candidates(domain: str, zone: str | None) -> Iterator[dns.name.Name]:
    """The owner name and its parents: down to the zone, or to the top. The first that gets a usable answer decides."""
    last = from_text(zone) if zone is not None else dns.name.root
    name = from_text(owner_name(domain))
    while name != last:
        yield name
        name = name.parent()
    if last != dns.name.root:
        yield last


def _soa(message: dns.message.Message, asked: dns.name.Name) -> Apex | None:
    for rrset in (*message.answer, *message.authority):
        if rrset.rdtype == dns.rdatatype.SOA and asked.is_subdomain(rrset.name):
            return Apex(rrset.name, rrset[0].mname, bool(message.flags & dns.flags.AA))
    return None


def _delegation(
    message: dns.message.Message, asked: dns.name.Name, top: dns.name.Name
) -> tuple[dns.name.Name, list[str]] | None:
    found = [
        rrset
        for rrset in message.authority
        if rrset.rdtype == dns.rdatatype.NS
        and asked.is_subdomain(rrset.name)
        and rrset.name.is_subdomain(top)
        and rrset.name != dns.name.root
    ]
    if not found:
        return None
    return found[0].name, sorted(plain(rdata.target) for rrset in found for rdata in rrset)


def find_apex(domain: str, ask: Ask, *, where: str, zone: str | None = None) -> Apex:
    """The apex of the zone that holds the KMS record of `domain`, asked of one source.

    The name of the record itself is asked first, since `_tcp` can be a zone of its own (as it was customary with Active
    Directory beside BIND). zone: the one it must lie in; None for whichever there is. Raises ZoneError when the source
    knows no such zone, or when `zone` is not a zone itself.
    """
    top = from_text(zone) if zone is not None else dns.name.root
    for name in _candidates(domain, zone):
        message = ask(name)
        if any(rrset.rdtype == dns.rdatatype.CNAME and rrset.name == name for rrset in message.answer):
            # A resolver follows the alias, so that the SOA in its answer would be that of another zone.
            continue
        apex = _soa(message, name)
        if apex is not None and apex.zone == dns.name.root:
            break
        if apex is not None and not apex.zone.is_subdomain(top):
            raise ZoneError(
                "WRONG_ZONE",
                f"{zone} is not a zone of {where}: the name lies in the zone {plain(apex.zone)}.",
                "Give this name in the option domain instead of zone if it is the one that your clients have as DNS "
                "domain, or correct the option zone.",
            )
        if apex is not None:
            return apex
        delegated = None if message.flags & dns.flags.AA else _delegation(message, name, top)
        if delegated is not None:
            cut, servers = delegated
            raise ZoneError(
                "DELEGATED",
                f"The name {plain(name)} is not served by {where}: {plain(cut)} is delegated to {', '.join(servers)}.",
                "Name the primary of that zone in the option server.",
            )
    if zone is None:
        raise ZoneError(
            "NOT_SERVED",
            f"The zone that holds the domain {domain} was not found: {where} has no SOA record for it.",
            "Check the domain (by default, that of the target), give it in the option domain or the zone in the option "
            "zone, and name the zone's primary server in the option server.",
        )
    raise ZoneError(
        "NOT_SERVED",
        f"The zone {zone} was not found: {where} has no SOA record for it.",
        "Check the option zone, and name the zone's primary server in the option server.",
    )


def apex_at(server: Server, domain: str, zone: str | None = None) -> Apex:
    """Ask the server that is to be updated, which must serve the zone itself."""
    wanted = zone or domain

    def ask(name: dns.name.Name) -> dns.message.Message:
        query = dns.message.make_query(name, dns.rdatatype.SOA)
        query.flags &= ~dns.flags.RD
        doing = f"looking for the zone {zone}" if zone else f"looking for the zone of {domain}"
        return content(server.exchange(query), server=server, doing=doing, zone=wanted, owner=owner_name(domain))

    apex = find_apex(domain, ask, where=server.label, zone=zone)
    if not apex.authoritative:
        raise ZoneError(
            "NOT_AUTHORITATIVE",
            f"{sentence(server.label)} knows the zone {plain(apex.zone)}, but does not hold it.",
            "It is a resolver or forwarder. Name the zone's primary server in the option server, "
            f"perhaps {plain(apex.primary)}.",
        )
    return apex


def primary_of(
    domain: str, zone: str | None = None, *, timeout: float, resolver: dns.resolver.Resolver | None = None
) -> str:
    """The host name of the primary server of the zone that holds the record of a domain, by this machine's resolver (or
    another one)."""
    wanted = zone or f"of {domain}"
    try:
        chosen = resolver or dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise _no_primary(wanted, "this machine has no DNS resolver configured") from None

    def ask(name: dns.name.Name) -> dns.message.Message:
        try:
            found = chosen.resolve(name, dns.rdatatype.SOA, raise_on_no_answer=False, lifetime=timeout, search=False)
            response: dns.message.Message = found.response
        except dns.resolver.NXDOMAIN as error:
            response = error.response(name)
        except dns.exception.Timeout:
            raise _no_primary(wanted, f"this machine's resolver did not answer within {timeout:g} s") from None
        except dns.exception.DNSException:
            raise _no_primary(wanted, "this machine's resolver gave no usable answer") from None
        return response

    apex = find_apex(domain, ask, where="this machine's resolver", zone=zone)
    primary = plain(apex.primary)
    if primary in ("", "@", "."):
        raise _no_primary(wanted, "its SOA record names none")
    return primary


def _no_primary(zone: str, problem: str) -> ZoneError:
    return ZoneError(
        "NO_PRIMARY",
        f"The primary server of the zone {zone} cannot be found: {problem}.",
        "Name the server in the option server.",
    )
