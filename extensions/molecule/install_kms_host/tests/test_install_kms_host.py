# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers have become KMS hosts."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import Query, ReadKey, Slmgr
from kmslab.control import Lab

SETTINGS = (
    "SELECT KeyManagementServiceListeningPort,KeyManagementServiceDnsPublishing,KeyManagementServiceLowPriority,"
    "VLActivationInterval,VLRenewalInterval FROM SoftwareLicensingService"
)
OFFICE = (
    "SELECT Name,LicenseStatus,PartialProductKey FROM SoftwareLicensingProduct "
    "WHERE ApplicationID='0ff1ce15-a989-479d-af46-f275c6370663' AND PartialProductKey IS NOT NULL"
)


@pytest.mark.parametrize(("host", "key"), [("kms1", "HK222"), ("kms2", "HK226")])
def test_the_key_is_installed_and_activated(windows_key: ReadKey, host: str, key: str) -> None:
    product = windows_key(host)
    assert (product["PartialProductKey"], product["LicenseStatus"]) == (key, "1")
    assert "VOLUME_KMS_" in str(product["Description"])


def test_every_activation_was_spent_once(lab: Lab) -> None:
    spent = {host: lab.machine(host)["counters"]["activations_spent"] for host in ("kms1", "kms2")}
    assert spent == {"kms1": 1, "kms2": 2}, "kms2 has a key for Office as well"


def test_settings_that_were_not_asked_for_are_those_of_windows(query: Query) -> None:
    [service] = query("kms1", SETTINGS)
    assert (service["VLActivationInterval"], service["VLRenewalInterval"]) == ("120", "10080")
    assert (service["KeyManagementServiceDnsPublishing"], service["KeyManagementServiceLowPriority"]) == (
        "true",
        "false",
    )


def test_settings_that_were_asked_for(query: Query, slmgr: Slmgr) -> None:
    [service] = query("kms2", SETTINGS)
    assert service == {
        "KeyManagementServiceListeningPort": "1690",
        "KeyManagementServiceDnsPublishing": "false",
        "KeyManagementServiceLowPriority": "true",
        "VLActivationInterval": "240",
        "VLRenewalInterval": "20160",
    }
    report = slmgr("kms2", "/dlv")
    assert "Key Management Service is enabled on this machine" in report
    assert "    Listening on Port: 1690" in report


def test_office(query: Query) -> None:
    [product] = query("kms2", OFFICE)
    assert (product["PartialProductKey"], product["LicenseStatus"]) == ("HF224", "1")
    assert query("kms1", OFFICE) == []


def test_the_firewall_lets_clients_in(lab: Lab) -> None:
    assert lab.machine("kms1")["firewall"]["SPPSVC-In-TCP"] is True
    assert lab.machine("kms2")["firewall"]["SPPSVC-In-TCP"] is False, "it was told to leave the firewall alone"
