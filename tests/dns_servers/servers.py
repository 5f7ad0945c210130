# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS servers on loopback, each with the same zones and keys, started from scratch and stopped by process id.

    lab.test         the publisher may change the SRV records of _vlmcs._tcp in it, and nothing else
    closed.test      nobody may change anything
    alias.test       _vlmcs._tcp in it is an alias; the publisher may change SRV records there
    parent.test      delegates _tcp to elsewhere
    split.test       delegates _tcp to itself: _tcp.split.test is a zone of its own, which the publisher may change

The publisher is the TSIG key kms-key, or a Kerberos account; other-key and another account may nothing. Samba serves
lab.test alone. The servers are set up with the fragments and commands of the guide in docs/docsite/rst/dns_guide.rst.

To add a server: a subclass of DnsServer, and a line in SERVERS.
"""

from __future__ import annotations

from .base import KEYS, UPDATABLE, ZONES, Account, DnsServer, Kerberos, ProgramServer, owner_of
from .bind import Bind, BindWithKdc
from .embedded import Lab
from .knot import Knot
from .powerdns import PowerDns, PowerDnsWithPolicy
from .samba import Samba

SERVERS: dict[str, type[DnsServer]] = {
    server.name: server for server in (Bind, Knot, PowerDns, PowerDnsWithPolicy, BindWithKdc, Samba, Lab)
}

__all__ = [
    "KEYS",
    "SERVERS",
    "UPDATABLE",
    "ZONES",
    "Account",
    "Bind",
    "BindWithKdc",
    "DnsServer",
    "Kerberos",
    "Knot",
    "Lab",
    "PowerDns",
    "PowerDnsWithPolicy",
    "ProgramServer",
    "Samba",
    "owner_of",
]
