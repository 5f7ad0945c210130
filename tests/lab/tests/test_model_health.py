# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a preflight looks at: clocks and time zones, updates, TPM, services, evaluation and Azure editions."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from labsupport.desk import HOST_KEY, Desk, client, estate_data, host, srv

from kmslab.cim import WmiError
from kmslab.model import Estate
from kmslab.model.spec import EstateError

UTC = datetime.timezone.utc
WINDOWS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
TPM = "root/cimv2/Security/MicrosoftTpm"


def desk_of(*machines: dict[str, Any], **more: Any) -> Desk:
    return Desk(Estate.from_data(estate_data(*machines, **more)))


def system(desk: Desk, machine: str = "pc") -> Any:
    (row,) = desk.rows(machine, "Win32_OperatingSystem")
    return row


# -- clock -------------------------------------------------------------------------------------------------------------


def test_a_machine_tells_the_time_of_its_own_clock_with_its_own_zone() -> None:
    desk = desk_of(client(clock_offset_minutes=300, time_zone=-210), clock="2026-03-02T08:00:00Z")
    local = system(desk)["LocalDateTime"]
    assert local == datetime.datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
    assert local.isoformat() == "2026-03-02T09:30:00-03:30"
    assert system(desk)["CurrentTimeZone"] == -210
    (utc,) = desk.rows("pc", "Win32_UTCTime")
    assert (utc["Year"], utc["Month"], utc["Day"], utc["Hour"], utc["Minute"]) == (2026, 3, 2, 13, 0)
    assert (utc["DayOfWeek"], utc["Quarter"]) == (1, 1), "a Monday"
    (zone,) = desk.rows("pc", "Win32_TimeZone")
    assert (zone["Bias"], zone["Caption"]) == (-210, "(UTC-03:30) Lab")


def test_the_clock_can_be_the_real_one_and_still_be_moved() -> None:
    desk = desk_of(client(), clock="now")
    assert abs(desk.estate.now() - datetime.datetime.now(UTC)) < datetime.timedelta(minutes=1)
    desk.estate.advance(1440)
    ahead = desk.estate.now() - datetime.datetime.now(UTC)
    assert abs(ahead - datetime.timedelta(days=1)) < datetime.timedelta(minutes=1)


# -- updates -----------------------------------------------------------------------------------------------------------


def updates(desk: Desk, machine: str) -> list[Any]:
    return [row["HotFixID"] for row in desk.rows(machine, "Win32_QuickFixEngineering")]


def test_a_patched_host_lists_what_its_release_needs_and_one_that_is_not_lists_nothing() -> None:
    old = {"edition": "ServerStandard", "build": 9600}
    desk = desk_of({"name": "with", **old}, {"name": "without", "patched": False, **old})
    assert updates(desk, "with") == ["KB4467695"]
    assert updates(desk, "without") == []


def test_an_unpatched_windows_10_has_a_low_revision_in_the_registry() -> None:
    desk = desk_of(host("with"), host("without", patched=False), host("named", patched=False, revision=700))
    revisions = {
        name: desk.registry(name, "GetDWORDValue", WINDOWS, sValueName="UBR")["uValue"]
        for name in ("with", "without", "named")
    }
    assert revisions == {"with": 2849, "without": 1, "named": 700}


@pytest.mark.parametrize(("listed", "outcome"), [(["KB5034765"], "0xC004F038"), (["KB1"], "0xC004F042")])
def test_a_listed_update_is_what_an_unpatched_host_has(listed: list[str], outcome: str) -> None:
    newer = client("new", edition="ServerStandard", build=26100, kms_server="kms1.corp.example")
    desk = desk_of(host(patched=False, updates=listed), newer)
    desk.estate.start()
    try:
        assert desk.activate("new") == outcome
    finally:
        desk.estate.stop()


# -- TPM ---------------------------------------------------------------------------------------------------------------


