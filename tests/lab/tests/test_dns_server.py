# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded DNS server over real sockets: queries, RFC 2136 updates, TSIG."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import pytest

from kmslab.dns import DnsServer, EditProblem, Grant, Record, build_zone

ZONE = "lab.test"
NAME = dns.name.from_text("_vlmcs._tcp.lab.test")
SECRET, OTHER_SECRET = "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE=", "YW5vdGhlciBzZWNyZXQgb2YgdGhlIGxhYiBvbmx5ISE="
KEY = dns.tsig.Key("kms-key.", SECRET, "hmac-sha256")
OTHER = dns.tsig.Key("other-key.", OTHER_SECRET, "hmac-sha512")
OWNERS = [dns.tsig.Key(f"host{n}.", SECRET, "hmac-sha256") for n in (1, 2)]
RECORDS = [
    Record("_vlmcs._tcp", "SRV", 3600, "0 0 1688 kms1"),
    Record("kms1", "A", 3600, "198.18.0.10"),
    Record("kms1", "AAAA", 3600, "2001:db8::10"),
    Record("alias", "CNAME", 3600, "kms1"),
    Record("loop", "CNAME", 3600, "loop"),
    Record("out", "CNAME", 3600, "www.example."),
    Record("a.deep", "A", 3600, "198.18.0.11"),
]


def zones(*, permission_first: bool = True) -> list[object]:
    srv_only = Grant(KEY.name, frozenset({NAME}), frozenset({dns.rdatatype.SRV}))
    owned = [Grant(key.name, owner=True) for key in OWNERS]
    anything = Grant(dns.name.from_text("all-key."))
    return [
        build_zone(ZONE, RECORDS, grants=[srv_only, anything], permission_first=permission_first),
        build_zone("owned.test", [], grants=owned),
        build_zone("closed.test", []),
    ]


ALL = dns.tsig.Key("all-key.", SECRET, "hmac-sha256")


@pytest.fixture
def server() -> Iterator[DnsServer]:
    made = DnsServer(zones(), [KEY, OTHER, ALL, *OWNERS])  # type: ignore[arg-type]
    made.start()
    yield made
    made.stop()


def ask(server: DnsServer, name: str, rdtype: str, *, tcp: bool = True, **more: object) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, **more)  # type: ignore[arg-type]
    send: Callable[..., dns.message.Message] = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=server.port, timeout=5)


def update(key: dns.tsig.Key | None = KEY, zone: str = ZONE) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(zone)
    if key is not None:
        message.use_tsig(key)
    return message


def send(server: DnsServer, message: dns.message.Message) -> str:
    """The rcode of the answer, checked as it came: signed answers are verified."""
    return dns.rcode.to_text(dns.query.tcp(message, "127.0.0.1", port=server.port, timeout=5).rcode())


def srv_set(server: DnsServer, zone: str = ZONE) -> list[str]:
    return [record.data for record in server.records(zone) if record.type == "SRV"]


# -- queries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tcp", [True, False])
@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "answers", "authority"),
    [
        ("_vlmcs._tcp.lab.test", "SRV", "NOERROR", ["0 0 1688 kms1.lab.test."], []),
        ("_VLMCS._TCP.Lab.Test", "SRV", "NOERROR", ["0 0 1688 kms1.lab.test."], []),
        ("kms1.lab.test", "A", "NOERROR", ["198.18.0.10"], []),
        ("kms1.lab.test", "ANY", "NOERROR", ["198.18.0.10", "2001:db8::10"], []),
        ("alias.lab.test", "A", "NOERROR", ["kms1.lab.test.", "198.18.0.10"], []),
        ("alias.lab.test", "CNAME", "NOERROR", ["kms1.lab.test."], []),
        ("loop.lab.test", "A", "NOERROR", ["loop.lab.test."], []),
        ("out.lab.test", "A", "NOERROR", ["www.example."], []),
        ("kms1.lab.test", "SRV", "NOERROR", [], ["SOA"]),
        ("deep.lab.test", "A", "NOERROR", [], ["SOA"]),
        ("_tcp.lab.test", "SRV", "NOERROR", [], ["SOA"]),
        ("no.lab.test", "SRV", "NXDOMAIN", [], ["SOA"]),
        ("_vlmcs._tcp.sub.lab.test", "SRV", "NXDOMAIN", [], ["SOA"]),
        ("lab.test", "NS", "NOERROR", ["ns.lab.test."], []),
        ("other.example", "A", "REFUSED", [], []),
        ("test", "SOA", "REFUSED", [], []),
    ],
)
def test_query(
    server: DnsServer, name: str, rdtype: str, rcode: str, answers: list[str], authority: list[str], tcp: bool
) -> None:
    response = ask(server, name, rdtype, tcp=tcp)
    assert dns.rcode.to_text(response.rcode()) == rcode
    # dnspython before 2.9 compresses the name in an SRV record, so that its case is the question's.
    assert [rdata.to_text().lower() for rrset in response.answer for rdata in rrset] == answers
    assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in response.authority] == authority
    assert bool(response.flags & dns.flags.AA) == (rcode != "REFUSED")
    for rrset in response.authority:
        assert rrset.name == dns.name.from_text(ZONE)


