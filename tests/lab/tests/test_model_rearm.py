# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rearming: the count goes down at once, everything else changes when the machine restarts."""

from __future__ import annotations

from typing import Any

import pytest
from labsupport.desk import Desk, client, estate_data, host

from kmslab.cim import WmiError
from kmslab.model import Estate

WINDOWS = "55C92734-D682-4D71-983E-D6EC3F16059F"


def desk_of(*machines: dict[str, Any]) -> Desk:
    return Desk(Estate.from_data(estate_data(*machines)))


def refusal(desk: Desk, method: str, **arguments: Any) -> int:
    with pytest.raises(WmiError) as caught:
        desk.set("pc", method, **arguments)
    return caught.value.hresult


def test_windows_is_as_new_after_the_restart_and_not_before() -> None:
    desk = desk_of(client(rearms=2, licensed=True))
    before = desk.service("pc")["ClientMachineID"]
    desk.set("pc", "ReArmWindows")
    assert desk.service("pc")["RemainingWindowsReArmCount"] == 1
    assert desk.service("pc")["ClientMachineID"] == before
    assert desk.keyed("pc")["LicenseStatus"] == 1
    assert desk.estate.describe("pc")["rearm_waiting"] == ["windows"]
    for method, arguments in (("ReArmWindows", {}), ("ReArmApp", {"ApplicationId": WINDOWS})):
        assert refusal(desk, method, **arguments) == 0xC004D302
    desk.estate.patch("pc", {"restart": True})
    assert desk.service("pc")["ClientMachineID"] != before
    assert (desk.keyed("pc")["LicenseStatus"], desk.keyed("pc")["GracePeriodRemaining"]) == (2, 43200)
    assert desk.estate.describe("pc")["rearm_waiting"] == []
    desk.set("pc", "ReArmWindows")
    desk.estate.patch("pc", {"restart": True})
    assert refusal(desk, "ReArmWindows") == 0xC004D307
    assert desk.service("pc")["RemainingWindowsReArmCount"] == 0


def test_application_and_product_have_counts_of_their_own() -> None:
    desk = desk_of(client(app_rearms=5, grace_minutes_left=0))
    cmid = desk.service("pc")["ClientMachineID"]
    desk.set("pc", "ReArmApp", ApplicationId=WINDOWS)
    desk.set_product("pc", "ReArmSku")
    row = desk.keyed("pc")
    assert (row["RemainingAppReArmCount"], row["RemainingSkuReArmCount"], row["LicenseStatus"]) == (4, 1000, 5)
    assert refusal(desk, "ReArmApp", ApplicationId=WINDOWS) == 0xC004D302
    assert refusal(desk, "ReArmApp", ApplicationId="84a1c3d2-0000-4000-8000-000000000001") == 0x80070057
    desk.estate.patch("pc", {"restart": True})
    assert desk.keyed("pc")["LicenseStatus"] == 2
    assert desk.service("pc")["ClientMachineID"] == cmid


def test_skip_rearm_does_nothing_and_says_nothing() -> None:
    desk = desk_of(client())
    desk.estate.patch("pc", {"registry": {"SkipRearm": 1}})
    desk.set("pc", "ReArmWindows")
    desk.set_product("pc", "ReArmSku")
    described = desk.estate.describe("pc")
    assert (described["rearms"], described["rearm_waiting"]) == (3, [])


def test_products_may_hide_until_the_restart() -> None:
    desk = desk_of(client(rearm_hides_products=True))
    desk.set("pc", "ReArmWindows")
    with pytest.raises(WmiError) as caught:
        desk.keyed("pc")
    assert caught.value.hresult == 0xC004D302
    assert desk.service("pc")["RemainingWindowsReArmCount"] == 2
    desk.estate.patch("pc", {"restart": True})
    assert desk.keyed("pc")["LicenseStatus"] == 2


def test_a_restart_is_seen_and_starts_the_service_that_ran() -> None:
    desk = desk_of(host())
    (before,) = desk.rows("kms1", "Win32_OperatingSystem")
    desk.estate.advance(10)
    desk.estate.patch("kms1", {"restart": True})
    (after,) = desk.rows("kms1", "Win32_OperatingSystem")
    assert after["LastBootUpTime"] == after["LocalDateTime"] != before["LastBootUpTime"]
    assert desk.estate.describe("kms1")["sppsvc"] == {"state": "Running", "start_mode": "Auto", "restarts": 1}
    assert desk.estate.describe("kms1")["host"]["is_kms_host"]