def test_only_a_machine_with_a_tpm_has_an_instance_of_it() -> None:
    desk = desk_of(client("with", tpm={"enabled": False}), client("without"))
    (tpm,) = desk.rows("with", "Win32_Tpm", TPM)
    assert (tpm["IsEnabled_InitialValue"], tpm["IsActivated_InitialValue"]) == (False, True)
    assert tpm["SpecVersion"] == "2.0, 0, 1.38"
    assert desk.rows("without", "Win32_Tpm", TPM) == []


def test_windows_7_has_no_tpm_class_here() -> None:
    desk = desk_of(client(build=7601))
    with pytest.raises(KeyError):
        desk.provider("pc", "Win32_Tpm", TPM)


def test_a_field_that_a_tpm_does_not_have_is_an_error() -> None:
    with pytest.raises(EstateError, match="pc: tpm: unknown field speed"):
        desk_of(client(tpm={"speed": 1}))


# -- services ----------------------------------------------------------------------------------------------------------


def test_start_modes_come_from_the_estate_and_can_be_changed() -> None:
    desk = desk_of(client(services={"W32Time": {"start_mode": "Disabled", "state": "Stopped"}}))
    modes = {row["Name"]: (row["StartMode"], row["State"]) for row in desk.rows("pc", "Win32_Service")}
    assert modes["W32Time"] == ("Disabled", "Stopped")
    assert modes["sppsvc"][0] == "Auto"
    desk.estate.patch("pc", {"services": {"W32Time": {"start_mode": "Manual"}}})
    modes = {row["Name"]: (row["StartMode"], row["State"]) for row in desk.rows("pc", "Win32_Service")}
    assert modes["W32Time"] == ("Manual", "Stopped")


@pytest.mark.parametrize("services", [{"Nonsense": {}}, {"sppsvc": {"start_mode": "Sometimes"}}])
def test_a_service_that_cannot_be_is_an_error(services: dict[str, Any]) -> None:
    with pytest.raises(EstateError, match=r"pc: services: .*(Nonsense|Sometimes)"):
        desk_of(client(services=services))


# -- editions ----------------------------------------------------------------------------------------------------------


def test_an_evaluation_edition_runs_180_days_and_takes_no_volume_key() -> None:
    desk = desk_of({"name": "trial", "edition": "ServerStandardEval", "build": 20348})
    row = desk.keyed("trial")
    assert row["Name"] == "Windows(R), ServerStandardEval edition"
    assert (row["ProductKeyChannel"], row["LicenseStatus"]) == ("Retail:TB:Eval", 1)
    assert row["GracePeriodRemaining"] == 180 * 1440
    assert row["EvaluationEndDate"] == desk.estate.now() + datetime.timedelta(days=180)
    for key in (HOST_KEY, "VDYBN-27WPP-V4HQT-9VMD4-VMK7H", "N4444-44444-44444-44444-RT444"):
        with pytest.raises(WmiError) as caught:
            desk.set("trial", "InstallProductKey", ProductKey=key)
        assert caught.value.hresult == 0xC004F069
    desk.estate.advance(181 * 1440)
    assert desk.keyed("trial")["LicenseStatus"] == 5


def test_azure_edition_takes_a_client_key_and_no_host_key() -> None:
    desk = desk_of({"name": "azure", "edition": "ServerTurbine", "build": 20348})
    assert desk.keyed("azure")["ProductKeyChannel"] == "Volume:GVLK"
    assert system(desk, "azure")["OperatingSystemSKU"] == 407
    with pytest.raises(WmiError) as caught:
        desk.set("azure", "InstallProductKey", ProductKey=HOST_KEY)
    assert caught.value.hresult == 0xC004F069


def test_a_machine_may_be_activated_through_active_directory() -> None:
    desk = desk_of(host(), client(ad_object="Volume activation"), zones=[{"name": "corp.example", "records": [srv()]}])
    row = desk.keyed("pc")
    assert (row["ADActivationObjectName"], row["VLActivationType"], row["LicenseStatus"]) == ("Volume activation", 1, 1)
    assert desk.keyed("kms1")["ADActivationObjectName"] is None