def test_an_srv_answer_brings_the_addresses(server: DnsServer) -> None:
    response = ask(server, str(NAME), "SRV")
    added = sorted(rdata.to_text() for rrset in response.additional for rdata in rrset)
    assert added == ["198.18.0.10", "2001:db8::10"]


def test_zone_transfer_is_refused(server: DnsServer) -> None:
    assert ask(server, ZONE, "AXFR").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(("payload", "limit"), [(None, 512), (1232, 1232), (65535, 1232)])
def test_a_long_answer_is_truncated_on_udp_alone(server: DnsServer, payload: int | None, limit: int) -> None:
    records = [Record("_vlmcs._tcp", "SRV", 60, f"0 0 1688 a-host-with-a-long-name-{n}") for n in range(60)]
    server.replace_records(ZONE, records)
    options = {} if payload is None else {"use_edns": 0, "payload": payload}
    short = ask(server, str(NAME), "SRV", tcp=False, **options)
    assert short.flags & dns.flags.TC
    assert short.wire is not None and len(short.wire) <= limit
    full = ask(server, str(NAME), "SRV")
    assert not full.flags & dns.flags.TC and len(full.answer[0]) == 60


def test_ipv6_when_there_is_one(server: DnsServer) -> None:
    for address in server.addresses:
        query = dns.message.make_query(ZONE, "SOA")
        assert dns.query.udp(query, address, port=server.port, timeout=5).rcode() == dns.rcode.NOERROR


def test_a_signed_query_gets_a_signed_answer(server: DnsServer) -> None:
    query = dns.message.make_query(NAME, "SRV")
    query.use_tsig(KEY)
    assert dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5).had_tsig


# -- updates ---------------------------------------------------------------------------------------------------------


def test_add_delete_and_serial(server: DnsServer) -> None:
    serials = [server.zone(ZONE).serial()]
    message = update()
    message.add(NAME, 600, "SRV", "10 5 1688 kms2")
    message.present(NAME, "SRV")
    assert send(server, message) == "NOERROR"
    assert srv_set(server) == ["0 0 1688 kms1.lab.test.", "10 5 1688 kms2.lab.test."]
    assert {one.ttl for one in server.records(ZONE) if one.type == "SRV"} == {600}, "one TTL for the set"
    serials.append(server.zone(ZONE).serial())
    message = update()
    message.delete(NAME, "SRV", "0 0 1688 kms1")
    assert send(server, message) == "NOERROR"
    serials.append(server.zone(ZONE).serial())
    message = update()
    message.delete(NAME, "SRV", "0 0 1688 not-there")
    assert send(server, message) == "NOERROR"
    serials.append(server.zone(ZONE).serial())
    assert [one - serials[0] for one in serials] == [0, 1, 2, 2], "nothing changed, nothing counted"
    message = update()
    message.delete(NAME, "SRV")
    assert send(server, message) == "NOERROR"
    assert ask(server, str(NAME), "SRV").rcode() == dns.rcode.NXDOMAIN


