# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.client import ClientWish, configure_client
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import AmbiguousProduct, LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey, gvlk_table
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.office_family import edition_of
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.product import (
    ProductKeyWish,
    activate_product,
    configure_product_key,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import OFFICE_APPLICATION, Product

from .fake_windows import CLIENT_ID, FakeWindows, keyed_client, product, refused

PRO_PLUS, VISIO, PROJECT = "Office21ProPlus2021VL", "Office21VisioPro2021VL", "Office16ProjectProVL"
KEYS = {
    PRO_PLUS: "FXYTK-NJJ8C-GB6DW-3DYQT-6F7TH",
    VISIO: "KNH8D-FGHT4-T8RK3-CTDYJ-K2HT4",
    PROJECT: "YG9NW-3K39V-2T3HJ-93F3Q-G83KT",
}
OFFICE_MAK = "BBBBB-BBBBB-BBBBB-BBBBB-PPPPP"  # invented
NOT_ENOUGH = 0xC004F038
SEVEN = "6.1.7601.23403"


def licence(stem: str, key: str | None = None, *, channel: str = "gvlk", **more: Any) -> dict[str, Any]:
    """A licence of Office; its activation ID is its family."""
    family = stem + {"gvlk": "_KMS_Client_AE", "mak": "_MAK_AE", "csvlk": "_KMS_Host", "retail": "R_Retail"}[channel]
    token = {"gvlk": "VOLUME_KMSCLIENT", "mak": "RETAIL(MAK)", "csvlk": "VOLUME_KMS", "retail": "RETAIL"}[channel]
    named = {"gvlk": "Volume:GVLK", "mak": "Volume:MAK", "csvlk": "Volume:CSVLK", "retail": "Retail"}
    return product(
        family,
        **{
            "ApplicationID": OFFICE_APPLICATION,
            "Name": f"Office {stem[6:8]}, {family} edition",
            "Description": f"Office {stem[6:8]}, {token} channel",
            "LicenseFamily": family,
            "PartialProductKey": key[-5:] if key else None,
            "ProductKeyChannel": named[channel] if key else None,
            "LicenseStatus": 2 if key else 0,
            **more,
        },
    )


def machine(*licences: dict[str, Any], **more: Any) -> FakeWindows:
    windows = FakeWindows(keyed_client(), *licences, **more)
    windows.known_keys.update({key: (f"{stem}_KMS_Client_AE", "Volume:GVLK") for stem, key in KEYS.items()})
    windows.known_keys[OFFICE_MAK] = (f"{PRO_PLUS}_MAK_AE", "Volume:MAK")
    return windows


def three(**more: Any) -> FakeWindows:
    return machine(*(licence(stem, key, **more) for stem, key in KEYS.items()))


def client(windows: FakeWindows, *, check: bool = False, **wish: Any) -> Outcome:
    if isinstance(wish.get("key"), str):
        wish["key"] = ProductKey.parse(wish["key"])
    return configure_client(windows.applier("office"), ClientWish(**wish), check=check)


def sent(windows: FakeWindows) -> list[tuple[str, str]]:
    """(target, method), and the state of Windows has not been touched."""
    assert windows.find(CLIENT_ID) == keyed_client()
    found = [(call.target, call.method) for call in windows.calls if call.method != "RefreshLicenseStatus"]
    assert all(target != "service" or method == "InstallProductKey" for target, method in found)
    windows.calls.clear()
    return found


def client_of(stem: str) -> str:
    return f"{stem}_KMS_Client_AE"


# --- families -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "name", "edition"),
    [
        ("Office16ProPlusVL_KMS_Client", "Office 16, Office16ProPlusVL_KMS_Client edition", "Office16ProPlusVL"),
        ("Office24Standard2024VL_MAK_AE1", None, "Office24Standard2024VL"),
        (None, "Office 19, Office19ProPlus2019VL_KMS_Client_AE edition", "Office19ProPlus2019VL"),
        ("Office16VisioProXC2RVL_KMS_ClientC2R", None, "Office16VisioProXC2RVL"),
        ("Office21ProPlus2021R_Grace", "Office 21, Office21ProPlus2021R_Grace edition", None),
        ("Office16O365ProPlusR_Subscription1", None, None),
        ("Office16ProPlusVL_KMS_Client", "Office 16, Office16VisioProVL_KMS_Client edition", None),
        ("OfficeKMSHostVL_KMS_Host", "Office 16, OfficeKMSHostVL_KMS_Host edition", None),
        (None, None, None),
    ],
)
def test_the_licence_family_tells_the_product_or_nothing(
    family: str | None, name: str | None, edition: str | None
) -> None:
    assert edition_of(Product(license_family=family, name=name)) == edition


def test_every_office_row_of_the_table_is_found_by_the_licence_family() -> None:
    rows = [row for row in gvlk_table() if row.product.startswith("Office")]
    assert len(rows) == len({row.edition_id for row in rows}) == 52
    for row in rows:
        assert edition_of(Product(license_family=f"{row.edition_id}_KMS_Client_AE")) == row.edition_id


