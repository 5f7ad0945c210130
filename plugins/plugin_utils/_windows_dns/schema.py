# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The classes of the DNS server's WMI provider (Dnsprov.mof), as Microsoft documents them."""

from __future__ import annotations

from .._cim.schema import CimClass

NAMESPACE = "root/MicrosoftDNS"

# TimeStamp: hours since 1601, 0 for a record that does not age. The keys are not documented, so that instances are
# only ever named by the references that the host itself gives.
SRV_CLASS = CimClass(
    namespace=NAMESPACE,
    name="MicrosoftDNS_SRVType",
    fields={
        "DnsServerName": "string",
        "ContainerName": "string",
        "DomainName": "string",
        "OwnerName": "string",
        "RecordClass": "uint16",
        "TTL": "uint32",
        "TimeStamp": "uint32",
        "RecordData": "string",
        "TextRepresentation": "string",
        "Priority": "uint16",
        "Weight": "uint16",
        "Port": "uint16",
        "SRVDomainName": "string",
    },
    methods={
        "CreateInstanceFromPropertyData": {
            "DnsServerName": "string",
            "ContainerName": "string",
            "OwnerName": "string",
            "RecordClass": "uint32",
            "TTL": "uint32",
            "Priority": "uint16",
            "Weight": "uint16",
            "Port": "uint16",
            "SRVDomainName": "string",
            "RR": "reference",
        },
        "Modify": {
            "TTL": "uint32",
            "Priority": "uint16",
            "Weight": "uint16",
            "Port": "uint16",
            "SRVDomainName": "string",
            "RR": "reference",
        },
    },
)

ZONE_CLASS = CimClass(
    namespace=NAMESPACE,
    name="MicrosoftDNS_Zone",
    fields={
        "DnsServerName": "string",
        "ContainerName": "string",
        "Name": "string",
        "ZoneType": "uint32",
        "MasterServers": "string[]",
    },
)

#: The Internet class, which is the default of the provider.
CLASS_IN = 1

#: Values of ZoneType in which no record can be changed, and what such a zone is called. (CreateZone counts otherwise.)
#: A zone that is primary, in a file or in Active Directory, is whatever is not among them: the descriptions disagree.
COPIES = {2: "a secondary zone", 3: "a stub zone", 4: "a conditional forwarder"}
