# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate that goes from unlicensed to activated."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import FindKmsHosts, ReadKey, Slmgr
from kmslab.control import Exchange, Lab

#: Client -> last five characters of the public client setup key of its edition.
CLIENTS = {"pc1": "2YT43", "pc2": "T83GX", "srv1": "YP6DF"}


def test_the_host_is_an_activated_kms_host(windows_key: ReadKey, slmgr: Slmgr) -> None:
    product = windows_key("kms1")
    assert (product["PartialProductKey"], product["LicenseStatus"]) == ("HK222", "1")
    assert str(product["Description"]).endswith("VOLUME_KMS_WS25 channel")
    report = slmgr("kms1", "/dlv")
    assert "Key Management Service is enabled on this machine" in report
    assert "    Total requests received: 3" in report


def test_its_key_was_activated_once(lab: Lab) -> None:
    assert lab.machine("kms1")["counters"]["activations_spent"] == 1


def test_clients_find_it_in_dns(kms_hosts_in_dns: FindKmsHosts) -> None:
    assert kms_hosts_in_dns("corp.example") == ["0 0 1688 kms1.corp.example."]


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_are_activated_by_it(windows_key: ReadKey, client: str) -> None:
    product = windows_key(client)
    assert (product["PartialProductKey"], product["LicenseStatus"]) == (CLIENTS[client], "1")
    assert product["DiscoveredKeyManagementServiceMachineName"] == "kms1.corp.example"


def test_the_machine_with_a_mak_was_left_alone(lab: Lab) -> None:
    travel = lab.machine("travel")
    assert (travel["partial_product_key"], travel["status"]) == ("MK333", "licensed")
    assert set(travel["counters"].values()) == {0}


def test_no_shell_was_opened(recorded: list[Exchange]) -> None:
    assert {one["kind"] for one in recorded} <= {"read", "write"}


@pytest.mark.parametrize(("client", "line"), [("pc1", "License Status: Licensed"), ("pc2", "Lizenzstatus: Lizenziert")])
def test_clients_say_so_in_their_language(slmgr: Slmgr, client: str, line: str) -> None:
    assert line in slmgr(client, "/dli")
