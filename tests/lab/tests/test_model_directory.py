# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Active Directory-based activation, with the forest's objects in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from labsupport.desk import (
    BLOCKED_HOST_KEY,
    HOST_KEY,
    MAK,
    OLD_HOST_KEY,
    USED_UP_HOST_KEY,
    Desk,
    client,
    estate_data,
)

from kmslab.cim import WmiError, on_behalf_of
from kmslab.model import Estate
from kmslab.model.spec import EstateError

SERVER = {"name": "dc1", "edition": "ServerStandard", "build": 20348, "domain_controller": True}
CONFIRMATION = "123456-" * 7 + "123456"
OTHERS_KEY = "N2222-22222-22222-22222-HK000"


def desk_of(*machines: Mapping[str, Any], directory: Mapping[str, Any] | None = None, **more: Any) -> Desk:
    data = estate_data(SERVER, *machines, directory={} if directory is None else directory, **more)
    return Desk(Estate.from_data(data))


def online(desk: Desk, key: str = HOST_KEY, name: str = "", machine: str = "dc1") -> str:
    """Activate the forest: 'ok' or the HRESULT."""
    try:
        desk.set(machine, "DoActiveDirectoryOnlineActivation", ProductKey=key, ActivationObjectName=name)
    except WmiError as error:
        return f"0x{error.hresult:08X}"
    return "ok"


def objects(desk: Desk) -> list[tuple[str, str]]:
    """Name and key of each object."""
    assert desk.estate.forest is not None
    return [(item.name, item.partial) for item in desk.estate.forest.objects()]


def test_online_activation_makes_an_object_and_is_counted_each_time() -> None:
    desk = desk_of()
    assert online(desk, name="Contoso") == "ok"
    assert objects(desk) == [("Contoso", "HK222")]
    assert desk.estate.keys_spent()["HK222"] == {"forest DC=corp,DC=example": 1}
    assert online(desk, name="Again") == "ok"
    assert objects(desk) == [("Again", "HK222")], "it is the object of the key"
    assert desk.estate.keys_spent()["HK222"] == {"forest DC=corp,DC=example": 2}
    assert desk.estate.describe("dc1")["counters"]["activations_spent"] == 2


def test_two_keys_are_two_objects() -> None:
    desk = desk_of()
    assert online(desk, HOST_KEY, "New") == online(desk, OLD_HOST_KEY, "Old") == "ok"
    assert objects(desk) == [("New", "HK222"), ("Old", "HK239")]


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        (OTHERS_KEY, "", "0xC004F050"),
        (MAK, "", "0xC004F07D"),
        ("NPPR9-FWDCX-D2C8J-H872K-2YT43", "", "0xC004F07D"),
        (HOST_KEY, "n" * 41, "0xC004F082"),
        (BLOCKED_HOST_KEY, "", "0xC004C003"),
        (USED_UP_HOST_KEY, "", "0xC004C008"),
    ],
)
def test_what_cannot_activate_a_forest(key: str, name: str, expected: str) -> None:
    desk = desk_of()
    assert online(desk, key, name) == expected
    assert objects(desk) == []


def test_a_name_of_forty_characters_and_none_at_all() -> None:
    desk = desk_of()
    assert online(desk, name="n" * 40) == "ok"
    assert online(desk, OLD_HOST_KEY) == "ok"
    assert [name for name, _key in objects(desk)] == ["n" * 40, "Windows Server 2022"]


def test_without_the_internet_nothing_is_counted() -> None:
    desk = desk_of()
    desk.estate.patch("dc1", {"internet": False})
    assert online(desk) == "0x80072EE2"
    assert (objects(desk), desk.estate.keys_spent()["HK222"]) == ([], {})


def test_a_workgroup_machine_and_a_forest_without_the_schema() -> None:
    desk = desk_of({**SERVER, "name": "alone", "domain": None})
    assert online(desk, machine="alone") == "0x8007054B"
    data = estate_data(SERVER)
    assert online(Desk(Estate.from_data(data))) == "0x80072030"


def test_only_listed_accounts_may_write() -> None:
    desk = desk_of(directory={"writers": ["Licensing"]})
    service = desk.provider("dc1", "SoftwareLicensingService")
    keys = {"Version": desk.service("dc1")["Version"]}
    arguments = {"ProductKey": HOST_KEY, "ActivationObjectName": ""}

    def activate_as(account: str) -> None:
        on_behalf_of(account, lambda: service.invoke(keys, "DoActiveDirectoryOnlineActivation", arguments))

    with pytest.raises(WmiError) as caught:
        activate_as("Administrator")
    assert caught.value.hresult == 0x80070005
    assert (objects(desk), desk.estate.keys_spent()["HK222"]) == ([], {})
    activate_as("licensing")
    assert len(objects(desk)) == 1


