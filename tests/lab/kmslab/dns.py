# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small authoritative DNS server on loopback: queries, dynamic update (RFC 2136) and TSIG (RFC 8945).

The simulated Windows machines really query it, and the collection really updates it.  It knows nothing of Windows:
who may change what is a list of `Grant`s per zone, and a grant names a TSIG key.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TSIG
import dns.rrset
import dns.tsig
import dns.wire

IN = dns.rdataclass.IN
NONE = dns.rdataclass.NONE
ANY = dns.rdataclass.ANY
SOA, NS, CNAME, SRV, A, AAAA = (
    dns.rdatatype.SOA,
    dns.rdatatype.NS,
    dns.rdatatype.CNAME,
    dns.rdatatype.SRV,
    dns.rdatatype.A,
    dns.rdatatype.AAAA,
)
_META_TYPES = frozenset(
    {dns.rdatatype.ANY, dns.rdatatype.AXFR, dns.rdatatype.IXFR, dns.rdatatype.MAILA, dns.rdatatype.MAILB}
)
_FUDGE = 300
_UDP_PAYLOAD = 1232
_ADDRESSES = ("127.0.0.1", "::1")

Nodes = dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset]]


@dataclass(frozen=True)
class Grant:
    """One line of a zone's update policy.

    `key` is the TSIG key name that may update; `names` the owner names (empty: any name of the zone); `types` the
    record types (empty: any); `owner`: only names that nobody else created, as with secure updates in Active Directory.
    """

    key: dns.name.Name
    names: frozenset[dns.name.Name] = frozenset()
    types: frozenset[dns.rdatatype.RdataType] = frozenset()
    owner: bool = False


@dataclass(frozen=True)
class Stamp:
    """What a Windows DNS server keeps with each record: its own TTL, the hour of its last refresh (0: static)."""

    ttl: int
    hour: int = 0


#: Hours after which a zone with aging lets an update refresh a record's time stamp (Windows' default).
NO_REFRESH_HOURS = 168

Stamps = dict[tuple[dns.name.Name, dns.rdata.Rdata], Stamp]


