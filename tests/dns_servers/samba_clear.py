# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes a name of a zone from the directory of a Samba domain controller, with its owner and rights.

Run by the system's Python, which has Samba's modules: samba_clear.py SMB.CONF ZONE NAME
"""

from __future__ import annotations

import sys

import ldb  # type: ignore[import-not-found]
from samba.auth import system_session  # type: ignore[import-not-found]
from samba.param import LoadParm  # type: ignore[import-not-found]
from samba.samdb import SamDB  # type: ignore[import-not-found]


def main(smb_conf: str, zone: str, name: str) -> None:
    """name: relative to the zone. It may be absent."""
    parameters = LoadParm()
    parameters.load(smb_conf)
    database = SamDB(session_info=system_session(), lp=parameters, url=parameters.private_path("sam.ldb"))
    top = f"DC={zone},CN=MicrosoftDNS,DC=DomainDnsZones,{database.domain_dn()}"
    for found in database.search(top, ldb.SCOPE_SUBTREE, f"(&(objectClass=dnsNode)(DC={name}))", ["dn"]):
        database.delete(found.dn)


main(*sys.argv[1:])
