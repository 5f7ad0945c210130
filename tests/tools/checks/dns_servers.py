# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `dns`: which of the real DNS servers can be had here, and the tests of those."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from . import apt
from .errors import StageError
from .runner import Job
from .tree import ROOT, VENV_BIN

_REQUIREMENTS = ROOT / "requirements" / "gssapi.txt"
# gssapi comes as source alone. It is compiled against the headers of the Python that the virtual environment is of.
_BUILD_PACKAGES = ("gcc", "libc6-dev", "libkrb5-dev", "python3-dev")


@dataclass(frozen=True)
class Needs:
    """packages: Debian's. gssapi: the Python library. root: no other user can run it."""

    packages: tuple[str, ...]
    gssapi: bool = False
    root: bool = False


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
    wanted = apt.missing(_packages())
    if wanted and apt.may_install():
        apt.install(job, wanted)
    gssapi = _has_gssapi() or _install_gssapi(job)
    left_out = _left_out(missing=apt.missing(_packages()), gssapi=gssapi)
    if left_out:
        reasons = "; ".join(f"{server} ({reason})" for server, reason in left_out.items())
        if os.environ.get("CI"):
            raise StageError(f"in CI, no DNS server may be left out: {reasons}")
        job.notes.append(f"left out: {reasons}")
    if len(left_out) == len(SERVERS):
        return
    # Two processes that share the servers, since most of the time goes into ansible-playbook and Samba's start.
    second = [server for server in SECOND_HALF if server not in left_out]
    without = [f"--without-server={server}" for server in SERVERS if server in left_out or server in second]
    only = [f"--only-server={server}" for server in second]
    runs = [without, only] if second else [without]
    job.run_all([functools.partial(job.pytest, *options, "tests/dns_servers") for options in runs])


def _packages() -> list[str]:
    needed = {package for needs in SERVERS.values() for package in needs.packages}
    return sorted(needed.union(() if _has_gssapi() else _BUILD_PACKAGES))


def _left_out(*, missing: Sequence[str], gssapi: bool) -> dict[str, str]:
    """Server -> what keeps it from being run here."""
    reasons: dict[str, str] = {}
    for server, needs in SERVERS.items():
        packages = [package for package in needs.packages if package in missing]
        if needs.root and os.geteuid() != 0:
            reasons[server] = "needs root"
        elif packages:
            reasons[server] = f"apt install {' '.join(packages)}, or run as root"
        elif needs.gssapi and not gssapi:
            reasons[server] = f"pip cannot build gssapi; apt install {' '.join(_BUILD_PACKAGES)}"
    return reasons


def _has_gssapi() -> bool:
    answer = subprocess.run([VENV_BIN / "python", "-c", "import gssapi"], check=False, capture_output=True)
    return answer.returncode == 0


def _install_gssapi(job: Job) -> bool:
    try:
        job.run(VENV_BIN / "python", "-m", "pip", "install", "-q", "--no-input", "-r", _REQUIREMENTS)
    except StageError:
        return False
    return True