# --- several products -----------------------------------------------------------------------------------------------


def test_settings_go_onto_each_product_and_never_onto_the_machine() -> None:
    windows = three()
    windows.find(client_of(VISIO))["KeyManagementServiceMachine"] = "kms1.corp.example"
    outcome = client(windows, server="kms1.corp.example", lookup_domain="")
    assert sent(windows) == [
        (client_of(PRO_PLUS), "SetKeyManagementServiceMachine"),
        (client_of(PROJECT), "SetKeyManagementServiceMachine"),
    ]
    assert [(change.product, change.setting) for change in outcome.changes] == [
        (PRO_PLUS, "server"),
        (PROJECT, "server"),
    ]
    assert outcome.changes[0].as_result() == {
        "setting": "server",
        "before": None,
        "after": "kms1.corp.example",
        "product": PRO_PLUS,
    }
    assert not client(windows, server="kms1.corp.example").changed
    assert sent(windows) == []


def test_each_product_is_activated_by_its_own_id_and_once() -> None:
    windows = three()
    windows.find(client_of(VISIO)).update(LicenseStatus=1, GracePeriodRemaining=259200)
    outcome = client(windows, gvlk=True, activate=True)
    assert outcome.error is None
    assert sent(windows) == [(client_of(PRO_PLUS), "Activate"), (client_of(PROJECT), "Activate")]
    windows.queries.clear()
    assert not client(windows, gvlk=True, activate=True).changed
    assert sent(windows) == []
    assert len(windows.queries) == 2


def test_check_mode_tells_and_sends_nothing() -> None:
    windows = three()
    outcome = client(windows, check=True, server="kms1", activate=True)
    assert len(outcome.changes) == 6
    assert sent(windows) == []


def test_one_that_fails_does_not_stop_the_others_and_goes_before_one_that_waits() -> None:
    windows = three()
    windows.fail("Activate", refused(NOT_ENOUGH))
    windows.fail("Activate", refused(0xC004F074))
    outcome = client(windows, activate=True)
    assert [target for target, _method in sent(windows)] == [client_of(stem) for stem in KEYS]
    assert outcome.error is not None and outcome.error.info.code == "0xC004F074"
    assert [change.product for change in outcome.changes] == [PROJECT]
    assert any(PRO_PLUS in text and "0xC004F038" in text for text in outcome.warnings)


def test_waiting_alone_is_told_as_waiting() -> None:
    windows = three()
    windows.fail("Activate", refused(NOT_ENOUGH), times=3)
    outcome = activate_product(windows.applier("office"), check=False)
    assert outcome.error is not None and outcome.error.info.code == "0xC004F038"
    assert not outcome.changed


def test_an_activation_that_changes_nothing_is_told_with_its_product() -> None:
    windows = three()
    windows.ignored.add("Activate")
    outcome = client(windows, activate=True)
    assert outcome.error is not None and "oob_grace" in str(outcome.error)
    assert len(outcome.warnings) == 2


def test_host_keys_and_office_from_a_shop_are_left_alone() -> None:
    windows = machine(
        licence(PRO_PLUS, KEYS[PRO_PLUS]),
        licence("OfficeKMSHostVL", "BBBBB-BBBBB-BBBBB-BBBBB-HHHHH", channel="csvlk"),
        licence("Office19HomeBusiness2019", "BBBBB-BBBBB-BBBBB-BBBBB-RRRRR", channel="retail"),
    )
    assert client(windows, gvlk=True, server="kms1", activate=True).error is None
    assert {target for target, _method in sent(windows)} == {client_of(PRO_PLUS)}
    assert activate_product(windows.applier("office"), check=False).error is None
    assert sent(windows) == []


def test_a_host_for_office_alone_has_no_client_product() -> None:
    windows = machine(licence("OfficeKMSHostVL", "BBBBB-BBBBB-BBBBB-BBBBB-HHHHH", channel="csvlk"))
    for wish in ({"gvlk": True}, {"activate": True}, {"server": "kms1"}):
        with pytest.raises(LicensingError, match="no volume edition of Office"):
            client(windows, **wish)
    assert sent(windows) == []


# --- keys -----------------------------------------------------------------------------------------------------------


def test_each_product_gets_the_client_setup_key_of_its_family() -> None:
    old = "BBBBB-BBBBB-BBBBB-BBBBB-MMMMM"
    windows = machine(
        licence(PRO_PLUS, old, channel="mak"),
        licence(PRO_PLUS),
        licence(VISIO, KEYS[VISIO]),
        licence(PROJECT, old, channel="mak"),
        licence(PROJECT),
    )
    outcome = client(windows, gvlk=True, server="kms1")
    assert outcome.error is None
    assert [(change.product, change.after) for change in outcome.changes if change.setting == "product_key"] == [
        (PRO_PLUS, "*****-6F7TH"),
        (PROJECT, "*****-G83KT"),
    ]
    settings = {target for target, method in sent(windows) if method == "SetKeyManagementServiceMachine"}
    assert settings == {client_of(stem) for stem in KEYS}
    assert not client(windows, gvlk=True, server="kms1").changed


