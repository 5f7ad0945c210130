# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes names of zones from the directory of a Samba domain controller, with their owners and rights.

Run by the system's Python, which has Samba's modules: samba_clear.py SMB.CONF. For each line `ZONE NAME` of its input,
with the name relative to the zone, it prints a line once the name is gone. The name may be absent.
"""

from __future__ import annotations

import sys

import ldb  # type: ignore[import-not-found]
from samba.auth import system_session  # type: ignore[import-not-found]
from samba.param import LoadParm  # type: ignore[import-not-found]
from samba.samdb import SamDB  # type: ignore[import-not-found]


def main(smb_conf: str) -> None:
    parameters = LoadParm()
    parameters.load(smb_conf)
    database = SamDB(session_info=system_session(), lp=parameters, url=parameters.private_path("sam.ldb"))
    for line in sys.stdin:
        zone, name = line.split()
        top = f"DC={zone},CN=MicrosoftDNS,DC=DomainDnsZones,{database.domain_dn()}"
        for found in database.search(top, ldb.SCOPE_SUBTREE, f"(&(objectClass=dnsNode)(DC={name}))", ["dn"]):
            database.delete(found.dn)
        print("gone", flush=True)


main(*sys.argv[1:])