@dataclass
class Zone:
    """A zone's records and its update policy.  An update replaces nodes, it never changes them."""

    origin: dns.name.Name
    nodes: Nodes
    grants: tuple[Grant, ...] = ()
    permission_first: bool = True
    """Refuse before looking at the prerequisites, as BIND, Knot and PowerDNS do; false: the order of RFC 2136."""
    owners: dict[dns.name.Name, str] = field(default_factory=dict)
    """Which key created a name; stays when its last record goes.  Names from the estate file belong to `zone`."""
    stamps: Stamps | None = None
    """Each record's own TTL and time stamp where the zone is a Windows DNS server's; None: one TTL per set."""
    aging: bool = False
    """Whether updates refresh time stamps (the lab never scavenges)."""

    def stamp(self, name: dns.name.Name, rdataset: dns.rdataset.Rdataset, rdata: dns.rdata.Rdata) -> Stamp:
        stamp = self.stamps.get((name, rdata)) if self.stamps else None
        return stamp or Stamp(rdataset.ttl)

    def rrsets(self, name: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> list[dns.rrset.RRset]:
        """A set as it is answered: one RRset per TTL."""
        if self.stamps is None:
            return [_rrset(name, rdataset)]
        by_ttl: dict[int, list[dns.rdata.Rdata]] = {}
        for rdata in rdataset:
            by_ttl.setdefault(self.stamp(name, rdataset, rdata).ttl, []).append(rdata)
        return [dns.rrset.from_rdata_list(name, ttl, rdatas) for ttl, rdatas in by_ttl.items()]

    def soa(self) -> dns.rrset.RRset:
        return _rrset(self.origin, self.nodes[self.origin][SOA])

    def exists(self, name: dns.name.Name) -> bool:
        return name in self.nodes or any(other.is_subdomain(name) for other in self.nodes)

    def serial(self) -> int:
        return int(self._soa_rdata(self.nodes).serial)

    @staticmethod
    def _soa_rdata(nodes: Nodes) -> dns.rdtypes.ANY.SOA.SOA:
        for rdatasets in nodes.values():
            if SOA in rdatasets:
                rdata = rdatasets[SOA][0]
                assert isinstance(rdata, dns.rdtypes.ANY.SOA.SOA)
                return rdata
        raise LookupError("a zone without SOA")


@dataclass(frozen=True)
class Record:
    """A resource record of a zone, in text form; `name` is absolute and ends with a dot.

    `timestamp` is the hour of its last refresh since 1601 (0: static), None where the zone keeps none.
    """

    name: str
    type: str
    ttl: int
    data: str
    timestamp: int | None = None


def build_zone(
    origin: str,
    records: Iterable[Record],
    *,
    ttl: int = 3600,
    grants: Iterable[Grant] = (),
    permission_first: bool = True,
    stamped: bool = False,
    aging: bool = False,
) -> Zone:
    """Make a zone; SOA and NS are added when the records lack them.  A `stamped` one is a Windows DNS server's."""
    apex = dns.name.from_text(origin)
    zone = Zone(apex, {}, tuple(grants), permission_first, stamps={} if stamped else None, aging=aging)
    for record in records:
        _put_record(zone.nodes, zone.stamps, record, apex)
    if SOA not in zone.nodes.get(apex, {}):
        _put(
            zone.nodes,
            apex,
            ttl,
            "SOA",
            f"ns.{origin.rstrip('.')}. hostmaster.{origin.rstrip('.')}. 1 900 300 86400 300",
        )
    if NS not in zone.nodes[apex]:
        _put(zone.nodes, apex, ttl, "NS", f"ns.{origin.rstrip('.')}.")
        _put(zone.nodes, dns.name.from_text("ns", apex), ttl, "A", "127.0.0.1")
    zone.owners = dict.fromkeys(zone.nodes, "zone")
    return zone


def _put_record(nodes: Nodes, stamps: Stamps | None, record: Record, origin: dns.name.Name) -> None:
    name = dns.name.from_text(record.name, origin)
    rdata = _put(nodes, name, record.ttl, record.type, record.data, origin)
    if stamps is not None:
        stamps[name, rdata] = Stamp(record.ttl, record.timestamp or 0)


def _put(
    nodes: Nodes, name: dns.name.Name, ttl: int, rdtype: str, data: str, origin: dns.name.Name = dns.name.root
) -> dns.rdata.Rdata:
    kind = dns.rdatatype.from_text(rdtype)
    rdata = dns.rdata.from_text(IN, kind, data, origin, relativize=False)
    rdatasets = nodes.setdefault(name, {})
    if kind not in rdatasets:
        rdatasets[kind] = dns.rdataset.Rdataset(IN, kind, ttl=ttl)
    rdatasets[kind].add(rdata, ttl)
    return rdata


class EditProblem(Exception):
    """A zone cannot be edited as asked.

    `kind`: exists (the record is there already), missing (it is not there), alias (a CNAME beside other records).
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def _rrset(name: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))


class _Refused(Exception):
    """The answer to a request is an error code."""

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        super().__init__(dns.rcode.to_text(rcode))
        self.rcode = rcode


@dataclass(frozen=True)
class _Rr:
    """A record of an UPDATE message exactly as sent (a parsed message loses the TTL of deletions)."""

    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType
    rdclass: dns.rdataclass.RdataClass
    ttl: int
    length: int
    rdata: dns.rdata.Rdata | None


class DnsServer:
    """The server: `start()`, `stop()`, `port`; zones may be exchanged while it runs.

    `queries` and `updates` count the messages answered since the start.
    """

    def __init__(
        self, zones: Iterable[Zone] = (), keys: Iterable[dns.tsig.Key] = (), *, hour: Callable[[], int] = lambda: 0
    ) -> None:
        """`hour` tells the time in hours since 1601, for the time stamps of records."""
        self._hour = hour
        self.lock = threading.RLock()
        self.port = 0
        self.addresses: tuple[str, ...] = ()
        self.queries = 0
        self.updates = 0
        self._zones: dict[dns.name.Name, Zone] = {}
        self._keys: dict[dns.name.Name, dns.tsig.Key] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.configure(zones, keys)

    # -- content ---------------------------------------------------------------------------------------------------

    def configure(self, zones: Iterable[Zone], keys: Iterable[dns.tsig.Key]) -> None:
        """Exchange all zones and keys at once."""
        with self.lock:
            self._zones = {zone.origin: zone for zone in zones}
            self._keys = {key.name: key for key in keys}

    def zone(self, origin: str) -> Zone:
        """The zone with this apex; KeyError when it is not served here."""
        name = dns.name.from_text(origin)
        if name not in self._zones:
            raise KeyError(f"no zone {origin}; served here: {', '.join(sorted(str(z) for z in self._zones))}")
        return self._zones[name]

    def zone_names(self) -> list[str]:
        return sorted(name.to_text(omit_final_dot=True) for name in self._zones)

    def records(self, origin: str, rdtype: str = "") -> list[Record]:
        """All records of a zone (of one type), in canonical order."""
        wanted = dns.rdatatype.from_text(rdtype) if rdtype else None
        with self.lock:
            zone = self.zone(origin)
            return [
                _record(zone, name, rdataset, rdata)
                for name in sorted(name for name, sets in zone.nodes.items() if wanted is None or wanted in sets)
                for kind, rdataset in sorted(zone.nodes[name].items())
                if wanted is None or kind == wanted
                for rdata in sorted(rdataset)
            ]

    def edit(self, origin: str, *, remove: Record | None = None, add: Record | None = None) -> Record | None:
        """Change a zone as its administrator does, past the update policy; the record as it was added.

        Raises KeyError for another zone, EditProblem, and DNSException for what is no record.
        """
        with self.lock:
            zone = self.zone(origin)
            nodes, stamps = {name: dict(sets) for name, sets in zone.nodes.items()}, dict(zone.stamps or {})
            if remove is not None:
                _take_out(nodes, stamps, *_parsed(remove, zone.origin))
            if add is not None:
                name, rdata = _parsed(add, zone.origin)
                _put_in(nodes, stamps, name, rdata, Stamp(add.ttl, add.timestamp or 0))
                zone.owners.setdefault(name, "administrator")
            _bump_serial(zone.origin, nodes)
            zone.nodes = nodes
            if zone.stamps is not None:
                zone.stamps = stamps
            return None if add is None else _record(zone, name, nodes[name][rdata.rdtype], rdata)

    def replace_records(self, origin: str, records: Iterable[Record]) -> None:
        """Replace every record of a zone but SOA and NS (such records in the argument are ignored); bump the serial."""
        with self.lock:
            zone = self.zone(origin)
            nodes: Nodes = {
                zone.origin: {kind: value for kind, value in zone.nodes[zone.origin].items() if kind in (SOA, NS)}
            }
            stamps: Stamps | None = None if zone.stamps is None else {}
            for record in records:
                if record.type.upper() not in ("SOA", "NS"):
                    _put_record(nodes, stamps, record, zone.origin)
            _bump_serial(zone.origin, nodes)
            zone.nodes, zone.stamps = nodes, stamps

    # -- running ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen on one free port, UDP and TCP, on 127.0.0.1 and (where there is one) ::1."""
        if self._thread is not None:
            return
        sockets = _bind_sockets()
        self.port = sockets[0][1].getsockname()[1]
        self.addresses = tuple(dict.fromkeys(address for address, _ignored, _ignored in sockets))
        loop = self._loop = asyncio.new_event_loop()
        ready: threading.Event = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(loop, sockets, ready), name="kmslab-dns", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._thread = None
        self._loop = None

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: list[tuple[str, socket.socket, socket.socket]],
        ready: threading.Event,
    ) -> None:
        asyncio.set_event_loop(loop)

        async def listen() -> None:
            for _ignored, udp, tcp in sockets:
                await loop.create_datagram_endpoint(lambda: _Udp(self), sock=udp)
                await asyncio.start_server(self._serve_stream, sock=tcp)

        try:
            loop.run_until_complete(listen())
            ready.set()
            loop.run_forever()
        finally:
            ready.set()
            pending = asyncio.all_tasks(loop)
            for task in pending:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            for _ignored, udp, tcp in sockets:
                udp.close()
                tcp.close()
            loop.close()

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.handle(await reader.readexactly(length), tcp=True)
                if answer is None:
                    break
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        writer.close()

    # -- messages --------------------------------------------------------------------------------------------------

    def handle(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """Answer one message; None when it deserves no answer (too short, or itself an answer)."""
        if len(wire) < 12 or wire[2] & 0x80:
            return None
        try:
            query = dns.message.from_wire(wire, keyring=self._keys, one_rr_per_rrset=True)
        except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm):
            return self._tsig_error(wire, dns.rcode.BADKEY)
        except dns.tsig.BadSignature:
            return self._tsig_error(wire, dns.rcode.BADSIG)
        except dns.tsig.BadTime:
            return self._tsig_error(wire, dns.rcode.BADTIME)
        except Exception:  # any malformed message gets FORMERR, never a traceback
            return _bare_answer(wire, dns.rcode.FORMERR)
        with self.lock:
            opcode = query.opcode()
            if opcode == dns.opcode.QUERY:
                self.queries += 1
                return self._answer_query(query, tcp=tcp)
            if opcode == dns.opcode.UPDATE:
                self.updates += 1
                return self._answer_update(query, wire)
        response = dns.message.make_response(query, our_payload=_UDP_PAYLOAD, copy_mode=dns.message.CopyMode.NOTHING)
        response.set_rcode(dns.rcode.NOTIMP)
        return response.to_wire()

    def _zone_for(self, name: dns.name.Name) -> Zone | None:
        while True:
            if name in self._zones:
                return self._zones[name]
            if name == dns.name.root:
                return None
            name = name.parent()

    def _answer_query(self, query: dns.message.Message, *, tcp: bool) -> bytes:
        response = dns.message.make_response(query, our_payload=_UDP_PAYLOAD)
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return response.to_wire()
        question = query.question[0]
        zone = self._zone_for(question.name)
        if (
            zone is None
            or question.rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
            or question.rdclass not in (IN, ANY)
        ):
            response.set_rcode(dns.rcode.REFUSED)
            return response.to_wire()
        response.flags |= dns.flags.AA
        self._fill(response, zone, question.name, question.rdtype)
        limit = 65535 if tcp else max(512, query.payload if query.edns >= 0 else 512)
        if not tcp:
            limit = min(limit, max(512, _UDP_PAYLOAD))
        try:
            return response.to_wire(max_size=limit)
        except dns.exception.TooBig:
            short = dns.message.make_response(query, our_payload=_UDP_PAYLOAD)
            short.flags |= dns.flags.AA | dns.flags.TC
            short.set_rcode(response.rcode())
            return short.to_wire(max_size=limit)

    def _fill(
        self, response: dns.message.Message, zone: Zone, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> None:
        seen = {name}
        while True:
            rdatasets = zone.nodes.get(name, {})
            if rdtype == dns.rdatatype.ANY:
                wanted = list(rdatasets.values())
            else:
                wanted = [rdatasets[rdtype]] if rdtype in rdatasets else []
            if wanted:
                for rdataset in wanted:
                    response.answer += zone.rrsets(name, rdataset)
                    self._add_addresses(response, zone, rdataset)
                return
            if CNAME in rdatasets:
                response.answer += zone.rrsets(name, rdatasets[CNAME])
                name = rdatasets[CNAME][0].target
                if name in seen or not name.is_subdomain(zone.origin):
                    return
                seen.add(name)
                continue
            break
        if not zone.exists(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(zone.soa())

    @staticmethod
    def _add_addresses(response: dns.message.Message, zone: Zone, rdataset: dns.rdataset.Rdataset) -> None:
        for rdata in rdataset:
            target = getattr(rdata, "target", None)
            for kind in (A, AAAA):
                found = zone.nodes.get(target, {}).get(kind) if rdataset.rdtype in (SRV, NS) and target else None
                if target is not None and found is not None:
                    response.additional += [
                        rrset for rrset in zone.rrsets(target, found) if rrset not in response.additional
                    ]

    def _tsig_error(self, wire: bytes, error: dns.rcode.Rcode) -> bytes:
        """NOTAUTH with the error in a TSIG record (RFC 8945 5.2); only BADTIME is signed."""
        query = dns.message.from_wire(wire, keyring=False, one_rr_per_rrset=True)
        assert query.tsig is not None
        theirs = query.tsig[0]
        assert isinstance(theirs, dns.rdtypes.ANY.TSIG.TSIG)
        now = int(time.time())
        timely = error == dns.rcode.BADTIME
        rdata = dns.rdtypes.ANY.TSIG.TSIG(
            ANY,
            dns.rdatatype.TSIG,
            theirs.algorithm,
            theirs.time_signed,
            theirs.fudge,
            b"",
            query.id,
            error,
            struct.pack("!Q", now)[2:] if timely else b"",
        )
        body = _bare_answer(wire, dns.rcode.NOTAUTH)
        if timely:
            key = self._keys[query.tsig.name]
            rdata, _ignored = dns.tsig.sign(body, key, rdata, theirs.time_signed, theirs.mac)
        trailer = dns.rrset.from_rdata(query.tsig.name, 0, rdata)
        buffer = bytearray(body)
        buffer[10:12] = struct.pack("!H", 1)
        data = rdata.to_wire()
        assert data is not None
        owner = trailer.name.to_wire()
        assert owner is not None
        return bytes(buffer) + owner + struct.pack("!HHIH", dns.rdatatype.TSIG, ANY, 0, len(data)) + data

    # -- update (RFC 2136 section 3) -------------------------------------------------------------------------------

    def _answer_update(self, query: dns.message.Message, wire: bytes) -> bytes:
        response = dns.message.make_response(query, our_payload=_UDP_PAYLOAD)
        try:
            self._update(query, wire)
        except _Refused as refused:
            response.set_rcode(refused.rcode)
        except dns.exception.DNSException:
            response.set_rcode(dns.rcode.FORMERR)
        return response.to_wire()

    def _update(self, query: dns.message.Message, wire: bytes) -> None:
        if len(query.question) != 1 or query.question[0].rdtype != SOA:
            raise _Refused(dns.rcode.FORMERR)
        apex = query.question[0]
        zone = self._zones.get(apex.name)
        if zone is None or apex.rdclass != IN:
            raise _Refused(dns.rcode.NOTAUTH)
        prerequisites, changes = _read_update(wire)
        if zone.permission_first:
            self._check_permission(zone, query, changes)
        _check_prerequisites(zone, prerequisites)
        if not zone.permission_first:
            self._check_permission(zone, query, changes)
        _prescan(zone, changes)
        nodes = _apply(zone, changes)
        stamps = _restamp(zone, nodes, changes, self._hour())
        if _content(nodes, stamps) != _content(zone.nodes, zone.stamps):
            if zone.serial() == Zone._soa_rdata(nodes).serial:
                _bump_serial(zone.origin, nodes)
            identity = query.keyname.to_text() if query.had_tsig and query.keyname is not None else ""
            for name in nodes.keys() - zone.nodes.keys():
                zone.owners.setdefault(name, identity)
            zone.nodes = nodes
        zone.stamps = stamps

    @staticmethod
    def _check_permission(zone: Zone, query: dns.message.Message, changes: list[_Rr]) -> None:
        grants = [grant for grant in zone.grants if query.had_tsig and grant.key == query.keyname]
        if not grants:
            raise _Refused(dns.rcode.REFUSED)
        for rr in changes:
            if not rr.name.is_subdomain(zone.origin):
                raise _Refused(dns.rcode.NOTZONE)
            if not any(
                (not grant.names or rr.name in grant.names)
                and (not grant.types or rr.rdtype in grant.types)
                and (not grant.owner or zone.owners.get(rr.name) in (None, grant.key.to_text()))
                for grant in grants
            ):
                raise _Refused(dns.rcode.REFUSED)


def _parsed(record: Record, origin: dns.name.Name) -> tuple[dns.name.Name, dns.rdata.Rdata]:
    kind = dns.rdatatype.from_text(record.type)
    rdata = dns.rdata.from_text(IN, kind, record.data, origin, relativize=False)
    return dns.name.from_text(record.name, origin), rdata


def _take_out(nodes: Nodes, stamps: Stamps, name: dns.name.Name, rdata: dns.rdata.Rdata) -> None:
    sets = nodes.get(name, {})
    if rdata.rdtype not in sets or rdata not in sets[rdata.rdtype]:
        raise EditProblem("missing")
    rdataset = sets[rdata.rdtype] = sets[rdata.rdtype].copy()
    rdataset.discard(rdata)
    stamps.pop((name, rdata), None)
    if not rdataset:
        del sets[rdata.rdtype]
    if not sets:
        del nodes[name]


def _put_in(nodes: Nodes, stamps: Stamps, name: dns.name.Name, rdata: dns.rdata.Rdata, stamp: Stamp) -> None:
    sets = nodes.setdefault(name, {})
    if CNAME in sets or (rdata.rdtype == CNAME and sets):
        raise EditProblem("alias")
    old = sets.get(rdata.rdtype)
    if old is not None and rdata in old:
        raise EditProblem("exists")
    rdataset = sets[rdata.rdtype] = dns.rdataset.Rdataset(IN, rdata.rdtype) if old is None else old.copy()
    rdataset.add(rdata)
    rdataset.ttl = stamp.ttl
    stamps[name, rdata] = stamp


def _record(zone: Zone, name: dns.name.Name, rdataset: dns.rdataset.Rdataset, rdata: dns.rdata.Rdata) -> Record:
    stamp = zone.stamp(name, rdataset, rdata)
    hour = None if zone.stamps is None else stamp.hour
    return Record(name.to_text(), dns.rdatatype.to_text(rdata.rdtype), stamp.ttl, rdata.to_text(), hour)


def _content(nodes: Nodes, stamps: Stamps | None) -> object:
    """What a zone says, to be compared: rdatasets compare without their TTL."""
    if stamps is not None:
        return nodes, {key: stamp.ttl for key, stamp in stamps.items()}
    return nodes, {(name, kind): rdataset.ttl for name, sets in nodes.items() for kind, rdataset in sets.items()}


def _restamp(zone: Zone, nodes: Nodes, changes: list[_Rr], hour: int) -> Stamps | None:
    """TTLs and time stamps after an update: a new record is dynamic, a static one stays static."""
    if zone.stamps is None:
        return None

    def there(name: dns.name.Name, rdata: dns.rdata.Rdata) -> bool:
        return rdata in nodes.get(name, {}).get(rdata.rdtype, ())

    stamps = {key: stamp for key, stamp in zone.stamps.items() if there(*key)}
    for rr in changes:
        if rr.rdclass == IN and rr.rdata is not None and there(rr.name, rr.rdata):
            old = zone.stamps.get((rr.name, rr.rdata))
            since = hour if old is None else old.hour
            if since and zone.aging and hour - since >= NO_REFRESH_HOURS:
                since = hour
            stamps[rr.name, rr.rdata] = Stamp(rr.ttl, since)
    return stamps


def _read_update(wire: bytes) -> tuple[list[_Rr], list[_Rr]]:
    """The prerequisite and update sections of a message that already parsed once."""
    parser = dns.wire.Parser(wire)
    _ignored, _ignored_2, zones, prerequisites, updates, _ignored_3 = parser.get_struct("!HHHHHH")
    for _ignored in range(zones):
        dns.name.from_wire_parser(parser)
        parser.get_struct("!HH")

    def read() -> _Rr:
        name = dns.name.from_wire_parser(parser)
        rdtype, rdclass, ttl, length = parser.get_struct("!HHIH")
        kind = dns.rdatatype.RdataType.make(rdtype)
        rdata = None
        if length:
            with parser.restrict_to(length):
                rdata = dns.rdata.from_wire_parser(IN, kind, parser)
        return _Rr(name, kind, dns.rdataclass.RdataClass.make(rdclass), ttl, length, rdata)

    return [read() for _ignored in range(prerequisites)], [read() for _ignored in range(updates)]


def _check_prerequisites(zone: Zone, rrs: list[_Rr]) -> None:
    """RFC 2136 section 3.2.5."""
    wanted: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], set[dns.rdata.Rdata]] = {}
    for rr in rrs:
        if rr.ttl != 0:
            raise _Refused(dns.rcode.FORMERR)
        if not rr.name.is_subdomain(zone.origin):
            raise _Refused(dns.rcode.NOTZONE)
        rdatasets = zone.nodes.get(rr.name, {})
        any_type = rr.rdtype == dns.rdatatype.ANY
        if rr.rdclass in (ANY, NONE) and rr.length:
            raise _Refused(dns.rcode.FORMERR)
        if rr.rdclass == ANY:
            if any_type and not rdatasets:
                raise _Refused(dns.rcode.NXDOMAIN)
            if not any_type and rr.rdtype not in rdatasets:
                raise _Refused(dns.rcode.NXRRSET)
        elif rr.rdclass == NONE:
            if any_type and rdatasets:
                raise _Refused(dns.rcode.YXDOMAIN)
            if not any_type and rr.rdtype in rdatasets:
                raise _Refused(dns.rcode.YXRRSET)
        elif rr.rdclass == IN and rr.rdata is not None:
            wanted.setdefault((rr.name, rr.rdtype), set()).add(rr.rdata)
        else:
            raise _Refused(dns.rcode.FORMERR)
    for (name, rdtype), rdatas in wanted.items():
        present = zone.nodes.get(name, {}).get(rdtype)
        if present is None or set(present) != rdatas:
            raise _Refused(dns.rcode.NXRRSET)