def _prerequisite(kind: str) -> Callable[[dns.update.UpdateMessage], None]:
    same, other = "0 0 1688 kms1", "1 0 1688 kms1"
    return {
        "set as it is": lambda u: u.present(NAME, "SRV", same),
        "set with less": lambda u: u.present(NAME, "SRV", other),
        "set with more": lambda u: u.present(NAME, "SRV", same, other),
        "set of a name that is not there": lambda u: u.present("no", "SRV", same),
        "some set is there": lambda u: u.present(NAME, "SRV"),
        "some set is there, it is not": lambda u: u.present(NAME, "A"),
        "no set": lambda u: u.absent("no", "SRV"),
        "no set, but it is": lambda u: u.absent(NAME, "SRV"),
        "the name is in use": lambda u: u.present(NAME),
        "the name is in use, it is not": lambda u: u.present("no"),
        "the name is free": lambda u: u.absent("no"),
        "the name is free, it is not": lambda u: u.absent(NAME),
        "an empty non-terminal is free": lambda u: u.absent("deep"),
        "outside the zone": lambda u: u.present(dns.name.from_text("a.example."), "SRV"),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "rcode"),
    [
        ("set as it is", "NOERROR"),
        ("set with less", "NXRRSET"),
        ("set with more", "NXRRSET"),
        ("set of a name that is not there", "NXRRSET"),
        ("some set is there", "NOERROR"),
        ("some set is there, it is not", "NXRRSET"),
        ("no set", "NOERROR"),
        ("no set, but it is", "YXRRSET"),
        ("the name is in use", "NOERROR"),
        ("the name is in use, it is not", "NXDOMAIN"),
        ("the name is free", "NOERROR"),
        ("the name is free, it is not", "YXDOMAIN"),
        ("an empty non-terminal is free", "NOERROR"),
        ("outside the zone", "NOTZONE"),
    ],
)
def test_prerequisites(server: DnsServer, kind: str, rcode: str) -> None:
    before = srv_set(server)
    message = update()
    _prerequisite(kind)(message)
    message.add(NAME, 600, "SRV", "10 0 1688 kms2")
    assert send(server, message) == rcode
    assert (srv_set(server) != before) == (rcode == "NOERROR")


def raw(rdclass: int, ttl: int, data: bytes, *, section: int, rdtype: int = 33, zone_type: int = 6) -> bytes:
    """An unsigned UPDATE with one record in a section (1 prerequisite, 2 update), written by hand."""
    name = NAME.to_wire()
    zone = dns.name.from_text(ZONE).to_wire()
    assert name is not None and zone is not None
    counts = [1, 0, 0, 0]
    counts[section] = 1
    head = struct.pack("!HHHHHH", 7, 5 << 11, *counts)
    record = name + struct.pack("!HHIH", rdtype, rdclass, ttl, len(data)) + data
    return head + zone + struct.pack("!HH", zone_type, 1) + record


RDATA = struct.pack("!HHH", 0, 0, 1688) + b"\x04kms1\x03lab\x04test\x00"


@pytest.mark.parametrize(
    "wire",
    [
        raw(1, 60, RDATA, section=1),
        raw(255, 60, b"", section=1),
        raw(255, 0, RDATA, section=1),
        raw(254, 0, RDATA, section=1),
        raw(3, 0, RDATA, section=1),
        raw(1, 60, RDATA, section=2, zone_type=33),
        raw(1, 60, RDATA[:9], section=2),
        raw(1, 60, RDATA, section=2) + b"junk",
        raw(1, 60, RDATA, section=2)[:-3],
        struct.pack("!HHHHHH", 7, 5 << 11, 0, 0, 0, 0),
    ],
    ids=["pre TTL", "any TTL", "any data", "none data", "class", "zone type", "rdata", "junk", "short", "no zone"],
)
def test_malformed_updates(wire: bytes) -> None:
    open_server = DnsServer(zones(permission_first=False))  # type: ignore[arg-type]
    answer = open_server.handle(wire, tcp=True)
    assert answer is not None
    assert (answer[:2], answer[3] & 15) == (wire[:2], dns.rcode.FORMERR)


@pytest.mark.parametrize(
    ("rdclass", "ttl", "data", "rdtype"),
    [
        (1, 60, b"", 255),
        (255, 5, b"", 33),
        (255, 0, RDATA, 33),
        (255, 0, b"", 252),
        (254, 5, RDATA, 33),
        (3, 0, RDATA, 33),
    ],
)
def test_the_prescan_refuses_everything(server: DnsServer, rdclass: int, ttl: int, data: bytes, rdtype: int) -> None:
    message = raw(rdclass, ttl, data, section=2, rdtype=rdtype)
    unsigned = dns.rcode.to_text(dns.rcode.Rcode((server.handle(message, tcp=True) or b"\0\0\0\0")[3] & 15))
    assert unsigned in ("REFUSED", "FORMERR"), "the policy may come first"
    rdata = dns.tsig.sign(message, ALL, _tsig_template(), int(time.time()), b"")[0].to_wire()
    owner = ALL.name.to_wire()
    assert rdata is not None and owner is not None
    tail = owner + struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata
    answer = server.handle(message[:10] + struct.pack("!H", 1) + message[12:] + tail, tcp=True)
    assert answer is not None and answer[3] & 15 == dns.rcode.FORMERR


