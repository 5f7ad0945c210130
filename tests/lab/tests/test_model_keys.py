# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing, activating and removing product keys."""

from __future__ import annotations

from typing import Any

import pytest
from labsupport.desk import (
    BLOCKED_HOST_KEY,
    HOST_KEY,
    MAK,
    OLD_HOST_KEY,
    RETAIL,
    USED_UP_HOST_KEY,
    USED_UP_MAK,
    Desk,
    client,
    estate_data,
    host,
)

from kmslab.cim import WmiError
from kmslab.model import Estate

GVLK_ENTERPRISE = "NPPR9-FWDCX-D2C8J-H872K-2YT43"
GVLK_PRO = "W269N-WFGWX-YVC9B-4J6C9-T83GX"
GVLK_2022 = "VDYBN-27WPP-V4HQT-9VMD4-VMK7H"
GVLK_WINDOWS_7 = "33PXH-7Y6KF-2VJC9-XBBR8-HVTHH"


def desk_of(*machines: dict[str, Any]) -> Desk:
    return Desk(Estate.from_data(estate_data(*machines)))


def machine(edition: str, build: int, **more: Any) -> dict[str, Any]:
    return {"name": "m", "edition": edition, "build": build, **more}


CLIENT, SERVER = ("Enterprise", 22631), ("ServerStandard", 20348)


@pytest.mark.parametrize(
    ("what", "key", "hresult"),
    [
        (CLIENT, GVLK_ENTERPRISE, 0),
        (CLIENT, GVLK_ENTERPRISE.lower(), 0),
        (CLIENT, GVLK_PRO, 0xC004F069),
        (CLIENT, GVLK_2022, 0xC004F069),
        (CLIENT, GVLK_WINDOWS_7, 0xC004F069),
        (CLIENT, HOST_KEY, 0xC004F069),
        (CLIENT, MAK, 0),
        (CLIENT, RETAIL, 0),
        (CLIENT, "N2222-22222-22222-22222-22222", 0xC004F050),
        (CLIENT, "not a key", 0xC004F050),
        (CLIENT, None, 0xC004F050),
        (SERVER, GVLK_2022, 0),
        (SERVER, HOST_KEY, 0),
        (SERVER, OLD_HOST_KEY, 0),
        (("ServerStandard", 26100), OLD_HOST_KEY, 0xC004F069),
        (("ServerStandard", 26100), HOST_KEY, 0),
        (("ServerStandard", 17763), HOST_KEY, 0),
        (("ServerStandard", 14393), HOST_KEY, 0xC004F069),
        (("ServerTurbine", 20348), HOST_KEY, 0xC004F069),
        (("Enterprise", 7601), GVLK_WINDOWS_7, 0),
        (("Enterprise", 7601), GVLK_ENTERPRISE, 0xC004F069),
    ],
)
def test_install(what: tuple[str, int], key: object, hresult: int) -> None:
    desk = desk_of(machine(*what))
    before = desk.keyed("m")["PartialProductKey"]
    if hresult:
        with pytest.raises(WmiError) as caught:
            desk.set("m", "InstallProductKey", ProductKey=key)
        assert caught.value.hresult == hresult
        assert str(key) not in str(caught.value)
        assert desk.keyed("m")["PartialProductKey"] == before
        assert desk.estate.describe("m")["counters"]["key_installs"] == 0
    else:
        desk.set("m", "InstallProductKey", ProductKey=key)
        assert desk.keyed("m")["PartialProductKey"] == str(key)[-5:].upper()
        assert desk.estate.describe("m")["counters"]["key_installs"] == 1


@pytest.mark.parametrize(
    ("key", "channel", "token"),
    [
        (GVLK_2022, "Volume:GVLK", "VOLUME_KMSCLIENT"),
        (HOST_KEY, "Volume:CSVLK", "VOLUME_KMS_WS25"),
        (OLD_HOST_KEY, "Volume:CSVLK", "VOLUME_KMS_WS22"),
        (MAK, "Volume:MAK", "VOLUME_MAK"),
        (RETAIL, "Retail", "RETAIL"),
    ],
)
def test_the_channel_chooses_the_licence(key: str, channel: str, token: str) -> None:
    desk = desk_of(machine(*SERVER))
    desk.set("m", "InstallProductKey", ProductKey=key)
    row = desk.keyed("m")
    assert row["ProductKeyChannel"] == channel
    assert row["Description"] == f"Windows(R) Operating System, {token} channel"
    assert row["Name"] == "Windows(R), ServerStandard edition"
    assert (row["LicenseStatus"], row["GracePeriodRemaining"]) == (2, 43200)
    others = [one for one in desk.rows("m", "SoftwareLicensingProduct") if one["ID"] != row["ID"]]
    assert len(others) > 5
    assert {(one["LicenseStatus"], one["PartialProductKey"], one["ProductKeyChannel"]) for one in others} == {
        (0, None, None)
    }