def _prescan(zone: Zone, rrs: list[_Rr]) -> None:
    """RFC 2136 section 3.4.1."""
    for rr in rrs:
        if not rr.name.is_subdomain(zone.origin):
            raise _Refused(dns.rcode.NOTZONE)
        if rr.rdclass == IN:
            bad = rr.rdtype in _META_TYPES or rr.rdata is None
        elif rr.rdclass == ANY:
            bad = rr.ttl != 0 or rr.length != 0 or rr.rdtype in _META_TYPES - {dns.rdatatype.ANY}
        elif rr.rdclass == NONE:
            bad = rr.ttl != 0 or rr.rdtype in _META_TYPES or rr.rdata is None
        else:
            bad = True
        if bad:
            raise _Refused(dns.rcode.FORMERR)


def _apply(zone: Zone, rrs: list[_Rr]) -> Nodes:
    """RFC 2136 section 3.4.2: the zone's nodes after the update; the zone itself is not touched."""
    nodes: Nodes = {
        name: {kind: rdataset.copy() for kind, rdataset in rdatasets.items()}
        if any(rr.name == name for rr in rrs)
        else rdatasets
        for name, rdatasets in zone.nodes.items()
    }
    if any(rr.rdtype == SOA for rr in rrs):
        nodes[zone.origin][SOA] = nodes[zone.origin][SOA].copy()
    for rr in rrs:
        apex = rr.name == zone.origin
        rdatasets = nodes.setdefault(rr.name, {})
        if rr.rdclass == IN:
            _add(rdatasets, rr)
        elif rr.rdclass == ANY:
            gone = list(rdatasets) if rr.rdtype == dns.rdatatype.ANY else [rr.rdtype]
            for kind in gone:
                if not (apex and kind in (SOA, NS)):
                    rdatasets.pop(kind, None)
        elif rr.rdtype in rdatasets and rr.rdtype != SOA and rr.rdata in rdatasets[rr.rdtype]:
            assert rr.rdata is not None
            if not (apex and rr.rdtype == NS and len(rdatasets[NS]) == 1):
                rdatasets[rr.rdtype].discard(rr.rdata)
                if not rdatasets[rr.rdtype]:
                    del rdatasets[rr.rdtype]
        if not rdatasets:
            del nodes[rr.name]
    return nodes


