# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether every name server of a zone answers as wanted.

The server that is updated knows who they are: the NS records of its zone. Clients' resolvers ask any of them, so a
secondary that does not follow the primary leads clients astray. They are asked as resolvers ask, without a signature;
only the server that was updated is asked in the same way as before.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .errors import DnsError, UnreachableError
from .exchange import Server, content
from .library import dns
from .records import RecordSet, records_of, text
from .update import Goal, plan
from .zone import from_text, plain

# How an address answers.
AS_WANTED = "as_wanted"
DIFFERS = "differs"
NOT_AUTHORITATIVE = "not_authoritative"
NO_ANSWER = "no_answer"
NO_ROUTE = "no_route"
NO_ADDRESS = "no_address"
LEFT_OUT = "left_out"

# Statuses that are no trouble. Without a route, nothing is known of an address: another one of the same server decides.
_FINE = (AS_WANTED, LEFT_OUT)
# This machine has no way to addresses of the family at all.
_NO_ROUTE = ("ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "ENETDOWN")
_MOST_AT_ONCE = 16

_LEAVE_OUT = "If it is meant to be out of reach of this machine, leave it out by nameservers_except."
_REMEDIES = {
    DIFFERS: "A secondary server gets a change by zone transfer, and one of Active Directory by replication, so it may "
    "need a while. If it stays so, check that the primary notifies it and lets it transfer the zone, and that it has "
    "this server as its primary.",
    NOT_AUTHORITATIVE: "Load the zone there, or take the server out of the NS records of the zone and of its parent.",
    NO_ANSWER: "Check that it runs, that TCP port {port} of it can be reached from here, and that it has the zone. "
    + _LEAVE_OUT,
    NO_ROUTE: "Run the task on a machine that has one. " + _LEAVE_OUT,
    NO_ADDRESS: "Give it an address record, or take it out of the NS records of the zone.",
}

Resolve = Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class NameServer:
    """name: as the NS record has it, without final dot. addresses: IPv4 first; empty when none was found."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """What one address of a name server answers. address: empty when there is none. records: its set, as read.
    problem: what happened, as a sentence, when the status is not a good one."""

    name: str
    address: str
    status: str
    records: RecordSet = ()
    problem: str = ""
    port: int = 53

    def as_result(self) -> dict[str, object]:
        """An entry of the module's result."""
        return {
            "name": self.name,
            "address": self.address,
            "status": self.status,
            "records": [record.as_result() for record in self.records],
            "message": self.problem,
            "remedy": _REMEDIES.get(self.status, "").format(port=self.port),
        }


def troubles(views: Iterable[View]) -> list[View]:
    """The views that keep the name servers from agreeing."""
    seen = list(views)
    known = {view.name for view in seen if view.status not in (NO_ROUTE, *_FINE[1:])}
    return [view for view in seen if view.status not in _FINE and not (view.status == NO_ROUTE and view.name in known)]


def resolve(name: str) -> list[str]:
    """The addresses by this machine's resolver; none when it has none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(entry[4][0]) for entry in found]


def name_servers(server: Server, zone: str, *, resolver: Resolve = resolve) -> tuple[NameServer, ...]:
    """The name servers of a zone that the server holds, by name. Raises DnsError.

    Their addresses are those that the server itself knows with authority, or else those of this machine's resolver, or
    else those that came along with the names (glue).
    """
    message = _ask(server, zone, dns.rdatatype.NS, zone)
    apex = from_text(zone)
    names = {
        plain(rdata.target): None
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.NS and rrset.name == apex
        for rdata in rrset
    }
    found = []
    for name in sorted(names, key=str.lower):
        addresses = _known_addresses(server, name, zone) or list(resolver(name)) or _addresses(message.additional, name)
        found.append(NameServer(name, tuple(sorted(dict.fromkeys(addresses), key=lambda address: ":" in address))))
    return tuple(found)


def look(
    server: Server, goal: Goal, zone: str, *, left_out: Collection[str] = (), resolver: Resolve = resolve
) -> tuple[View, ...]:
    """How each address of each name server of the zone answers, all asked at the port of `server`. Raises DnsError.

    left_out: names and addresses that are not asked.
    """
    unwanted = {_form(entry) for entry in left_out}
    views: list[View] = []
    doors: list[tuple[str, str]] = []
    for found in name_servers(server, zone, resolver=resolver):
        if _form(found.name) in unwanted:
            views.append(View(found.name, "", LEFT_OUT))
        elif not found.addresses:
            views.append(View(found.name, "", NO_ADDRESS, problem=f"The name server {found.name} has no address."))
        for address in found.addresses if _form(found.name) not in unwanted else ():
            if _form(address) in unwanted:
                views.append(View(found.name, address, LEFT_OUT))
            else:
                doors.append((found.name, address))
    if doors:
        with ThreadPoolExecutor(max_workers=min(_MOST_AT_ONCE, len(doors))) as pool:
            views += pool.map(lambda door: _view(server, goal, zone, *door), doors)
    return tuple(sorted(views, key=lambda view: (view.name.lower(), ":" in view.address)))


def _view(server: Server, goal: Goal, zone: str, name: str, address: str) -> View:
    same = server.address is not None and _form(server.address) == _form(address)
    asked = server if same else Server(address, server.port, server.timeout)
    label = f"The name server {name} ({address}, port {server.port})"

    def view(status: str, records: RecordSet = (), problem: str = "") -> View:
        return View(name, address, status, records, problem, server.port)

    try:
        message = _ask(asked, goal.owner, dns.rdatatype.SRV, zone)
    except UnreachableError as error:
        if error.name in _NO_ROUTE:
            return view(NO_ROUTE, problem=f"{label} was not asked, since this machine has no route to it.")
        return view(NO_ANSWER, problem=f"{label} could not be asked. {error.message}")
    except DnsError as error:
        return view(NO_ANSWER, problem=f"{label} gave no usable answer. {error.message}")
    records = records_of(message, from_text(goal.owner))
    if not message.flags & dns.flags.AA:
        return view(NOT_AUTHORITATIVE, records, f"{label} does not hold the zone {zone}: it answers without authority.")
    if plan(records, goal):
        what = "; ".join(text(records, goal.owner).splitlines()) or "no record at all"
        return view(DIFFERS, records, f"{label} answers for {goal.domain}: {what}.")
    return view(AS_WANTED, records)


def _ask(server: Server, name: str, kind: dns.rdatatype.RdataType, zone: str) -> dns.message.Message:
    query = dns.message.make_query(from_text(name), kind)
    query.flags &= ~dns.flags.RD
    doing = f"looking up {dns.rdatatype.to_text(kind)} of {name}"
    return content(server.exchange(query), server=server, doing=doing, zone=zone, owner=name)


def _known_addresses(server: Server, name: str, zone: str) -> list[str]:
    """What the server itself holds of the name; nothing when that is not its business."""
    found: list[str] = []
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        try:
            message = _ask(server, name, kind, zone)
        except DnsError:
            continue
        if message.flags & dns.flags.AA:
            found += _addresses(message.answer, name)
    return found


def _addresses(section: Iterable[dns.rrset.RRset], name: str) -> list[str]:
    kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
    wanted = from_text(name)
    return [rdata.address for rrset in section if rrset.rdtype in kinds and rrset.name == wanted for rdata in rrset]


def _form(entry: str) -> str:
    """A name or an address in the form in which it is compared."""
    plain_entry = entry.strip().removesuffix(".").lower()
    try:
        return str(ipaddress.ip_address(plain_entry))
    except ValueError:
        return plain_entry
