# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Office beside Windows: licences, keys, KMS hosts that count per product, settings on three levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from labsupport.desk import Desk, client, estate_data, host, srv

from kmslab.cim import Instance, WmiError
from kmslab.model import Estate
from kmslab.model.spec import EstateError

OFFICE = "0ff1ce15-a989-479d-af46-f275c6370663"
KEY_2021 = "N2222-22222-22222-22222-HF922"
KEY_2024 = "N2222-22222-22222-22222-HF924"
OFFICE_MAK = "N3333-33333-33333-33333-MF922"
GVLK_STANDARD_2021 = "KDX7X-BNVR8-TXXGX-4Q7Y8-78VT3"
SPP = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform"
KEYS = [
    {"key": KEY_2021, "channel": "csvlk", "group": "office2021", "activations": 2},
    {"key": KEY_2024, "channel": "csvlk", "group": "office2024"},
    {"key": OFFICE_MAK, "channel": "mak", "editions": ["ProPlus2021"], "activations": 1},
]
OFFICE_HOST: dict[str, Any] = {
    "office_packs": [2021, 2024],
    "office_keys": [KEY_2021],
    "office_licensed": True,
}
Build = Any


@pytest.fixture
def build() -> Iterator[Build]:
    started: list[Estate] = []

    def make(*machines: dict[str, Any]) -> Desk:
        data = estate_data(*machines, zones=[{"name": "corp.example", "records": [srv()]}])
        data["keys"] = [*data["keys"], *KEYS]
        estate = Estate.from_data(data)
        estate.start()
        started.append(estate)
        return Desk(estate)

    yield make
    for estate in started:
        estate.stop()


def licences(desk: Desk, machine: str) -> dict[str, Instance]:
    """The Office licences with a key, by licence family."""
    rows = desk.rows(machine, "SoftwareLicensingProduct")
    return {
        str(row["LicenseFamily"]): row for row in rows if row["ApplicationID"] == OFFICE and row["PartialProductKey"]
    }


def call(desk: Desk, machine: str, family: str, method: str, **arguments: Any) -> str:
    """A method of one Office licence: 'ok' or the HRESULT."""
    keys = {"ID": licences(desk, machine)[family]["ID"]}
    try:
        desk.provider(machine, "SoftwareLicensingProduct").invoke(keys, method, arguments)
    except WmiError as error:
        return f"0x{error.hresult:08X}"
    return "ok"


def install(desk: Desk, machine: str, key: str) -> str:
    try:
        desk.set(machine, "InstallProductKey", ProductKey=key)
    except WmiError as error:
        return f"0x{error.hresult:08X}"
    return "ok"


PRO_PLUS, VISIO = "Office21ProPlus2021VL_KMS_Client_AE", "Office21VisioPro2021VL_KMS_Client_AE"


def test_a_licence_shows_itself_as_office_does(build: Build) -> None:
    desk = build(client(office=["ProPlus2021", "VisioPro2021"]))
    found = licences(desk, "pc")
    assert sorted(found) == [PRO_PLUS, VISIO]
    row = found[PRO_PLUS]
    assert row["Name"] == f"Office 21, {PRO_PLUS} edition"
    assert row["Description"] == "Office 21, VOLUME_KMSCLIENT channel"
    assert row["ID"] == "fbdb3e18-a8ef-4fb3-9183-dffd60bd0984"
    assert (row["PartialProductKey"], row["ProductKeyChannel"]) == ("6F7TH", "Volume:GVLK")
    assert row["LicenseStatus"] == 2


