# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `programs`: tests against other real programs than DNS servers."""

from __future__ import annotations

import functools

from .needs import Needs, provide
from .runner import Job

# Folder below tests/ -> what it needs.
FOLDERS = {
    "directory": Needs(
        (
            "samba",
            "samba-ad-provision",
            "samba-dsdb-modules",
            "samba-vfs-modules",
            "winbind",
            "krb5-user",
            "ldb-tools",
            "ldap-utils",
        ),
        gssapi=True,
        root=True,
    ),
    "browser": Needs(("chromium", "chromium-driver")),
}


def programs(job: Job) -> None:
    """A directory server, a browser. Root gets what is missing; others go without, and in CI nobody does."""
    left_out = provide(job, FOLDERS)
    job.run_all([functools.partial(job.pytest, f"tests/{name}") for name in FOLDERS if name not in left_out])
