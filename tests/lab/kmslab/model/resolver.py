# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS as the simulated machines use it: real queries and updates over the loopback to the lab's own server."""

from __future__ import annotations

import random
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rdtypes.IN.SRV
import dns.tsig
import dns.update

from . import codes

_TIMEOUT = 2.0
#: What a failed look-up is called.  A server that is not responsible stands for a resolver that found nothing.
_RCODES = {
    dns.rcode.NXDOMAIN: codes.DNS_NAME_ERROR,
    dns.rcode.REFUSED: codes.DNS_NAME_ERROR,
    dns.rcode.NOTAUTH: codes.DNS_NAME_ERROR,
}
SRV_TTL = 3600


class LookupFailed(Exception):
    """A look-up found nothing; `hresult` says how."""

    def __init__(self, hresult: int) -> None:
        super().__init__(f"0x{hresult:08X}")
        self.hresult = hresult


@dataclass(frozen=True)
class Srv:
    """One SRV record; the target without its final dot."""

    priority: int
    weight: int
    port: int
    target: str


Cache = dict[tuple[dns.name.Name, dns.rdatatype.RdataType], "dns.message.Message | LookupFailed"]


class Resolver:
    """A machine's resolver; `port` is the lab server's (UDP and TCP, 127.0.0.1).

    With a `cache`, a question is sent once; without one (the normal case) every time.
    """

    def __init__(self, port: int, rng: random.Random, *, ordered: bool = True, cache: Cache | None = None) -> None:
        self._cache = cache
        self.port = port
        self._rng = rng
        self._ordered = ordered

    def _ask(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.message.Message:
        if self._cache is None:
            return self._send(name, rdtype)
        if (name, rdtype) not in self._cache:
            try:
                self._cache[name, rdtype] = self._send(name, rdtype)
            except LookupFailed as failed:
                self._cache[name, rdtype] = failed
        known = self._cache[name, rdtype]
        if isinstance(known, LookupFailed):
            raise LookupFailed(known.hresult)
        return known

    def _send(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.message.Message:
        query = dns.message.make_query(name, rdtype)
        try:
            response, _ignored = dns.query.udp_with_fallback(query, "127.0.0.1", timeout=_TIMEOUT, port=self.port)
        except (dns.exception.DNSException, OSError):
            raise LookupFailed(codes.DNS_SERVER_FAILURE) from None
        if response.rcode() != dns.rcode.NOERROR:
            raise LookupFailed(_RCODES.get(response.rcode(), codes.DNS_SERVER_FAILURE))
        return response

    def kms_hosts(self, domain: str) -> list[Srv]:
        """The KMS hosts of a DNS domain in the order in which a client tries them; LookupFailed when there are none."""
        name = dns.name.from_text(f"_vlmcs._tcp.{domain}")
        response = self._ask(name, dns.rdatatype.SRV)
        found = [
            Srv(rdata.priority, rdata.weight, rdata.port, rdata.target.to_text(omit_final_dot=True))
            for rrset in response.answer
            for rdata in rrset
            if isinstance(rdata, dns.rdtypes.IN.SRV.SRV)
        ]
        if not found:
            raise LookupFailed(codes.DNS_NO_RECORDS)
        found.sort(key=lambda srv: (srv.priority, srv.weight, srv.target, srv.port))
        return self._order(found)

    def _order(self, found: list[Srv]) -> list[Srv]:
        """RFC 2782: by priority, then drawn by weight; or plainly at random."""
        if not self._ordered:
            self._rng.shuffle(found)
            return found
        result: list[Srv] = []
        for priority in sorted({srv.priority for srv in found}):
            left = [srv for srv in found if srv.priority == priority]
            while left:
                weights = [srv.weight for srv in left]
                pick = self._rng.choices(left, weights if any(weights) else None)[0]
                left.remove(pick)
                result.append(pick)
        return result

    def addresses(self, name: str, suffix: str | None = None) -> list[str]:
        """IP addresses of a host name (or of an address, as it is); empty when it resolves to nothing."""
        literal = name.strip("[]")
        if ":" in literal or literal.replace(".", "").isdigit():
            return [literal]
        names = [name] if "." in name or not suffix else [f"{name}.{suffix}", name]
        found: list[str] = []
        for candidate in names:
            for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                try:
                    response = self._ask(dns.name.from_text(candidate), rdtype)
                except (LookupFailed, dns.exception.DNSException):
                    continue
                found += [rd.address for rrset in response.answer if rrset.rdtype == rdtype for rd in rrset]
            if found:
                break
        return found

    def register(self, domain: str, data: str, *, old: str | None, key: dns.tsig.Key) -> int:
        """Register a KMS host's SRV record by a dynamic update; an HRESULT, 0 for success."""
        name = dns.name.from_text(f"_vlmcs._tcp.{domain}")
        if self._cache is not None:
            self._cache.clear()
        update = dns.update.UpdateMessage(domain)
        update.use_tsig(key)
        if old and old != data:
            update.delete(name, "SRV", old)
        update.add(name, SRV_TTL, "SRV", data)
        try:
            response = dns.query.tcp(update, "127.0.0.1", timeout=_TIMEOUT, port=self.port)
        except (dns.exception.DNSException, OSError):
            return codes.DNS_SERVER_FAILURE
        if response.rcode() == dns.rcode.NOERROR:
            return 0
        if response.rcode() != dns.rcode.REFUSED:
            return _RCODES.get(response.rcode(), codes.DNS_SERVER_FAILURE)
        try:
            self.kms_hosts(domain)
        except LookupFailed:
            return codes.DNS_REFUSED
        return codes.DNS_NOT_OWNER