def test_by_confirmation_id() -> None:
    desk = desk_of()
    answer = desk.set("dc1", "GenerateActiveDirectoryOfflineActivationId", ProductKey=HOST_KEY)
    text = str(answer["InstallationID"])
    assert text.isdigit() and len(text) == 63
    again = desk.set("dc1", "GenerateActiveDirectoryOfflineActivationId", ProductKey=HOST_KEY)
    assert again["InstallationID"] == text and objects(desk) == []
    method = "DepositActiveDirectoryOfflineActivationConfirmation"
    with pytest.raises(WmiError) as caught:
        desk.set("dc1", method, ProductKey=HOST_KEY, ConfirmationID="123", ActivationObjectName="")
    assert caught.value.hresult == 0xC004F02C
    desk.set("dc1", method, ProductKey=HOST_KEY, ConfirmationID=CONFIRMATION, ActivationObjectName="By phone")
    assert objects(desk) == [("By phone", "HK222")]


def test_clients_go_by_the_directory_for_180_days_and_renew() -> None:
    desk = desk_of(client())
    assert online(desk, name="Contoso") == "ok"
    assert desk.activate("pc") == "ok"
    row = desk.keyed("pc")
    assert (row["LicenseStatus"], row["VLActivationType"], row["GracePeriodRemaining"]) == (1, 1, 180 * 1440)
    assert row["ADActivationObjectName"] == "Contoso"
    assert str(row["ADActivationObjectDN"]).endswith(
        ",CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=corp,DC=example"
    )
    assert row["ADActivationCsvlkPid"] and row["ADActivationCsvlkSkuId"]
    desk.estate.advance(8 * 1440)
    left = desk.keyed("pc")["GracePeriodRemaining"]
    assert isinstance(left, int) and left > 178 * 1440, "it renews every seven days"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "ok"),
        ({"domain": None, "dns_suffix": "corp.example"}, "0x8007232A"),
        ({"build": 7601}, "0x8007232A"),
    ],
)
def test_who_can_go_by_the_directory(more: dict[str, Any], expected: str) -> None:
    desk = desk_of(client(**more))
    assert online(desk) == "ok"
    assert desk.activate("pc") == expected


def test_an_object_of_an_older_key_does_not_cover_a_newer_windows() -> None:
    desk = desk_of({"name": "new", "edition": "ServerStandard", "build": 26100})
    assert online(desk, OLD_HOST_KEY) == "ok"
    assert desk.activate("new") == "0x8007232A", "it goes on to KMS, for which no DNS server runs here"
    assert online(desk, HOST_KEY) == "ok"
    assert desk.activate("new") == "ok"


def test_activation_type() -> None:
    desk = desk_of(client())
    desk.set("pc", "SetVLActivationTypeEnabled", ActivationType=1)
    assert desk.activate("pc") == "0xC004F081"
    assert online(desk) == "ok"
    desk.set("pc", "SetVLActivationTypeEnabled", ActivationType=2)
    assert desk.activate("pc") == "0x8007232A", "KMS only"
    desk.set("pc", "SetVLActivationTypeEnabled", ActivationType=1)
    assert desk.activate("pc") == "ok"


def test_a_removed_key_takes_the_activation_with_it() -> None:
    desk = desk_of(client())
    assert online(desk) == desk.activate("pc") == "ok"
    product = desk.keyed("pc")["ID"]
    desk.set_product("pc", "UninstallProductKey")
    (row,) = [row for row in desk.rows("pc", "SoftwareLicensingProduct") if row["ID"] == product]
    assert (row["ADActivationObjectName"], row["ADActivationObjectDN"], row["VLActivationType"]) == (None, None, None)


def test_a_wrong_field_is_named() -> None:
    with pytest.raises(EstateError, match="directory: unknown field servers"):
        Estate.from_data(estate_data(SERVER, directory={"servers": "x"}))


def test_a_directory_server_that_is_not_there() -> None:
    desk = desk_of(client(), directory={"url": "ldaps://127.0.0.1:9", "bind_dn": "x", "password": "y"})
    assert online(desk) == "0x8007203A"
    assert desk.activate("pc") == "0x8007232A", "clients go on to KMS"