def test_a_licence_for_good_is_not_given_up_unless_asked() -> None:
    windows = machine(licence(PRO_PLUS, OFFICE_MAK, channel="mak", LicenseStatus=1), licence(PRO_PLUS))
    with pytest.raises(LicensingError) as caught:
        client(windows, gvlk=True, activate=True)
    assert "allow_downgrade" in caught.value.info.remedy
    assert sent(windows) == []
    assert client(windows, gvlk=True, leave_alone=("mak",)).left_alone
    assert client(windows, gvlk=True, activate=True, allow_downgrade=True).changed
    sent(windows)
    assert not client(windows, gvlk=True, activate=True).changed
    assert sent(windows) == []


def test_no_key_is_guessed_for_a_product_that_is_not_known() -> None:
    unknown = licence("Office15ProPlusVL", OFFICE_MAK, channel="mak")
    windows = machine(licence(VISIO, KEYS[VISIO]), unknown)
    with pytest.raises(LicensingError, match="Office15ProPlusVL_MAK_AE"):
        client(windows, gvlk=True, server="kms1")
    assert sent(windows) == []


def test_a_client_setup_key_that_the_table_does_not_know_is_kept() -> None:
    windows = machine(licence("Office16VisioProXC2RVL", "BBBBB-BBBBB-BBBBB-BBBBB-CCCCC"))
    assert client(windows, gvlk=True, activate=True).error is None
    assert sent(windows) == [(client_of("Office16VisioProXC2RVL"), "Activate")]


def test_without_any_key_the_one_product_that_is_there_gets_its_own() -> None:
    windows = machine(licence(VISIO), licence(VISIO, channel="mak"))
    with pytest.raises(LicensingError, match="has no product key"):
        client(windows, activate=True)
    assert client(windows, gvlk=True, activate=True).error is None
    assert sent(windows) == [("service", "InstallProductKey"), (client_of(VISIO), "Activate")]


def test_without_any_key_one_of_several_products_has_to_be_named() -> None:
    windows = machine(licence(VISIO), licence(PRO_PLUS))
    with pytest.raises(AmbiguousProduct) as caught:
        client(windows, gvlk=True)
    assert set(caught.value.candidates) == {client_of(VISIO), client_of(PRO_PLUS)}
    outcome = configure_client(windows.applier("office", client_of(VISIO)), ClientWish(gvlk=True), check=False)
    assert outcome.error is None
    assert windows.find(client_of(VISIO))["PartialProductKey"] == "K2HT4"
    assert windows.find(client_of(PRO_PLUS))["PartialProductKey"] is None


def test_a_key_that_is_given_goes_to_its_own_product_and_the_others_stay() -> None:
    windows = machine(licence(PRO_PLUS, KEYS[PRO_PLUS], LicenseStatus=1, GracePeriodRemaining=259200), licence(VISIO))
    outcome = client(windows, key=KEYS[VISIO], server="kms1", activate=True)
    assert outcome.error is None
    assert ("service", "InstallProductKey") in sent(windows)
    assert windows.find(client_of(VISIO))["KeyManagementServiceMachine"] == "kms1"
    assert windows.find(client_of(VISIO))["LicenseStatus"] == 1
    assert not client(windows, key=KEYS[VISIO], server="kms1", activate=True).changed
    assert sent(windows) == []


def test_a_mak_is_installed_and_activated_once() -> None:
    windows = machine(licence(PRO_PLUS, channel="mak"), licence(VISIO, KEYS[VISIO]))
    wish: dict[str, Any] = {"key": OFFICE_MAK, "key_channel": "mak", "server": "kms1", "activate": True}
    assert client(windows, **wish).error is None
    mak = f"{PRO_PLUS}_MAK_AE"
    done = sent(windows)
    assert done.count((mak, "Activate")) == done.count((client_of(VISIO), "Activate")) == 1
    assert (mak, "SetKeyManagementServiceMachine") not in done, "a MAK needs no KMS server"
    assert not client(windows, **wish).changed
    assert sent(windows) == []


def test_product_key_installs_the_key_of_each_product_and_nothing_else() -> None:
    windows = machine(licence(PRO_PLUS, OFFICE_MAK, channel="mak"), licence(PRO_PLUS), licence(VISIO, KEYS[VISIO]))
    wish = ProductKeyWish(gvlk=True)
    assert configure_product_key(windows.applier("office"), wish, check=False).changed
    assert sent(windows) == [("service", "InstallProductKey")]
    assert not configure_product_key(windows.applier("office"), wish, check=False).changed


# --- where Office is not ---------------------------------------------------------------------------------------------


def test_windows_7_is_told_apart_from_a_machine_without_office() -> None:
    for version, said in ((SEVEN, "ospp.vbs"), ("10.0.20348.2227", "license_info")):
        windows = FakeWindows(keyed_client(), version=version)
        with pytest.raises(LicensingError, match="no volume edition of Office") as caught:
            client(windows, gvlk=True)
        assert said in caught.value.info.remedy
        assert windows.calls == []