def _add(rdatasets: dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset], rr: _Rr) -> None:
    assert rr.rdata is not None
    if rr.rdtype == CNAME:
        if any(kind != CNAME for kind in rdatasets):
            return
        rdatasets.pop(CNAME, None)
    elif CNAME in rdatasets:
        return
    if rr.rdtype == SOA:
        if SOA not in rdatasets or _serial_of(rr.rdata) <= _serial_of(rdatasets[SOA][0]):
            return
        rdatasets.pop(SOA)
    if rr.rdtype not in rdatasets:
        rdatasets[rr.rdtype] = dns.rdataset.Rdataset(IN, rr.rdtype, ttl=rr.ttl)
    rdataset = rdatasets[rr.rdtype]
    rdataset.discard(rr.rdata)
    rdataset.add(rr.rdata)
    rdataset.ttl = rr.ttl  # one TTL per set (RFC 2181 5.2): the newest wins, as in BIND


def _serial_of(rdata: dns.rdata.Rdata) -> int:
    assert isinstance(rdata, dns.rdtypes.ANY.SOA.SOA)
    return int(rdata.serial)


def _bump_serial(origin: dns.name.Name, nodes: Nodes) -> None:
    old = nodes[origin][SOA]
    rdata = old[0]
    fresh = dns.rdataset.Rdataset(IN, SOA, ttl=old.ttl)
    fresh.add(rdata.replace(serial=_serial_of(rdata) + 1))
    nodes[origin] = {**nodes[origin], SOA: fresh}


