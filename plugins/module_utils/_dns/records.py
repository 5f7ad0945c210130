# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SRV records as values, read from answers and put into updates."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .library import dns


@dataclass(frozen=True)
class SrvRecord:
    """One SRV record. The target is kept exactly as it was read: some servers delete only what matches to the letter.

    Comparing is done on `data` and `host`, in which case does not count (RFC 4343).
    """

    target: dns.name.Name
    port: int
    priority: int
    weight: int
    ttl: int

    @property
    def host(self) -> dns.name.Name:
        """The identity of the KMS host that this record speaks of."""
        return self.target.canonicalize()

    @property
    def data(self) -> tuple[dns.name.Name, int, int, int]:
        """Everything but the TTL, in a form that compares as DNS does."""
        return (self.host, self.port, self.priority, self.weight)

    def rdata(self) -> dns.rdata.Rdata:
        """For an update message. In raw form, since older dnspython compresses the target (which RFC 2782 forbids),
        and compressing can change its case."""
        wire = struct.pack("!HHH", self.priority, self.weight, self.port) + self.target.to_wire()  # type: ignore[operator]
        return dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.SRV, wire)

    def as_result(self) -> dict[str, str | int]:
        """The record in a module's result; the target without its final dot."""
        return {
            "target": self.target.to_text(omit_final_dot=True),
            "port": self.port,
            "priority": self.priority,
            "weight": self.weight,
            "ttl": self.ttl,
        }

    def line(self, owner: str) -> str:
        """The record as a line of a zone file."""
        return f"{owner}. {self.ttl} IN SRV {self.priority} {self.weight} {self.port} {self.target.to_text()}"


RecordSet = tuple[SrvRecord, ...]


def record_set(records: Iterable[SrvRecord]) -> RecordSet:
    """The records in a fixed order: by target, port, priority, weight."""
    return tuple(sorted(records, key=lambda record: (record.host.to_text(), *record.data[1:], record.ttl)))


def same_set(one: Sequence[SrvRecord], other: Sequence[SrvRecord]) -> bool:
    """Whether both hold the same records with the same TTLs."""

    def canonical(records: Sequence[SrvRecord]) -> list[tuple[object, ...]]:
        return [(*record.data, record.ttl) for record in record_set(records)]

    return canonical(one) == canonical(other)


def records_of(answer: dns.message.Message, owner: dns.name.Name) -> RecordSet:
    """The SRV records of a name in an answer that was parsed with one record per RRset, which keeps each one's TTL."""
    return record_set(
        SrvRecord(rdata.target, rdata.port, rdata.priority, rdata.weight, rrset.ttl)
        for rrset in answer.answer
        if rrset.rdtype == dns.rdatatype.SRV and rrset.name == owner
        for rdata in rrset
    )


def text(records: Sequence[SrvRecord], owner: str) -> str:
    """The set as zone file lines, for a diff. An empty set is an empty text."""
    return "".join(record.line(owner) + "\n" for record in record_set(records))