def test_a_medium_without_keys_leaves_licences_without_keys(build: Build) -> None:
    desk = build(client(office=["ProPlus2016"], office_media="none"))
    assert licences(desk, "pc") == {}
    families = {row["LicenseFamily"] for row in desk.rows("pc", "SoftwareLicensingProduct")}
    assert {"Office16ProPlusVL_KMS_Client", "Office16ProPlusVL_MAK"} <= families


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"office": ["ProPlus2031"]}, "no product ProPlus2031"),
        ({"build": 7601, "office": ["ProPlus2016"]}, "licensing service of its own"),
        ({"office_packs": [2031]}, "no version 2031"),
        ({"build": 19044, "edition": "EnterpriseS", "office_packs": [2021]}, "cannot be on Windows release"),
        ({"office": ["ProPlus2021"], "office_keys": [KEY_2021]}, "is for no Office product of the machine"),
        ({"office_keys": ["N2222-22222-22222-22222-HK222"]}, "is for no Office product of the machine"),
    ],
)
def test_an_estate_that_cannot_be_is_refused(build: Build, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(EstateError, match=said):
        build(client(**fields))


def test_a_key_goes_to_its_own_licence_and_leaves_windows_alone(build: Build) -> None:
    desk = build(client(office=["ProPlus2021", "Standard2021"], office_media="none"))
    before = desk.estate.describe("pc")
    assert install(desk, "pc", GVLK_STANDARD_2021) == "ok"
    assert list(licences(desk, "pc")) == ["Office21Standard2021VL_KMS_Client_AE"]
    assert install(desk, "pc", OFFICE_MAK) == "ok"
    assert sorted(licences(desk, "pc")) == ["Office21ProPlus2021VL_MAK_AE", "Office21Standard2021VL_KMS_Client_AE"]
    after = desk.estate.describe("pc")
    assert after["partial_product_key"] == before["partial_product_key"]
    assert after["counters"]["key_installs"] == 2


def test_a_key_for_a_product_that_is_not_there_is_refused(build: Build) -> None:
    desk = build(client(office=["ProPlus2021"]), host("kms1"))
    assert install(desk, "pc", GVLK_STANDARD_2021) == "0xC004F069"
    assert install(desk, "kms1", KEY_2021) == "0xC004F069", "there is no Volume License Pack"


def test_a_new_windows_key_leaves_the_keys_of_office(build: Build) -> None:
    desk = build(client(office=["ProPlus2021"], media="retail"))
    assert install(desk, "pc", "NPPR9-FWDCX-D2C8J-H872K-2YT43") == "ok"
    assert list(licences(desk, "pc")) == [PRO_PLUS]
    assert desk.estate.describe("pc")["partial_product_key"] == "2YT43"


def test_a_host_counts_office_by_itself_from_five_machines_up_to_ten(build: Build) -> None:
    machines = [client(f"pc{number:02}", office=["ProPlus2021"]) for number in range(1, 13)]
    desk = build(host(**OFFICE_HOST), *machines)
    answers = [call(desk, f"pc{number:02}", PRO_PLUS, "Activate") for number in range(1, 13)]
    assert answers == ["0xC004F038"] * 4 + ["ok"] * 8
    family = "Office21KMSHost2021VL_KMS_Host"
    row = licences(desk, "kms1")[family]
    assert (row["KeyManagementServiceCurrentCount"], row["RequiredClientCount"]) == (10, 5)
    assert row["KeyManagementServiceTotalRequests"] == 12
    assert desk.service("kms1")["KeyManagementServiceCurrentCount"] == 0xFFFFFFFF, "Windows has not been asked for"
    described = {row["family"]: row for row in desk.estate.describe("kms1")["products"]}
    assert described[family]["current_count"] == 10


def test_several_products_of_one_machine_are_one_client_each(build: Build) -> None:
    desk = build(host(**OFFICE_HOST, office_seed_cmids=5), client(office=["ProPlus2021", "VisioPro2021"]))
    assert call(desk, "pc", PRO_PLUS, "Activate") == "ok"
    assert [row["LicenseStatus"] for row in licences(desk, "pc").values()].count(1) == 1
    assert call(desk, "pc", VISIO, "Activate") == "ok"
    assert licences(desk, "kms1")["Office21KMSHost2021VL_KMS_Host"]["KeyManagementServiceCurrentCount"] == 6
    assert desk.estate.describe("pc")["status"] == "oob_grace", "Windows was not asked to activate"


def test_a_host_activates_the_versions_that_it_has_keys_for(build: Build) -> None:
    desk = build(host(**OFFICE_HOST, office_seed_cmids=5), client(office=["ProPlus2024"]), host("bare", key=None))
    assert call(desk, "pc", "Office24ProPlus2024VL_KMS_Client_AE", "Activate") == "0xC004F042"
    assert install(desk, "kms1", KEY_2024) == "ok"
    assert call(desk, "pc", "Office24ProPlus2024VL_KMS_Client_AE", "Activate") == "0xC004F074", "not activated yet"
    assert call(desk, "kms1", "Office24KMSHost2024VL_KMS_Host", "Activate") == "ok"
    assert call(desk, "pc", "Office24ProPlus2024VL_KMS_Client_AE", "Activate") == "ok"
    assert sorted(licences(desk, "kms1")) == ["Office21KMSHost2021VL_KMS_Host", "Office24KMSHost2024VL_KMS_Host"]


def test_a_host_for_office_alone_is_a_kms_host(build: Build) -> None:
    desk = build(host(key=None, licensed=False, office_seed_cmids=5, **OFFICE_HOST), client(office=["ProPlus2021"]))
    assert desk.service("kms1")["IsKeyManagementServiceMachine"] == 1
    assert call(desk, "pc", PRO_PLUS, "Activate") == "ok"
    (windows,) = [row for row in desk.rows("pc", "SoftwareLicensingProduct") if row["PartialProductKey"] == "2YT43"]
    with pytest.raises(WmiError) as refused:
        desk.provider("pc", "SoftwareLicensingProduct").invoke({"ID": windows["ID"]}, "Activate", {})
    assert refused.value.hresult == 0xC004F042
    desk.set("kms1", "SetVLActivationInterval", ActivationInterval=60)


def test_the_product_goes_before_the_application_and_that_before_the_machine(build: Build) -> None:
    hosts = [host(name, **OFFICE_HOST, office_seed_cmids=9) for name in ("kms1", "kms2", "kms3")]
    for one in hosts[1:]:
        one.update(key=None, licensed=False)
    desk = build(*hosts, client(office=["ProPlus2021", "VisioPro2021"]))
    pc = desk.estate.machines["pc"]

    def asked() -> object:
        assert call(desk, "pc", PRO_PLUS, "Activate") == "ok"
        rows = {row["family"]: row for row in desk.estate.describe("pc")["products"]}
        return rows[PRO_PLUS]["kms_host"]

    assert asked() == "kms1", "found in DNS"
    desk.set("pc", "SetKeyManagementServiceMachine", MachineName="kms2.corp.example")
    assert asked() == "kms2"
    pc.registry.set(rf"{SPP}\{OFFICE}", "KeyManagementServiceName", "kms3.corp.example")
    assert asked() == "kms3"
    assert call(desk, "pc", PRO_PLUS, "SetKeyManagementServiceMachine", MachineName="kms1.corp.example") == "ok"
    assert asked() == "kms1"
    assert licences(desk, "pc")[PRO_PLUS]["KeyManagementServiceMachine"] == "kms1.corp.example"
    assert licences(desk, "pc")[VISIO]["KeyManagementServiceMachine"] is None


def test_office_renews_and_runs_down_by_its_own_clock(build: Build) -> None:
    desk = build(host(**OFFICE_HOST, office_seed_cmids=9), client(office=["ProPlus2021"]))
    assert call(desk, "pc", PRO_PLUS, "Activate") == "ok"
    desk.estate.advance(7 * 1440)
    assert licences(desk, "pc")[PRO_PLUS]["GracePeriodRemaining"] == 180 * 1440, "renewed after seven days"
    desk.estate.patch("kms1", {"power": False})
    desk.estate.advance(181 * 1440)
    assert licences(desk, "pc")[PRO_PLUS]["LicenseStatus"] == 3
    desk.estate.advance(30 * 1440)
    assert licences(desk, "pc")[PRO_PLUS]["LicenseStatus"] == 5


def test_activations_of_office_keys_are_counted(build: Build) -> None:
    desk = build(host(**OFFICE_HOST), client(office=["ProPlus2021"], office_media="none", office_keys=[OFFICE_MAK]))
    assert call(desk, "pc", "Office21ProPlus2021VL_MAK_AE", "Activate") == "ok"
    assert call(desk, "pc", "Office21ProPlus2021VL_MAK_AE", "Activate") == "0xC004C020"
    assert call(desk, "kms1", "Office21KMSHost2021VL_KMS_Host", "Activate") == "ok"
    assert call(desk, "kms1", "Office21KMSHost2021VL_KMS_Host", "Activate") == "0xC004C008"
    spent = desk.estate.keys_spent()
    assert spent[OFFICE_MAK[-5:]] == {"pc": 1}
    assert spent[KEY_2021[-5:]] == {"kms1": 2}
