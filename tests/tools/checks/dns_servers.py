# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `dns`: which of the real DNS servers can be had here, and the tests of those."""

from __future__ import annotations

import functools

from .needs import Needs, provide
from .runner import Job

_BIND = ("bind9", "bind9-dnsutils", "bind9-utils")
_TOOLS = ("bind9-dnsutils",)
_POWERDNS = ("pdns-server", "pdns-backend-sqlite3", *_TOOLS)
_SAMBA = ("samba", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "winbind", "krb5-user", *_TOOLS)

# Server, as the option --without-server of the tests calls it -> what it needs.
SERVERS = {
    "bind": Needs(_BIND),
    "knot": Needs(("knot", *_TOOLS)),
    "powerdns": Needs(_POWERDNS),
    "powerdns-policy": Needs(_POWERDNS),
    "bind-gss": Needs((*_BIND, "krb5-kdc", "krb5-admin-server", "krb5-user"), gssapi=True),
    "samba": Needs(_SAMBA, gssapi=True, root=True),
    "lab": Needs(_TOOLS),
}
# Tests of these take about as long as those of all others.
SECOND_HALF = ("samba", "bind-gss")


def dns(job: Job) -> None:
    """srv_record against real DNS servers. Root gets what is missing; others go without, and in CI nobody does."""
    left_out = provide(job, SERVERS)
    if len(left_out) == len(SERVERS):
        return
    # Two processes that share the servers, since most of the time goes into ansible-playbook and Samba's start.
    second = [server for server in SECOND_HALF if server not in left_out]
    without = [f"--without-server={server}" for server in SERVERS if server in left_out or server in second]
    only = [f"--only-server={server}" for server in second]
    runs = [without, only] if second else [without]
    job.run_all([functools.partial(job.pytest, *options, "tests/dns_servers") for options in runs])