def _tsig_template() -> dns.rdtypes.ANY.TSIG.TSIG:
    return dns.rdtypes.ANY.TSIG.TSIG(
        dns.rdataclass.ANY, dns.rdatatype.TSIG, dns.tsig.HMAC_SHA256, 0, 300, b"", 7, dns.rcode.NOERROR, b""
    )


def test_one_update_is_all_or_nothing(server: DnsServer) -> None:
    before = server.records(ZONE)
    message = update()
    message.add(NAME, 600, "SRV", "10 0 1688 kms2")
    message.add("kms2", 600, "A", "198.18.0.20")
    assert send(server, message) == "REFUSED"
    assert server.records(ZONE) == before


def test_cname_and_apex_are_protected(server: DnsServer) -> None:
    message = update(ALL)
    message.add("alias", 60, "A", "198.18.0.1")
    message.add("kms1", 60, "CNAME", "other")
    message.delete("@")
    message.delete("@", "SOA")
    message.delete("@", "NS", "ns")
    before = server.records(ZONE)
    assert send(server, message) == "NOERROR"
    assert server.records(ZONE) == before


def test_a_soa_goes_forward_only(server: DnsServer) -> None:
    for serial, expected in ((500, 500), (400, 500)):
        message = update(ALL)
        message.add("@", 60, "SOA", f"ns hostmaster {serial} 900 300 86400 300")
        assert send(server, message) == "NOERROR"
        assert server.zone(ZONE).serial() == expected


def test_twelve_at_once_lose_nothing(server: DnsServer) -> None:
    def add(number: int) -> None:
        message = update()
        message.add(NAME, 600, "SRV", f"0 0 1688 host{number}")
        results.append(send(server, message))

    results: list[str] = []
    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["NOERROR"] * 12
    assert len(srv_set(server)) == 13


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "zone", "name", "rdtype", "data", "rcode"),
    [
        (KEY, ZONE, NAME, "SRV", "1 1 1688 x", "NOERROR"),
        (None, ZONE, NAME, "SRV", "1 1 1688 x", "REFUSED"),
        (OTHER, ZONE, NAME, "SRV", "1 1 1688 x", "REFUSED"),
        (KEY, ZONE, "_ldap._tcp", "SRV", "1 1 389 x", "REFUSED"),
        (KEY, ZONE, NAME, "TXT", "x", "REFUSED"),
        (KEY, ZONE, dns.name.from_text("a.example."), "SRV", "1 1 1688 x", "NOTZONE"),
        (KEY, "closed.test", "a", "SRV", "1 1 1688 x", "REFUSED"),
        (KEY, "no.test", "a", "SRV", "1 1 1688 x", "NOTAUTH"),
        (KEY, "sub.lab.test", "a", "SRV", "1 1 1688 x", "NOTAUTH"),
    ],
)
def test_policy(
    server: DnsServer,
    key: dns.tsig.Key | None,
    zone: str,
    name: dns.name.Name | str,
    rdtype: str,
    data: str,
    rcode: str,
) -> None:
    message = update(key, zone)
    message.add(name, 60, rdtype, data)
    assert send(server, message) == rcode


@pytest.mark.parametrize(("permission_first", "rcode"), [(True, "REFUSED"), (False, "NXDOMAIN")])
def test_the_order_of_permission_and_prerequisites(permission_first: bool, rcode: str) -> None:
    made = DnsServer(zones(permission_first=permission_first), [KEY])  # type: ignore[arg-type]
    made.start()
    try:
        message = update()
        message.present("no")
        message.add("forbidden", 60, "A", "198.18.0.1")
        assert send(made, message) == rcode
    finally:
        made.stop()