def test_a_new_key_resets_the_licence() -> None:
    desk = desk_of(machine(*CLIENT, key=MAK, licensed=True, grace_minutes_left=0))
    assert desk.keyed("m")["LicenseStatus"] == 1
    desk.set("m", "InstallProductKey", ProductKey=GVLK_ENTERPRISE)
    row = desk.keyed("m")
    assert (row["LicenseStatus"], row["LicenseStatusReason"], row["GracePeriodRemaining"]) == (5, 0xC004F009, 0)


def test_a_machine_without_a_key() -> None:
    desk = desk_of(machine(*CLIENT, media="none"))
    rows = desk.rows("m", "SoftwareLicensingProduct")
    assert {(row["LicenseStatus"], row["LicenseStatusReason"]) for row in rows} == {(0, 0xC004F014)}
    assert {row["PartialProductKey"] for row in rows} == {None}
    described = desk.estate.describe("m")
    assert (described["status"], described["channel"], described["partial_product_key"]) == ("unlicensed", None, None)
    with pytest.raises(WmiError) as caught:
        desk.provider("m", "SoftwareLicensingProduct").invoke({"ID": rows[0]["ID"]}, "Activate", {})
    assert caught.value.hresult == 0xC004F014


def test_uninstall() -> None:
    desk = desk_of(machine(*CLIENT))
    desk.set_product("m", "UninstallProductKey")
    assert desk.estate.describe("m")["status"] == "unlicensed"
    desk.set("m", "InstallProductKey", ProductKey=GVLK_ENTERPRISE)
    assert desk.estate.describe("m")["status"] == "oob_grace"


# -- activation with Microsoft ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "key", "changes", "expected"),
    [
        (SERVER, HOST_KEY, {}, "ok"),
        (SERVER, USED_UP_HOST_KEY, {}, "0xC004C008"),
        (SERVER, BLOCKED_HOST_KEY, {}, "0xC004C003"),
        (CLIENT, MAK, {}, "ok"),
        (CLIENT, USED_UP_MAK, {}, "0xC004C020"),
        (CLIENT, RETAIL, {}, "ok"),
        (CLIENT, MAK, {"internet": False}, "0x80072EE2"),
    ],
)
def test_activation_online(what: tuple[str, int], key: str, changes: dict[str, Any], expected: str) -> None:
    desk = desk_of(machine(*what, key=key, **changes))
    assert desk.activate("m") == expected
    row = desk.keyed("m")
    if expected == "ok":
        assert (row["LicenseStatus"], row["GracePeriodRemaining"]) == (1, 0), "permanent"
    else:
        assert (row["LicenseStatus"], row["LicenseStatusReason"]) == (2, int(expected, 16))
        assert desk.estate.describe("m")["counters"]["activations_spent"] == 0


def test_every_activation_spends_one_even_when_licensed() -> None:
    desk = desk_of(machine(*SERVER, key=HOST_KEY))
    assert [desk.activate("m") for _ignored in range(4)] == ["ok", "ok", "ok", "0xC004C008"]
    assert desk.estate.describe("m")["counters"]["activations_spent"] == 3
    assert desk.estate.describe("m")["status"] == "licensed", "a refusal takes nothing away"
    assert desk.estate.keys_spent()["HK222"] == {"m": 3}


def test_a_host_key_activates_six_hosts() -> None:
    names = [f"kms{n}" for n in range(7)]
    desk = desk_of(*(host(name, licensed=False) for name in names))
    assert [desk.activate(name) for name in names] == ["ok"] * 6 + ["0xC004C008"]


def test_a_mak_counts_over_all_machines() -> None:
    desk = desk_of(*(client(name, key=MAK) for name in "abc"))
    assert [desk.activate(name) for name in "abc"] == ["ok", "ok", "0xC004C020"]


@pytest.mark.parametrize(
    ("confirmation", "hresult"),
    [("1" * 48, 0), ("-".join(["123456"] * 8), 0), ("1" * 47, 0xC004F02C), ("x" * 48, 0xC004F02C)],
)
def test_confirmation_id(confirmation: str, hresult: int) -> None:
    desk = desk_of(machine(*SERVER, key=HOST_KEY, internet=False))
    installation = desk.keyed("m")["OfflineInstallationId"]
    assert isinstance(installation, str) and len(installation) == 63
    if hresult:
        with pytest.raises(WmiError) as caught:
            desk.set_product(
                "m", "DepositOfflineConfirmationId", InstallationId=installation, ConfirmationId=confirmation
            )
        assert caught.value.hresult == hresult
    else:
        desk.set_product("m", "DepositOfflineConfirmationId", InstallationId=installation, ConfirmationId=confirmation)
    assert desk.keyed("m")["LicenseStatus"] == (2 if hresult else 1)


def test_no_key_in_any_description() -> None:
    desk = desk_of(host(), client("a", key=MAK), client("b", firmware_key="N7777-77777-77777-77777-FW777"))
    for name in desk.estate.names():
        text = repr(desk.estate.describe(name)) + repr(desk.estate.machines[name].products) + repr(desk.estate.spec)
        assert not any(key[:-6] in text for key in (HOST_KEY, MAK, GVLK_ENTERPRISE, "N7777-77777-77777-77777-FW777"))
