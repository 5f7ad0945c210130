# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that are activated, each by the way it was told."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import Query, ReadKey, Slmgr
from kmslab.control import Lab

#: Client -> last five characters of the public client setup key of its edition.
CLIENTS = {"pc1": "2YT43", "pc2": "T83GX", "pc3": "2YT43", "pc4": "VCFB2"}
OFFICE = (
    "SELECT Name,LicenseStatus,PartialProductKey FROM SoftwareLicensingProduct "
    "WHERE ApplicationID='0ff1ce15-a989-479d-af46-f275c6370663' AND PartialProductKey IS NOT NULL"
)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_client_is_activated(windows_key: ReadKey, client: str) -> None:
    product = windows_key(client)
    assert (product["PartialProductKey"], product["LicenseStatus"]) == (CLIENTS[client], "1")


def test_they_were_asked_again_when_there_were_enough_of_them(lab: Lab) -> None:
    attempts = [lab.machine(client)["counters"]["activation_attempts"] for client in CLIENTS]
    assert sum(attempts) > len(CLIENTS) + 1, "one is for Office"
    assert lab.machine("kms1")["host"]["current_count"] == 26


@pytest.mark.parametrize("client", ["pc1", "pc3", "pc4"])
def test_clients_look_in_dns(windows_key: ReadKey, client: str) -> None:
    product = windows_key(client)
    assert not product["KeyManagementServiceMachine"]
    assert product["DiscoveredKeyManagementServiceMachineName"] == "kms1.corp.example"


def test_a_client_with_a_server_of_its_own(slmgr: Slmgr) -> None:
    report = slmgr("pc2", "/dlv")
    assert "    Registered KMS machine name: kms1.corp.example:1688" in report
    assert "    KMS host caching is disabled" in report


def test_office(query: Query) -> None:
    [product] = query("pc3", OFFICE)
    assert (product["PartialProductKey"], product["LicenseStatus"]) == ("6F7TH", "1")


def test_the_machine_with_a_mak_was_left_alone(lab: Lab, slmgr: Slmgr) -> None:
    assert set(lab.machine("travel")["counters"].values()) == {0}
    assert slmgr("travel", "/xpr") == ["Windows(R), Enterprise edition:", "    The machine is permanently activated."]
