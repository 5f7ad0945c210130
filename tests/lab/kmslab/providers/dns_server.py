# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""root/MicrosoftDNS: the WMI provider of a Windows DNS server, with its SRV records, over the lab's own DNS server.

Classes, properties and methods are those that Microsoft documents (learn.microsoft.com, windows/win32/dns).  Its pages
mark no property as a key.  A zone has the keys that real servers show (ContainerName, DnsServerName, Name), a server
is addressed by its Name in Microsoft's samples.  Which keys a record has, how RecordData and TextRepresentation spell
it, that the names in them end with a dot, which codes failures have (the DNS errors of Win32 as HRESULTs), and that
records made here are static are the lab's choices, made from what is likely.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dns.exception
import dns.name

from ..cim import Field, Instance, Reference, Value, WmiError
from ..dns import NO_REFRESH_HOURS, EditProblem, Record
from ..model import codes
from ..model.machine import Machine
from ..model.spec import DnsServerZoneSpec
from .base import BaseProvider, text_key, wmi_class

if TYPE_CHECKING:
    from ..model.estate import Estate

NAMESPACE = "root/MicrosoftDNS"

#: CIM_ManagedSystemElement, from which all these classes descend.
_ELEMENT = """
Caption string
Description string
InstallDate datetime
Status string
"""

_SERVER = """
Name string key
AllowUpdate uint32
BootMethod uint32
DefaultAgingState boolean
DefaultNoRefreshInterval uint32
DefaultRefreshInterval uint32
DsAvailable boolean
Forwarders string[]
IsSlave boolean
ListenAddresses string[]
NoRecursion boolean
RoundRobin boolean
ScavengingInterval uint32
ServerAddresses string[]
Started boolean
StartMode string
SystemName string
Version uint32
"""

_ZONE = """
ContainerName string key
DnsServerName string key
Name string key
Aging boolean
AllowUpdate uint32
AutoCreated boolean
AvailForScavengeTime uint32
DataFile string
DisableWINSRecordReplication boolean
DsIntegrated boolean
ForwarderSlave boolean
ForwarderTimeout uint32
LastSuccessfulSoaCheck uint32
LastSuccessfulXfr uint32
LocalMasterServers string[]
MasterServers string[]
NoRefreshInterval uint32
Notify uint32
NotifyServers string[]
Paused boolean
RefreshInterval uint32
Reverse boolean
ScavengeServers string[]
SecondaryServers string[]
SecureSecondaries uint32
Shutdown boolean
UseNBStat boolean
UseWins boolean
ZoneType uint32
"""

_SRV = """
ContainerName string key
DnsServerName string key
DomainName string key
OwnerName string key
RecordClass uint16 key
RecordData string key
Name string
Port uint16
Priority uint16
SRVDomainName string
TextRepresentation string
TimeStamp uint32
TTL uint32
Weight uint16
"""

_SRV_METHODS = """
CreateInstanceFromPropertyData(DnsServerName string, ContainerName string, OwnerName string, RecordClass uint32, \
TTL uint32, Priority uint16, Weight uint16, Port uint16, SRVDomainName string) -> (RR reference) static void
Modify(TTL uint32, Priority uint16, Weight uint16, Port uint16, SRVDomainName string) -> (RR reference) void
CreateInstanceFromTextRepresentation(DnsServerName string, ContainerName string, TextRepresentation string) \
-> (RR reference) static void
GetObjectByTextRepresentation(DnsServerName string, ContainerName string, TextRepresentation string) \
-> (RR reference) static void read
"""
_NEEDED = ("DnsServerName", "ContainerName", "OwnerName", "Priority", "Weight", "Port", "SRVDomainName")

_IN = 1
#: Numbers of the DNS management protocol; that a zone lies in Active Directory is told by DsIntegrated.
_ZONE_TYPES = {"primary": 1, "secondary": 2}
#: host_updates of a zone -> AllowUpdate: none, nonsecure and secure, secure only.
_ALLOW_UPDATE = {"none": 0, "any": 1, "owner": 2}
_EDIT_CODES = {
    "exists": codes.DNS_RECORD_ALREADY_EXISTS,
    "missing": codes.DNS_RECORD_DOES_NOT_EXIST,
    "alias": codes.DNS_NODE_IS_CNAME,
}


