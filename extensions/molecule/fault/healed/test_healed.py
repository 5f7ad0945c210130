# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same playbook has healed everything, and no activation of the KMS host key was spent for it."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import FindKmsHosts, ReadKey, Slmgr
from kmslab.control import Exchange, Lab


def test_the_firewall_is_open_again(lab: Lab) -> None:
    assert lab.machine("kms1")["firewall"]["SPPSVC-In-TCP"] is True


def test_the_record_is_back(kms_hosts_in_dns: FindKmsHosts) -> None:
    assert kms_hosts_in_dns("corp.example") == ["0 0 1688 kms1.corp.example."]


@pytest.mark.parametrize("client", ["pc1", "pc2"])
def test_clients_are_activated_by_the_host_in_dns(windows_key: ReadKey, slmgr: Slmgr, client: str) -> None:
    product = windows_key(client)
    assert (product["LicenseStatus"], product["KeyManagementServiceMachine"] or None) == ("1", None)
    assert "    KMS machine name from DNS: kms1.corp.example:1688" in slmgr(client, "/dli")


def test_the_host_was_not_activated_again(lab: Lab, recorded: list[Exchange]) -> None:
    assert lab.machine("kms1")["counters"]["activations_spent"] == 1
    written = [one["method"] for one in recorded if one["machine"] == "kms1" and one["kind"] == "write"]
    assert written == ["Enable"], "the firewall rule alone"