def test_the_creator_owns_a_name_even_when_it_is_empty(server: DnsServer) -> None:
    def act(key: dns.tsig.Key, delete: bool = False) -> str:
        message = update(key, "owned.test")
        if delete:
            message.delete("_vlmcs._tcp", "SRV")
        else:
            message.add("_vlmcs._tcp", 60, "SRV", f"0 0 1688 {key.name}")
        return send(server, message)

    first, second = OWNERS
    assert [act(first), act(second), act(first)] == ["NOERROR", "REFUSED", "NOERROR"]
    assert [act(first, delete=True), act(second)] == ["NOERROR", "REFUSED"]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (dns.tsig.Key("no-key.", SECRET, "hmac-sha256"), dns.tsig.PeerBadKey),
        (dns.tsig.Key("kms-key.", OTHER_SECRET, "hmac-sha256"), dns.tsig.PeerBadSignature),
        (dns.tsig.Key("kms-key.", SECRET, "hmac-sha512"), dns.tsig.PeerBadKey),
    ],
)
@pytest.mark.parametrize("question", [True, False])
def test_bad_keys(server: DnsServer, key: dns.tsig.Key, error: type[Exception], question: bool) -> None:
    before = srv_set(server)
    message: dns.message.Message
    if question:
        message = dns.message.make_query(NAME, "SRV")
        message.use_tsig(key)
    else:
        changing = update(key)
        changing.delete(NAME, "SRV")
        message = changing
    with pytest.raises(error):
        send(server, message)
    answer = server.handle(message.to_wire(), tcp=True)
    assert answer is not None and answer[3] & 15 == dns.rcode.NOTAUTH
    assert srv_set(server) == before


@pytest.mark.parametrize(("skew", "accepted"), [(290, True), (-290, True), (310, False), (-310, False)])
def test_clock_skew(server: DnsServer, skew: int, accepted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    message = update()
    message.add(NAME, 60, "SRV", "1 1 1688 x")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    wire = message.to_wire()
    monkeypatch.undo()
    answer = server.handle(wire, tcp=True)
    assert answer is not None
    assert answer[3] & 15 == (dns.rcode.NOERROR if accepted else dns.rcode.NOTAUTH)
    assert ("1 1 1688 x.lab.test." in srv_set(server)) == accepted
    if not accepted:
        with pytest.raises(dns.tsig.PeerBadTime):
            dns.message.from_wire(answer, keyring=KEY, request_mac=message.mac)


# -- robustness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (b"", None),
        (b"\0" * 11, None),
        (struct.pack("!HHHHHH", 1, 0x8000, 0, 0, 0, 0), None),
        (struct.pack("!HHHHHH", 1, 0, 5, 0, 0, 0), dns.rcode.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 0, 0, 0, 0), dns.rcode.FORMERR),
        (struct.pack("!HHHHHH", 1, 4 << 11, 0, 0, 0, 0), dns.rcode.NOTIMP),
        (struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", dns.rcode.FORMERR),
    ],
)
def test_garbage(server: DnsServer, wire: bytes, rcode: dns.rcode.Rcode | None) -> None:
    answer = server.handle(wire, tcp=False)
    assert (answer[3] & 15 if answer else None) == rcode