class _DnsProvider(BaseProvider):
    """What the classes share: the zones, and a service that must run."""

    @property
    def zones(self) -> dict[str, DnsServerZoneSpec]:
        """The server's zones by name.  Raises WmiError when the service does not run: it is asked by RPC."""
        server = self.machine.spec.dns_server
        if server is None or self.machine.services["dns"].state != "Running":
            raise WmiError(codes.RPC_UNAVAILABLE)
        return server.zones


class DnsServerProvider(_DnsProvider):
    """MicrosoftDNS_Server: the server itself, with a part of its settings and none of its methods."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class(NAMESPACE, "MicrosoftDNS_Server", _SERVER + _ELEMENT)

    def rows(self) -> Iterable[dict[str, Value]]:
        machine, zones = self.machine, self.zones
        major, minor = (int(part) for part in machine.kernel.split("."))
        return [
            {
                "Name": machine.fqdn,
                "AllowUpdate": 0,
                "BootMethod": 3,
                "DefaultAgingState": any(zone.aging for zone in zones.values()),
                "DefaultNoRefreshInterval": NO_REFRESH_HOURS,
                "DefaultRefreshInterval": NO_REFRESH_HOURS,
                "DsAvailable": machine.spec.domain_controller,
                "Forwarders": [],
                "IsSlave": False,
                "ListenAddresses": [machine.address],
                "NoRecursion": False,
                "RoundRobin": True,
                "ScavengingInterval": 0,
                "ServerAddresses": [machine.address],
                "Started": True,
                "StartMode": "Automatic",
                "Status": "OK",
                "SystemName": machine.name,
                "Version": machine.spec.build << 16 | minor << 8 | major,
            }
        ]


class DnsZoneProvider(_DnsProvider):
    """MicrosoftDNS_Zone: the zones; the lab simulates none of its methods, and they are not declared."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class(NAMESPACE, "MicrosoftDNS_Zone", _ZONE + _ELEMENT)

    def rows(self) -> Iterable[dict[str, Value]]:
        return [self._row(name, zone) for name, zone in sorted(self.zones.items())]

    def _row(self, name: str, zone: DnsServerZoneSpec) -> dict[str, Value]:
        integrated = self.machine.spec.domain_controller if zone.ds_integrated is None else zone.ds_integrated
        return {
            "ContainerName": name,
            "DnsServerName": self.machine.fqdn,
            "Name": name,
            "Aging": zone.aging,
            "AllowUpdate": _ALLOW_UPDATE[self.estate.zone_spec(name).host_updates],
            "AutoCreated": False,
            "DataFile": None if integrated else f"{name}.dns",
            "DisableWINSRecordReplication": False,
            "DsIntegrated": integrated,
            "LocalMasterServers": [],
            "MasterServers": [],
            "NoRefreshInterval": NO_REFRESH_HOURS,
            "Notify": 0,
            "NotifyServers": [],
            "Paused": False,
            "RefreshInterval": NO_REFRESH_HOURS,
            "Reverse": name.endswith(".arpa"),
            "ScavengeServers": [],
            "SecondaryServers": [],
            "SecureSecondaries": 0,
            "Shutdown": False,
            "UseNBStat": False,
            "UseWins": False,
            "ZoneType": _ZONE_TYPES[zone.type],
        }


