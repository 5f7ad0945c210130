# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `auth`: every way to log on, with the tickets of a real KDC."""

from __future__ import annotations

from .needs import Needs, provide
from .runner import Job

FOLDERS = {"authentication": Needs(("krb5-kdc", "krb5-admin-server", "krb5-user"), kerberos=True)}


def auth(job: Job) -> None:
    """Both connection plugins, all authentication methods. Root gets what is missing; in CI nobody goes without."""
    if not provide(job, FOLDERS):
        job.pytest("tests/authentication")