def test_several_questions_on_one_connection(server: DnsServer) -> None:
    wire = dns.message.make_query(ZONE, "SOA").to_wire()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        for _ignored in range(3):
            connection.sendall(struct.pack("!H", len(wire)) + wire)
            (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
            assert connection.recv(length, socket.MSG_WAITALL)[:2] == wire[:2]


def test_start_and_stop_twice() -> None:
    made = DnsServer([build_zone(ZONE, RECORDS)])
    made.start()
    first = made.port
    made.start()
    assert made.port == first
    made.stop()
    made.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", first), timeout=5)


# -- zones of a Windows DNS server: a TTL and a time stamp per record ------------------------------------------------

HOUR = 3726720  # hours from 1601 to a day in 2026


@pytest.fixture
def windows() -> Iterator[tuple[DnsServer, list[int]]]:
    clock = [HOUR]
    grant = Grant(KEY.name)
    made = DnsServer(
        [
            build_zone(ZONE, RECORDS, grants=[grant], stamped=True),
            build_zone("aging.test", [], grants=[grant], stamped=True, aging=True),
        ],
        [KEY],
        hour=lambda: clock[0],
    )
    made.start()
    yield made, clock
    made.stop()


def stamps(server: DnsServer, zone: str = ZONE) -> dict[str, tuple[int, int | None]]:
    return {record.data: (record.ttl, record.timestamp) for record in server.records(zone, "SRV")}


def test_a_ttl_alone_can_be_updated(server: DnsServer) -> None:
    serial = server.zone(ZONE).serial()
    for _ignored in range(2):
        message = update()
        message.delete(NAME, "SRV", "0 0 1688 kms1")
        message.add(NAME, 60, "SRV", "0 0 1688 kms1")
        assert send(server, message) == "NOERROR"
    assert ask(server, str(NAME), "SRV").answer[0].ttl == 60
    assert server.zone(ZONE).serial() == serial + 1


def test_each_record_keeps_its_own_ttl_and_stamp(windows: tuple[DnsServer, list[int]]) -> None:
    server, clock = windows
    server.edit(ZONE, add=Record("_vlmcs._tcp", "SRV", 600, "10 0 1688 static"))
    message = update()
    message.add(NAME, 60, "SRV", "20 0 1688 dynamic")
    message.add(NAME, 3600, "SRV", "0 0 1688 KMS1")
    assert send(server, message) == "NOERROR"
    wanted = {
        "0 0 1688 KMS1.lab.test.": (3600, 0),
        "10 0 1688 static.lab.test.": (600, 0),
        "20 0 1688 dynamic.lab.test.": (60, HOUR),
    }
    assert stamps(server) == wanted
    response = ask(server, str(NAME), "SRV")
    assert response.answer[0].ttl == 60 and len(response.answer[0]) == 3, "a resolver takes the lowest"
    clock[0] += 1000
    message = update()
    message.add(NAME, 60, "SRV", "20 0 1688 dynamic")
    serial = server.zone(ZONE).serial()
    assert send(server, message) == "NOERROR"
    assert (stamps(server), server.zone(ZONE).serial()) == (wanted, serial), "nothing is refreshed without aging"
    message = update()
    message.delete(NAME, "SRV", "20 0 1688 dynamic")
    assert send(server, message) == "NOERROR"
    assert set(stamps(server)) == set(wanted) - {"20 0 1688 dynamic.lab.test."}


def test_aging_refreshes_after_the_no_refresh_interval(windows: tuple[DnsServer, list[int]]) -> None:
    server, clock = windows
    seen: list[tuple[int, int | None]] = []
    for hours in (0, 167, 1):
        clock[0] += hours
        message = update(zone="aging.test")
        message.add("_vlmcs._tcp", 60, "SRV", "0 0 1688 kms1")
        assert send(server, message) == "NOERROR"
        seen += stamps(server, "aging.test").values()
    assert seen == [(60, HOUR), (60, HOUR), (60, HOUR + 168)]


@pytest.mark.parametrize(
    ("kind", "remove", "add"),
    [
        ("exists", None, "0 0 1688 Kms1"),
        ("exists", "0 0 1688 other", "0 0 1688 kms1"),
        ("missing", "0 0 1688 kms3", None),
        ("missing", "0 0 1688 kms3", "0 0 1688 kms4"),
    ],
)
def test_edits_that_cannot_be(
    windows: tuple[DnsServer, list[int]], kind: str, remove: str | None, add: str | None
) -> None:
    server, _clock = windows
    server.edit(ZONE, add=Record("_vlmcs._tcp", "SRV", 600, "0 0 1688 other"))
    before = server.records(ZONE)
    with pytest.raises(EditProblem) as caught:
        server.edit(
            ZONE,
            remove=Record("_vlmcs._tcp", "SRV", 0, remove) if remove else None,
            add=Record("_vlmcs._tcp", "SRV", 60, add) if add else None,
        )
    assert caught.value.kind == kind
    assert server.records(ZONE) == before


def test_an_alias_has_no_other_records(windows: tuple[DnsServer, list[int]]) -> None:
    server, _clock = windows
    for record in (Record("alias", "SRV", 60, "0 0 1688 kms1"), Record("kms1", "CNAME", 60, "alias")):
        with pytest.raises(EditProblem, match="alias"):
            server.edit(ZONE, add=record)


def test_an_edit_answers_and_counts(windows: tuple[DnsServer, list[int]]) -> None:
    server, _clock = windows
    serial = server.zone(ZONE).serial()
    old = Record("_vlmcs._tcp", "SRV", 0, "0 0 1688 kms1")
    added = server.edit(ZONE, remove=old, add=Record("_vlmcs._tcp", "SRV", 60, "0 0 1699 KMS1"))
    assert added == Record("_vlmcs._tcp.lab.test.", "SRV", 60, "0 0 1699 KMS1.lab.test.", 0)
    assert server.zone(ZONE).serial() == serial + 1
    assert added is not None and server.edit(ZONE, remove=added) is None
    assert ask(server, str(NAME), "SRV").rcode() == dns.rcode.NXDOMAIN