def _bare_answer(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """A header alone: the request's ID and opcode, QR set, no sections."""
    (flags,) = struct.unpack("!H", wire[2:4])
    return wire[:2] + struct.pack("!HHHHH", 0x8000 | (flags & 0x7900) | rcode, 0, 0, 0, 0)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: before Python 3.12 asyncio's own transport is no subclass of DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.handle(data, tcp=False)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


def _bind_sockets() -> list[tuple[str, socket.socket, socket.socket]]:
    """(address, UDP socket, listening TCP socket) per loopback address, all on one port that was free on all."""
    for _attempt in range(50):
        made: list[tuple[str, socket.socket, socket.socket]] = []
        port = 0
        try:
            for address in _ADDRESSES:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                if family == socket.AF_INET6 and not _has_ipv6():
                    continue
                tcp = socket.socket(family, socket.SOCK_STREAM)
                udp = socket.socket(family, socket.SOCK_DGRAM)
                made.append((address, udp, tcp))
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tcp.bind((address, port))
                port = tcp.getsockname()[1]
                udp.bind((address, port))
                tcp.listen(128)
                for item in (udp, tcp):
                    item.setblocking(False)
            return made
        except OSError:
            for _ignored, udp, tcp in made:
                udp.close()
                tcp.close()
    raise OSError("no port of the loopback addresses is free for both UDP and TCP")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def keyring(secrets: Mapping[str, tuple[str, str]]) -> list[dns.tsig.Key]:
    """Keys from {name: (algorithm, base64 secret)}."""
    return [dns.tsig.Key(name, secret, algorithm) for name, (algorithm, secret) in secrets.items()]
