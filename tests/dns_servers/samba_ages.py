# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the time stamps of a name's SRV records in the directory of a Samba domain controller, one a line, sorted.

They count hours, and 0 is that of a record which never ages. With a fourth argument, all are set to it before, and the
zone is made one whose records age.

Run by the system's Python, which has Samba's modules: samba_ages.py SMB.CONF ZONE NAME [TIME STAMP]
"""

from __future__ import annotations

import sys

import ldb  # type: ignore[import-not-found]
from samba.auth import system_session  # type: ignore[import-not-found]
from samba.dcerpc import dnsp  # type: ignore[import-not-found]
from samba.ndr import ndr_pack, ndr_unpack  # type: ignore[import-not-found]
from samba.param import LoadParm  # type: ignore[import-not-found]
from samba.samdb import SamDB  # type: ignore[import-not-found]


def main(smb_conf: str, zone: str, name: str, stamp: str = "") -> None:
    """name: relative to the zone."""
    parameters = LoadParm()
    parameters.load(smb_conf)
    database = SamDB(session_info=system_session(), lp=parameters, url=parameters.private_path("sam.ldb"))
    top = f"DC={zone},CN=MicrosoftDNS,DC=DomainDnsZones,{database.domain_dn()}"
    (found,) = database.search(top, ldb.SCOPE_SUBTREE, f"(&(objectClass=dnsNode)(DC={name}))", ["dnsRecord"])
    records = [ndr_unpack(dnsp.DnssrvRpcRecord, value) for value in found["dnsRecord"]]
    records = [record for record in records if record.wType == dnsp.DNS_TYPE_SRV]
    if stamp:
        let_records_age(database, ldb.Dn(database, top))
        for record in records:
            record.dwTimeStamp = int(stamp)
        message = ldb.Message(found.dn)
        values = [ndr_pack(record) for record in records]
        message["dnsRecord"] = ldb.MessageElement(values, ldb.FLAG_MOD_REPLACE, "dnsRecord")
        database.modify(message)
    for line in sorted(str(record.dwTimeStamp) for record in records):
        print(line)


def let_records_age(database: SamDB, zone: ldb.Dn) -> None:
    """What `samba-tool dns zoneoptions --aging=1` does on a server that has all its services running."""
    (found,) = database.search(zone, ldb.SCOPE_BASE, attrs=["dNSProperty"])
    properties = [ndr_unpack(dnsp.DnsProperty, value) for value in found["dNSProperty"]]
    for each in properties:
        if each.id == dnsp.DSPROPERTY_ZONE_AGING_STATE:
            each.data = 1
    message = ldb.Message(zone)
    values = [ndr_pack(each) for each in properties]
    message["dNSProperty"] = ldb.MessageElement(values, ldb.FLAG_MOD_REPLACE, "dNSProperty")
    database.modify(message)


main(*sys.argv[1:])
