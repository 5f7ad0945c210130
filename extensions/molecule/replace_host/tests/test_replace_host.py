# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One KMS host has taken the place of another."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import FindKmsHosts, Query, ReadKey, Slmgr
from kmslab.control import Lab


def test_clients_find_the_new_host_alone(kms_hosts_in_dns: FindKmsHosts) -> None:
    assert kms_hosts_in_dns("corp.example") == ["0 0 1688 new1.corp.example."]


def test_the_new_host_is_activated(windows_key: ReadKey, lab: Lab) -> None:
    product = windows_key("new1")
    assert (product["PartialProductKey"], product["LicenseStatus"]) == ("HK222", "1")
    assert lab.machine("new1")["counters"]["activations_spent"] == 1


def test_the_old_host_is_one_no_more(lab: Lab, slmgr: Slmgr) -> None:
    assert lab.machine("old1")["host"]["is_kms_host"] is False
    assert lab.machine("old1")["firewall"]["SPPSVC-In-TCP"] is False
    assert not [line for line in slmgr("old1", "/dlv") if "HK222" in line or "is enabled on this machine" in line]


@pytest.mark.parametrize(("client", "server"), [("pc1", None), ("pc2", "new1.corp.example")])
def test_a_client_that_had_the_old_host_fixed_has_the_new_one(query: Query, client: str, server: str | None) -> None:
    [service] = query(client, "SELECT KeyManagementServiceMachine FROM SoftwareLicensingService")
    assert (service["KeyManagementServiceMachine"] or None) == server


@pytest.mark.parametrize("client", ["pc1", "pc2"])
def test_clients_renew_their_activation_at_the_new_host(lab: Lab, windows_key: ReadKey, client: str) -> None:
    lab.advance(days=8)
    assert windows_key(client)["LicenseStatus"] == "1"
    assert lab.machine(client)["kms_host"] == "new1"