class SrvRecordProvider(_DnsProvider):
    """MicrosoftDNS_SRVType: the SRV records of all zones, in the very store from which the lab answers queries."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class(NAMESPACE, "MicrosoftDNS_SRVType", _SRV + _ELEMENT, _SRV_METHODS)
        self._keys: tuple[Field, ...] = tuple(field for field in self.cim_class.fields if field.key)
        self.handlers = {
            "CreateInstanceFromPropertyData": lambda _keys, arguments: self._create(arguments),
            "Modify": self._modify,
        }

    # -- reading ---------------------------------------------------------------------------------------------------

    def rows(self) -> Iterable[dict[str, Value]]:
        return [
            self._row(zone, record) for zone in sorted(self.zones) for record in self.estate.dns.records(zone, "SRV")
        ]

    def _row(self, zone: str, record: Record) -> dict[str, Value]:
        priority, weight, port, target = record.data.split()
        owner = record.name.rstrip(".")
        return {
            "ContainerName": zone,
            "DnsServerName": self.machine.fqdn,
            "DomainName": zone if owner.lower() == zone else owner.partition(".")[2],
            "OwnerName": owner,
            "RecordClass": _IN,
            "RecordData": record.data,
            "Port": int(port),
            "Priority": int(priority),
            "SRVDomainName": target,
            "TextRepresentation": f"{owner} IN SRV {record.data}",
            "TimeStamp": record.timestamp or 0,
            "TTL": record.ttl,
            "Weight": int(weight),
        }

    def _reference(self, zone: str, record: Record) -> Reference:
        row = self._row(zone, record)
        return Reference(NAMESPACE, self.cim_class.name, {field.name: row[field.name] for field in self._keys})

    def _found(self, keys: Instance | None) -> tuple[str, Record]:
        """The zone and the record that a path names."""
        wanted = {field.name: text_key(keys, field.name) for field in self._keys}
        for zone in self.zones:
            for record in self.estate.dns.records(zone, "SRV"):
                row = self._row(zone, record)
                if all(str(row[name]).lower() == value for name, value in wanted.items()):
                    return zone, record
        raise WmiError(codes.WBEM_NOT_FOUND)

    # -- writing ---------------------------------------------------------------------------------------------------

    def _create(self, arguments: Instance) -> Instance:
        """CreateInstanceFromPropertyData: a static record; without TTL it gets that of the zone."""
        if any(arguments.get(name) is None for name in _NEEDED):
            raise WmiError(codes.WBEM_INVALID_METHOD_PARAMETERS)
        self._check_server(str(arguments["DnsServerName"]))
        zone = self._primary_zone(str(arguments["ContainerName"]))
        owner = _name(str(arguments["OwnerName"]))
        if not owner.is_subdomain(dns.name.from_text(zone)):
            raise WmiError(codes.DNS_NAME_NOT_IN_ZONE)
        if arguments.get("RecordClass") not in (None, _IN):
            raise WmiError(codes.DNS_RECORD_FORMAT)
        ttl = arguments.get("TTL")
        ttl = ttl if isinstance(ttl, int) else self.estate.zone_spec(zone).ttl
        return self._edit(zone, add=Record(owner.to_text(), "SRV", ttl, _data(arguments)))

    def _modify(self, keys: Instance | None, arguments: Instance) -> Instance:
        """Modify: what is not given stays; a record that was changed is static."""
        zone, old = self._found(keys)
        self._primary_zone(zone)
        given = {name: value for name, value in arguments.items() if value is not None}
        values = {**self._row(zone, old), **given}
        new = Record(old.name, "SRV", int(str(values["TTL"])), _data(values), 0)
        if (new.data, new.ttl) == (old.data, old.ttl):
            return {"RR": self._reference(zone, old)}
        return self._edit(zone, remove=old, add=new)

    def delete(self, keys: Instance) -> None:
        """Delete the record."""
        with self.estate.lock:
            zone, record = self._found(keys)
            self._primary_zone(zone)
            self._edit(zone, remove=record)

    def _edit(self, zone: str, *, remove: Record | None = None, add: Record | None = None) -> Instance:
        try:
            made = self.estate.dns.edit(zone, remove=remove, add=add)
        except EditProblem as problem:
            raise WmiError(_EDIT_CODES[problem.kind]) from None
        return {} if made is None else {"RR": self._reference(zone, made)}

    def _check_server(self, name: str) -> None:
        """The provider can manage other servers; there it meets nobody, as in life without delegation."""
        machine = self.machine
        known = {machine.fqdn.lower(), machine.name.lower(), machine.address, ".", "localhost", "127.0.0.1", "::1"}
        if name.rstrip(".").lower() not in known and name not in known:
            raise WmiError(codes.RPC_UNAVAILABLE)

    def _primary_zone(self, container: str) -> str:
        name = container.rstrip(".").lower()
        if name not in self.zones:
            raise WmiError(codes.DNS_ZONE_DOES_NOT_EXIST)
        if self.zones[name].type != "primary":
            raise WmiError(codes.DNS_INVALID_ZONE_OPERATION)
        return name


def _name(text: str) -> dns.name.Name:
    try:
        return dns.name.from_text(text)
    except dns.exception.DNSException:
        raise WmiError(codes.INVALID_NAME) from None


def _data(values: Instance) -> str:
    target = _name(str(values["SRVDomainName"]))
    return f"{values['Priority']} {values['Weight']} {values['Port']} {target.to_text()}"
