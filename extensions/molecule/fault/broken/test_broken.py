# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was set up is broken, or else healing it would show nothing."""

from __future__ import annotations

from ansible_collections.winops.kms.extensions.molecule.conftest import FindKmsHosts, ReadKey
from kmslab.control import Lab


def test_it_is_broken(lab: Lab, kms_hosts_in_dns: FindKmsHosts, windows_key: ReadKey) -> None:
    assert lab.machine("kms1")["firewall"]["SPPSVC-In-TCP"] is False
    assert kms_hosts_in_dns("corp.example") == []
    assert windows_key("pc1")["LicenseStatus"] == "5"
