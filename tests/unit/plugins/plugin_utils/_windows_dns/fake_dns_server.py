# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CimSession with a very small DNS server behind it: it holds records, notes every call, and fails when told to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._cim.envelope import input_body
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimConnectionError,
    CimError,
    CimFault,
    CimInvalidClass,
    CimNotFound,
    CimTimedOut,
    CimTimeoutError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass, Instance, Reference, Value
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession, InstanceTarget, MethodTarget
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.schema import SRV_CLASS, ZONE_CLASS

SERVER = "dc1.lab.test"
OWNER = "_vlmcs._tcp.lab.test"
PRIMARY, SECONDARY, STUB, FORWARDER = 1, 2, 3, 4

_CONDITION = re.compile(r"(\w+)='((?:[^'\\]|\\.)*)'")


class NoNetwork:
    """A transport that must not be used."""

    endpoint = "http://host.invalid/wsman"
    last_status: int | None = None

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        raise AssertionError("nothing may be sent")

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Srv:
    """A record as the server holds it; the target ends with a dot."""

    target: str
    port: int = 1688
    priority: int = 0
    weight: int = 0
    ttl: int = 3600
    owner: str = OWNER
    container: str = "lab.test"

    @classmethod
    def of(cls, line: str) -> Srv:
        """From "TTL priority weight port target."."""
        ttl, priority, weight, port, target = line.split()
        return cls(target, int(port), int(priority), int(weight), int(ttl))

    @property
    def line(self) -> str:
        return f"{self.ttl} {self.priority} {self.weight} {self.port} {self.target}"

    @property
    def data(self) -> str:
        return f"{self.priority} {self.weight} {self.port} {self.target}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """By which a server that compares as DNS does knows the record."""
        return (self.container.lower(), self.owner.lower(), self.data.lower())


@dataclass
class Trouble:
    """What goes wrong at a call, the next `times` times; `done` when the call had its effect nevertheless."""

    error: Callable[[], CimError]
    done: bool = False
    times: int = 1


def dropped() -> CimError:
    """The connection broke after the request was sent."""
    error = CimConnectionError("The connection was dropped.", endpoint="http://host/wsman", sent=True, dropped=True)
    error.outcome_unknown = True
    return error


def timed_out() -> CimError:
    """WinRM gave up waiting for a call."""
    error = CimTimedOut("Zeit abgelaufen", code=0x80338029, subcode="TimedOut")
    error.outcome_unknown = True
    return error


def no_answer() -> CimError:
    """A reading that was not answered."""
    return CimTimeoutError("The host did not answer in time.", endpoint="http://host/wsman", sent=True)


def refused(code: int) -> Callable[[], CimError]:
    return lambda: CimFault("Weigerung in der Sprache des Hosts", code=code, provider_code=code)


def invalid_class() -> CimError:
    return CimInvalidClass("Kein solcher Namespace", code=0x8033801A)


@dataclass
class Call:
    """One call that changes something: its method (or "Delete"), the record it was sent to, its parameters."""

    method: str
    record: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


class FakeDnsServer(CimSession):
    """`calls` holds the calls that change something, `reads` the queries, both in order.

    before: what others do, before the request with that number (from 1) is answered; troubles: method, "Delete" or
    "query" -> what goes wrong there; unknown_container: what a query for records in a zone that is not there gives.
    """

    def __init__(self, *lines: str, zones: dict[str, int] | None = None) -> None:
        super().__init__(NoNetwork())
        self.records = [Srv.of(line) for line in lines]
        self.zones = {"lab.test": PRIMARY} if zones is None else zones
        self.masters: list[str] = []
        self.calls: list[Call] = []
        self.reads: list[tuple[str, str]] = []
        self.troubles: dict[str, list[Trouble]] = {}
        self.before: dict[int, Callable[[], None]] = {}
        self.unknown_container: Callable[[], CimError] | None = None
        self.no_such_class = False
        self.heeds_case = False
        self.one_ttl = False
        self.heeds_nothing = False
        self._numbers = itertools.count(1)

    @property
    def lines(self) -> list[str]:
        return sorted(record.line for record in self.records)

    # --- reading ----------------------------------------------------------------------------------------------------

    def query(
        self,
        cim_class: CimClass,
        properties: Sequence[str] | None = None,
        where: str = "",
        *,
        limit: int | None = None,
    ) -> list[Instance]:
        assert cim_class is ZONE_CLASS
        assert properties is not None and set(properties) <= set(ZONE_CLASS.fields)
        self._begin("query", cim_class, where)
        rows = [
            {"Name": name, "DnsServerName": SERVER, "ZoneType": kind, "MasterServers": self.masters}
            for name, kind in self.zones.items()
        ]
        return [Instance(row) for row in rows if self._fits(row, where)]

    def query_with_references(self, cim_class: CimClass, where: str = "") -> list[tuple[Instance, Reference]]:
        assert cim_class is SRV_CLASS
        self._begin("query", cim_class, where)
        container = dict(_CONDITION.findall(where))["ContainerName"]
        if self.unknown_container is not None and container.lower() not in map(str.lower, self.zones):
            raise self.unknown_container()
        found = []
        for record in self.records:
            row = self._row(record)
            if all(row[name].lower() == value.lower() for name, value in _CONDITION.findall(where)):
                found.append((Instance(row, cim_class.name), self._reference(record)))
        return found

    def _begin(self, kind: str, cim_class: CimClass, where: str) -> None:
        self.reads.append((cim_class.name, where))
        self._next()
        if self.no_such_class:
            raise invalid_class()
        for trouble in self.troubles.get(kind, []):
            if trouble.times:
                trouble.times -= 1
                raise trouble.error()

    def _next(self) -> None:
        others = self.before.get(next(self._numbers))
        if others is not None:
            others()

    def _fits(self, row: dict[str, Any], where: str) -> bool:
        conditions = _CONDITION.findall(where)
        if self.heeds_case:
            return not conditions or any(row[name] == value for name, value in conditions)
        return not conditions or any(row[name].lower() == value.lower() for name, value in conditions)

    def _row(self, record: Srv) -> dict[str, Any]:
        return {
            "DnsServerName": SERVER,
            "ContainerName": record.container,
            "OwnerName": record.owner,
            "RecordClass": 1,
            "TTL": record.ttl,
            "TimeStamp": 0,
            "RecordData": record.data,
            "TextRepresentation": f"{record.owner} IN SRV {record.data}",
            "Priority": record.priority,
            "Weight": record.weight,
            "Port": record.port,
            "SRVDomainName": record.target,
        }

    def _reference(self, record: Srv) -> Reference:
        selectors: dict[str, str | Reference] = {
            "ContainerName": record.container,
            "OwnerName": record.owner,
            "RecordData": record.data,
        }
        return Reference(SRV_CLASS.uri, selectors, SRV_CLASS)

    # --- changing ---------------------------------------------------------------------------------------------------

    def invoke(
        self,
        target: MethodTarget,
        method: str,
        *,
        accept: Collection[int] = (0,),
        writes: bool = True,
        **parameters: Value,
    ) -> Instance:
        # What cannot be sent with the types of the class cannot be sent at all.
        input_body(method, SRV_CLASS.uri, parameters, SRV_CLASS.methods[method])
        if isinstance(target, Reference):
            old = str(target.selectors["RecordData"])
            self._change(Call(method, old, dict(parameters)), lambda: self._modify(old, parameters))
        else:
            assert target is SRV_CLASS
            self._change(Call(method, None, dict(parameters)), lambda: self._create(parameters))
        return Instance({})

    def delete(self, target: InstanceTarget) -> None:
        assert isinstance(target, Reference)
        data = str(target.selectors["RecordData"])
        self._change(Call("Delete", data), lambda: self.records.remove(self._find(data)))

    def _change(self, call: Call, change: Callable[[], None]) -> None:
        self.calls.append(call)
        self._next()
        for trouble in self.troubles.get(call.method, []):
            if trouble.times:
                trouble.times -= 1
                if trouble.done:
                    change()
                raise trouble.error()
        if not self.heeds_nothing:
            change()

    def _find(self, data: str) -> Srv:
        for record in self.records:
            if record.data == data:
                return record
        raise CimNotFound("Nicht gefunden", code=0x80041002)

    def _create(self, parameters: dict[str, Any]) -> None:
        self._put(
            Srv(
                target=parameters["SRVDomainName"].removesuffix(".") + ".",
                port=parameters["Port"],
                priority=parameters["Priority"],
                weight=parameters["Weight"],
                ttl=parameters["TTL"],
                owner=parameters["OwnerName"],
                container=parameters["ContainerName"],
            )
        )

    def _modify(self, data: str, parameters: dict[str, Any]) -> None:
        old = self._find(data)
        self.records.remove(old)
        self._put(
            Srv(
                target=old.target,
                port=parameters.get("Port", old.port),
                priority=parameters.get("Priority", old.priority),
                weight=parameters.get("Weight", old.weight),
                ttl=parameters.get("TTL", old.ttl),
                owner=old.owner,
                container=old.container,
            )
        )

    def _put(self, record: Srv) -> None:
        if any(record.identity == other.identity for other in self.records):
            raise refused(0x800725EF)()
        if self.one_ttl and self.records:
            record = Srv(**{**vars(record), "ttl": self.records[0].ttl})
        self.records.append(record)
