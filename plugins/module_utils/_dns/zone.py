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


def _candidates(zone: str) -> Iterator[dns.name.Name]:
    """The owner name and its parents down to the zone. The first that gets a usable answer decides."""
    last = from_text(zone)
    name = from_text(owner_name(zone))
    while name != last:
        yield name
        name = name.parent()
    yield last


def _soa(message: dns.message.Message, asked: dns.name.Name) -> Apex | None:
    for rrset in (*message.answer, *message.authority):
        if rrset.rdtype == dns.rdatatype.SOA and asked.is_subdomain(rrset.name):
            return Apex(rrset.name, rrset[0].mname, bool(message.flags & dns.flags.AA))
    return None


def _delegation(message: dns.message.Message, zone: dns.name.Name) -> tuple[dns.name.Name, list[str]] | None:
    found = [rrset for rrset in message.authority if rrset.rdtype == dns.rdatatype.NS and rrset.name.is_subdomain(zone)]
    if not found:
        return None
    return found[0].name, sorted(plain(rdata.target) for rrset in found for rdata in rrset)


def find_apex(zone: str, ask: Ask, *, where: str) -> Apex:
    """The apex of the zone that holds the KMS record of `zone`, asked of one source.

    The name of the record itself is asked first, since `_tcp` can be a zone of its own (as it was customary with Active
    Directory beside BIND). Raises ZoneError when the source knows no such zone, or when `zone` is not a zone itself.
    """
    wanted = from_text(zone)
    for name in _candidates(zone):
        message = ask(name)
        if any(rrset.rdtype == dns.rdatatype.CNAME and rrset.name == name for rrset in message.answer):
            # A resolver follows the alias, so that the SOA in its answer would be that of another zone.
            continue
        apex = _soa(message, name)
        if apex is not None and apex.zone == dns.name.root:
            break
        if apex is not None and not apex.zone.is_subdomain(wanted):
            raise ZoneError(
                "WRONG_ZONE",
                f"{zone} is not a zone of {where}: the name lies in the zone {plain(apex.zone)}.",
                "Give the name of an existing zone, the one that your clients have as DNS domain, in the option zone.",
            )
        if apex is not None:
            return apex
        delegated = None if message.flags & dns.flags.AA else _delegation(message, wanted)
        if delegated is not None:
            cut, servers = delegated
            raise ZoneError(
                "DELEGATED",
                f"The name {plain(name)} is not served by {where}: {plain(cut)} is delegated to {', '.join(servers)}.",
                "Name the primary of that zone in the option server.",
            )
    raise ZoneError(
        "NOT_SERVED",
        f"The zone {zone} was not found: {where} has no SOA record for it.",
        "Check the option zone, and name the zone's primary server in the option server.",
    )


def apex_at(server: Server, zone: str) -> Apex:
    """Ask the server that is to be updated, which must serve the zone itself."""

    def ask(name: dns.name.Name) -> dns.message.Message:
        query = dns.message.make_query(name, dns.rdatatype.SOA)
        query.flags &= ~dns.flags.RD
        doing = f"looking for the zone {zone}"
        return content(server.exchange(query), server=server, doing=doing, zone=zone, owner=owner_name(zone))

    apex = find_apex(zone, ask, where=server.label)
    if not apex.authoritative:
        raise ZoneError(
            "NOT_AUTHORITATIVE",
            f"{sentence(server.label)} knows the zone {zone}, but does not hold it.",
            "It is a resolver or forwarder. Name the zone's primary server in the option server, "
            f"perhaps {plain(apex.primary)}.",
        )
    return apex


def primary_of(zone: str, *, timeout: float, resolver: dns.resolver.Resolver | None = None) -> str:
    """The host name of the zone's primary server, by this machine's resolver (or another one)."""
    try:
        chosen = resolver or dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise _no_primary(zone, "this machine has no DNS resolver configured") from None

    def ask(name: dns.name.Name) -> dns.message.Message:
        try:
            found = chosen.resolve(name, dns.rdatatype.SOA, raise_on_no_answer=False, lifetime=timeout, search=False)
            response: dns.message.Message = found.response
        except dns.resolver.NXDOMAIN as error:
            response = error.response(name)
        except dns.exception.Timeout:
            raise _no_primary(zone, f"this machine's resolver did not answer within {timeout:g} s") from None
        except dns.exception.DNSException:
            raise _no_primary(zone, "this machine's resolver gave no usable answer") from None
        return response

    apex = find_apex(zone, ask, where="this machine's resolver")
    primary = plain(apex.primary)
    if primary in ("", "@", "."):
        raise _no_primary(zone, "its SOA record names none")
    return primary


def _no_primary(zone: str, problem: str) -> ZoneError:
    return ZoneError(
        "NO_PRIMARY",
        f"The primary server of the zone {zone} cannot be found: {problem}.",
        "Name the server in the option server.",
    )
