# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Windows DNS server: its zones, the SRV records of a name, and the three ways to change one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...module_utils._dns.errors import ZoneError
from ...module_utils._dns.library import dns
from ...module_utils._dns.names import lies_in
from ...module_utils._dns.records import RecordSet, SrvRecord, record_set
from .._cim.envelope import wql_quote
from .._cim.errors import CimInvalidClass
from .._cim.schema import Instance, Reference
from .._cim.session import CimSession
from .schema import CLASS_IN, COPIES, SRV_CLASS, ZONE_CLASS

_ZONE_COLUMNS = ("Name", "DnsServerName", "ZoneType", "MasterServers")
# Zones that a message lists before it says how many more there are.
_MOST_NAMED = 20


@dataclass(frozen=True)
class Zone:
    """One zone. name: in the server's spelling; server: the name by which the server calls itself; kind: what sort of
    copy of a zone it is, None for one that can be changed; masters: addresses of the servers that a copy comes from."""

    name: str
    server: str
    kind: str | None = None
    masters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One record, and how the host names it. server: as in Zone."""

    record: SrvRecord
    reference: Reference = field(repr=False)
    server: str = ""


@dataclass(frozen=True)
class Operation:
    """One call that changes one record: from `old` (None: make a new one) to `new` (None: delete)."""

    old: Entry | None
    new: SrvRecord | None

    @property
    def is_ttl_alone(self) -> bool:
        """Whether the record keeps its data."""
        return self.old is not None and self.new is not None and self.old.record.data == self.new.data

    def shows_in(self, records: Iterable[SrvRecord]) -> bool:
        """Whether a set looks as it does after this call. Only where nothing else changes, the TTL counts: a server may
        give a record that of its set."""
        ttls = {record.data: record.ttl for record in records}
        if self.old is not None and self.new is not None and self.is_ttl_alone:
            return ttls.get(self.new.data) == self.new.ttl
        gone = self.old is None or self.old.record.data not in ttls
        return gone and (self.new is None or self.new.data in ttls)


def records_in(entries: Iterable[Entry]) -> RecordSet:
    return record_set(entry.record for entry in entries)


# --- reading --------------------------------------------------------------------------------------------------------


def read_entries(session: CimSession, container: str, owner: str) -> tuple[Entry, ...]:
    """The SRV records of `owner` in the zone `container`; one query."""
    where = f"ContainerName={wql_quote(container)} AND OwnerName={wql_quote(owner)}"
    found = session.query_with_references(SRV_CLASS, where)
    return tuple(
        Entry(_record(instance, owner), reference, _text(instance, "DnsServerName"))
        for instance, reference in found
        if _bare(_text(instance, "OwnerName")) == _bare(owner)
    )


def find_zone(session: CimSession, owner: str, within: str | None) -> Zone:
    """The zone that holds `owner`, which is the longest one that the name lies in; one query, or two when in doubt.

    within: the zone that it must be, or lie in. Raises ZoneError when there is none.
    """
    labels = owner.split(".")
    names = [".".join(labels[start:]) for start in range(len(labels))]
    if within is not None:
        names = [name for name in names if lies_in(name, within)]
    where = " OR ".join(f"Name={wql_quote(name)}" for name in names)
    try:
        found = _holding(owner, within, _zones(session, where))
    except CimInvalidClass:
        found = None  # or the server does not understand the condition
    if found is None:
        every = _zones(session)
        # The condition may have heeded case, in which names do not differ.
        found = _holding(owner, within, every)
        if found is None:
            raise _no_zone(owner, within, every)
    return found


def check_writable(zone: Zone) -> None:
    """Raises ZoneError for a zone whose records are changed on another server."""
    if zone.kind is None:
        return
    masters = f": {', '.join(zone.masters)}" if zone.masters else ""
    raise ZoneError(
        "NOT_PRIMARY",
        f"{zone.name} is {zone.kind} on {zone.server}, so its records cannot be changed there.",
        f"Run the task on the zone's primary server{masters}.",
    )


def _zones(session: CimSession, where: str = "") -> list[Zone]:
    return [_zone(instance) for instance in session.query(ZONE_CLASS, _ZONE_COLUMNS, where)]


def _zone(instance: Instance) -> Zone:
    return Zone(
        name=_text(instance, "Name"),
        server=_text(instance, "DnsServerName"),
        kind=COPIES.get(instance.get("ZoneType") or 0),
        masters=tuple(str(address) for address in instance.get("MasterServers") or ()),
    )


def _holding(owner: str, within: str | None, zones: Iterable[Zone]) -> Zone | None:
    fitting = [zone for zone in zones if _bare(zone.name) and lies_in(owner, _bare(zone.name))]
    if within is not None:
        fitting = [zone for zone in fitting if lies_in(_bare(zone.name), within)]
    return max(fitting, key=lambda zone: len(_bare(zone.name)), default=None)


def _no_zone(owner: str, within: str | None, zones: Sequence[Zone]) -> ZoneError:
    server = next((zone.server for zone in zones if zone.server), "This DNS server")
    around = _holding(owner, None, zones)
    if within is not None and around is not None:
        return ZoneError(
            "WRONG_ZONE",
            f"{within} is not a zone of {server}: the name lies in the zone {around.name}.",
            "Give this name in the option domain instead of zone if it is the one that your clients have as DNS "
            "domain, or correct the option zone.",
        )
    names = sorted((zone.name for zone in zones), key=lambda name: (name.lower().endswith(".arpa"), name.lower()))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    has = f"It has these: {', '.join(names[:_MOST_NAMED])}{more}." if names else "It has none at all."
    wanted = f"the zone {within}" if within is not None else f"a zone that {owner} lies in"
    return ZoneError(
        "NOT_SERVED",
        f"{server} does not have {wanted}. {has}",
        "Check the options zone and domain, and run the task on the zone's primary server.",
    )


def _record(instance: Instance, owner: str) -> SrvRecord:
    # Windows Server 2003 has no SRVDomainName; the target ends the data of the record.
    target = _text(instance, "SRVDomainName") or _text(instance, "RecordData").rpartition(" ")[2]
    numbers = [instance.get(name) for name in ("Port", "Priority", "Weight", "TTL")]
    known = [number for number in numbers if isinstance(number, int)]
    try:
        name = dns.name.from_text(target.removesuffix(".") + ".") if target else None
    except dns.exception.DNSException:
        name = None
    if name is None or len(known) < len(numbers):
        raise ZoneError(
            "UNREADABLE",
            f"A record of {owner} on {_text(instance, 'DnsServerName') or 'the DNS server'} cannot be understood: "
            f"{_text(instance, 'TextRepresentation') or 'it has no text'}.",
            "Look at it with the DNS console, and delete it if it is damaged.",
        )
    port, priority, weight, ttl = known
    return SrvRecord(name, port, priority, weight, ttl)


def _text(instance: Instance, name: str) -> str:
    return str(instance.get(name) or "")


def _bare(name: str) -> str:
    return name.removesuffix(".").lower()


# --- writing --------------------------------------------------------------------------------------------------------


def send(session: CimSession, zone: Zone, owner: str, operation: Operation) -> None:
    """Make one change; one request. Raises CimError."""
    old, new = operation.old, operation.new
    if old is None and new is not None:
        session.invoke(
            SRV_CLASS,
            "CreateInstanceFromPropertyData",
            DnsServerName=zone.server,
            ContainerName=zone.name,
            OwnerName=owner,
            RecordClass=CLASS_IN,
            TTL=new.ttl,
            Priority=new.priority,
            Weight=new.weight,
            Port=new.port,
            SRVDomainName=new.target.to_text(omit_final_dot=True),
        )
    elif old is not None and new is not None:
        was = old.record
        wanted = {"TTL": new.ttl, "Priority": new.priority, "Weight": new.weight, "Port": new.port}
        had = {"TTL": was.ttl, "Priority": was.priority, "Weight": was.weight, "Port": was.port}
        # What is left out stays, so that a change that somebody else makes at the same time is not undone.
        changed: dict[str, Any] = {name: value for name, value in wanted.items() if value != had[name]}
        session.invoke(old.reference, "Modify", **changed)
    elif old is not None:
        session.delete(old.reference)
