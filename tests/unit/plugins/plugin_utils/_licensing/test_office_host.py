# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import AmbiguousProduct, LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.host import HostWish
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.info import read_license_info
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.office_host import (
    configure_office_host,
    the_host_licence,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import Scope

from .fake_windows import CSVLK, HOST_ID, FakeWindows, dropped, keyed_host, refused
from .test_office import KEYS, PRO_PLUS, SEVEN, licence

KEY_2021 = "BBBBB-BBBBB-BBBBB-BBBBB-HHJJJ"  # invented
KEY_2024 = "BBBBB-BBBBB-BBBBB-BBBBB-HHKKK"  # invented
HOST_2021, HOST_2024 = "Office21KMSHost2021VL_KMS_Host", "Office24KMSHost2024VL_KMS_Host"


def packs(*keys: str, version: str = "10.0.20348.2227", **more: Any) -> FakeWindows:
    """A Windows KMS host with two Volume License Packs; `keys` are installed and activated."""
    licences = [
        licence(family.removesuffix("_KMS_Host"), key if key in keys else None, channel="csvlk", **more)
        for family, key in ((HOST_2021, KEY_2021), (HOST_2024, KEY_2024))
    ]
    for item in licences:
        item.update({"LicenseStatus": 1, "IsKeyManagementServiceMachine": 1} if item["PartialProductKey"] else {})
    windows = FakeWindows(keyed_host(), licence(PRO_PLUS, KEYS[PRO_PLUS]), *licences, version=version)
    windows.known_keys.update({KEY_2021: (HOST_2021, "Volume:CSVLK"), KEY_2024: (HOST_2024, "Volume:CSVLK")})
    return windows


def host(
    windows: FakeWindows, *, check: bool = False, activation_id: str | None = None, key: str | None = None, **wish: Any
) -> Outcome:
    wanted = HostWish(key=ProductKey.parse(key) if key else None, **wish)
    applier = windows.applier("office", activation_id, with_firewall=wish.get("firewall") is not None)
    return configure_office_host(applier, wanted, check=check)


def sent(windows: FakeWindows) -> list[tuple[str, str]]:
    assert windows.find(HOST_ID) == keyed_host(), "the host key of Windows stays"
    found = [(call.target, call.method) for call in windows.calls if call.method != "RefreshLicenseStatus"]
    windows.calls.clear()
    return found


RESTART = [("sppsvc", "StopService"), ("sppsvc", "StartService")]


def test_a_host_key_for_office_goes_beside_that_of_windows_and_is_activated_once() -> None:
    windows = packs(KEY_2021)
    outcome = host(windows, key=KEY_2024, activate=True)
    assert outcome.error is None
    assert sent(windows) == [("service", "InstallProductKey"), (HOST_2024, "Activate"), *RESTART]
    assert windows.find(HOST_2021)["PartialProductKey"] == KEY_2021[-5:]
    found = the_host_licence(outcome.after, ProductKey(KEY_2024))
    assert found is not None and found.activation_id == HOST_2024
    windows.queries.clear()
    assert not host(windows, key=KEY_2024, activate=True).changed
    assert sent(windows) == []
    assert len(windows.queries) == 2


def test_without_the_volume_license_pack_the_key_is_not_sent() -> None:
    for version, remedy in (("10.0.20348.2227", "Volume License Pack"), (SEVEN, "ospp.vbs")):
        windows = FakeWindows(keyed_host(), licence(PRO_PLUS, KEYS[PRO_PLUS]), version=version)
        for check in (True, False):
            with pytest.raises(LicensingError, match="no KMS host licence of Office") as caught:
                host(windows, key=KEY_2021, check=check)
            assert remedy in caught.value.info.remedy
        assert sent(windows) == []


def test_a_key_of_windows_given_for_office_is_told() -> None:
    windows = packs()
    windows.find(HOST_ID)["PartialProductKey"] = None
    outcome = host(windows, key=CSVLK, activate=True)
    assert outcome.error is not None and "no Office product has it" in str(outcome.error)
    assert "Activate" not in windows.methods


def test_a_key_that_is_no_host_key_is_told() -> None:
    windows = packs()
    windows.known_keys[KEY_2021] = (HOST_2021, "Volume:MAK")
    outcome = host(windows, key=KEY_2021)
    assert outcome.error is not None and "Volume:MAK, not csvlk" in str(outcome.error)


def test_a_lost_answer_never_activates_twice() -> None:
    windows = packs(KEY_2021)
    windows.fail("Activate", dropped, done=True)
    assert host(windows, key=KEY_2024, activate=True).error is None
    assert sent(windows).count((HOST_2024, "Activate")) == 1
    windows = packs(KEY_2021)
    windows.fail("Activate", dropped)
    outcome = host(windows, key=KEY_2024, activate=True)
    assert outcome.error is not None and "not sent a second time" in str(outcome.error)
    assert sent(windows).count((HOST_2024, "Activate")) == 1


def test_one_of_several_host_keys_has_to_be_named() -> None:
    windows = packs(KEY_2021, KEY_2024)
    wishes: tuple[dict[str, Any], ...] = ({"activate": True}, {"present": False})
    for wish in wishes:
        with pytest.raises(AmbiguousProduct) as caught:
            host(windows, **wish)
        assert set(caught.value.candidates) == {HOST_2021, HOST_2024}
    assert host(windows, activation_id=HOST_2021, present=False).changed
    assert sent(windows) == [(HOST_2021, "UninstallProductKey"), *RESTART]
    assert not host(windows, activation_id=HOST_2021, present=False).changed


def test_removing_leaves_windows_its_settings_and_the_other_keys() -> None:
    windows = packs(KEY_2021)
    windows.service["KeyManagementServiceListeningPort"] = 1699
    windows.publish_list = ["corp.example"]
    outcome = host(windows, present=False)
    assert [change.setting for change in outcome.changes] == ["product_key"]
    assert sent(windows) == [(HOST_2021, "UninstallProductKey"), *RESTART]
    assert windows.publish_list == ["corp.example"]
    assert not host(windows, present=False).changed
    assert sent(windows) == []


def test_settings_of_the_machine_are_changed_when_asked_for() -> None:
    windows = packs(KEY_2021)
    assert [change.setting for change in host(windows, port=1699, firewall=True).changes] == ["port", "firewall"]
    none = FakeWindows()
    wishes: tuple[dict[str, Any], ...] = ({"activate": True}, {"port": 1699})
    for wish in wishes:
        with pytest.raises(LicensingError, match="no KMS host key"):
            host(none, **wish)
        assert host(none, check=True, **wish).warnings
    assert none.calls == []


def test_a_refused_activation_is_told_with_its_reason() -> None:
    windows = packs()
    windows.fail("Activate", refused(0xC004C008))
    outcome = host(windows, key=KEY_2021, activate=True)
    assert outcome.error is not None and outcome.error.info.code == "0xC004C008"
    assert [change.setting for change in outcome.changes] == ["product_key", "status"]


def test_license_info_tells_what_each_host_key_counts() -> None:
    windows = packs(KEY_2021)
    windows.find(HOST_2021).update(KeyManagementServiceCurrentCount=7, RequiredClientCount=5)
    windows.find(HOST_ID).update(KeyManagementServiceCurrentCount=50, RequiredClientCount=25)
    found = read_license_info(windows, Scope("all"))
    counts = {item["application"]: (item["current_count"], item["required_count"]) for item in found["kms_hosts"]}
    assert counts == {"windows": (50, 25), "office": (7, 5)}
    assert found["kms_host"]["current_count"] == 50
    assert [item["name"] for item in read_license_info(windows, Scope("office"))["kms_hosts"]] == [
        f"Office 21, {HOST_2021} edition"
    ]
