# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules return about licences."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import Instance
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.info import read_license_info
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import Scope
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.report import (
    kms_host_result,
    license_result,
    threshold_result,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import Product, Service, from_instance
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    ESU_ID,
    OFFICE_ID,
    VISIO_ID,
    FakeWindows,
    keyed_client,
    keyed_host,
    keyed_mak,
    office,
    product,
)


def shown(service: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    return license_result(
        from_instance(Product, Instance(keyed_client(**properties))),
        from_instance(Service, Instance({"Version": "10.0.20348.2227", **(service or {})})),
    )


def test_a_licence_as_it_is_returned() -> None:
    result = shown()
    expected = {
        "name": "Windows(R), ServerStandard edition",
        "edition": "ServerStandard",
        "application": "windows",
        "activation_id": CLIENT_ID,
        "channel": "Volume:GVLK",
        "partial_product_key": "VMK7H",
        "status": "licensed",
        "status_code": 1,
        "status_reason": "0x4004F040",
        "grace_minutes_remaining": 259200,
        "days_remaining": 180,
        "kms_server": None,
        "kms_port": None,
        "kms_server_source": None,
        "activation_type": "any",
        "last_activation_type": None,
    }
    assert {name: result[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("product_state", "service_state", "expected"),
    [
        ({}, {"KeyManagementServiceMachine": "a", "KeyManagementServicePort": 1789}, ("a", 1789, "fixed")),
        ({}, {"KeyManagementServiceMachine": "a", "KeyManagementServicePort": 0}, ("a", 1688, "fixed")),
        (
            {"KeyManagementServiceMachine": "b"},
            {"KeyManagementServiceMachine": "a", "KeyManagementServicePort": 1789},
            ("b", 1688, "fixed"),
        ),
        (
            {"KeyManagementServiceMachine": "b", "KeyManagementServicePort": 1790},
            {"KeyManagementServiceMachine": "a", "KeyManagementServicePort": 1789},
            ("b", 1790, "fixed"),
        ),
        (
            {"DiscoveredKeyManagementServiceMachineName": "d", "DiscoveredKeyManagementServiceMachinePort": 1791},
            {},
            ("d", 1791, "discovered"),
        ),
        ({}, {"DiscoveredKeyManagementServiceMachineName": "e"}, ("e", 1688, "discovered")),
        (
            {"DiscoveredKeyManagementServiceMachineName": "d"},
            {"KeyManagementServiceMachine": "a"},
            ("a", 1688, "fixed"),
        ),
        ({}, {"KeyManagementServicePort": 1789}, (None, None, None)),
    ],
)
def test_which_kms_host_is_used(
    product_state: dict[str, Any], service_state: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    result = shown(service_state, **product_state)
    assert (result["kms_server"], result["kms_port"], result["kms_server_source"]) == expected


@pytest.mark.parametrize(("code", "word"), [(0, None), (1, "ad"), (2, "kms"), (3, "token"), (9, None), (None, None)])
def test_the_way_that_succeeded_last(code: int | None, word: str | None) -> None:
    assert shown(VLActivationType=code)["last_activation_type"] == word


def test_an_application_that_is_neither_is_told_by_its_id() -> None:
    assert shown(ApplicationID="59A52881-a989-479d-af46-f275c6370663")["application"].startswith("59A52881")
    assert shown(ApplicationID="55C92734-D682-4D71-983E-D6EC3F16059F")["application"] == "windows"


@pytest.mark.parametrize(
    ("required", "key", "expected"), [(25, "VMK7H", 25), (None, "VMK7H", 5), (None, "T83GX", 25), (None, "MMMMM", None)]
)
def test_the_threshold_is_what_windows_says_or_what_the_key_needs(
    required: int | None, key: str, expected: int | None
) -> None:
    product_state: dict[str, Any] = {"PartialProductKey": key, "RequiredClientCount": required}
    assert threshold_result(from_instance(Product, Instance(keyed_client(**product_state)))) == expected
    assert threshold_result(None) is None


def test_counts_are_those_of_the_product_that_is_the_host() -> None:
    service = from_instance(
        Service,
        Instance({"Version": "10.0", "KeyManagementServiceCurrentCount": 50, "IsKeyManagementServiceMachine": 1}),
    )
    host = from_instance(Product, Instance(keyed_host(KeyManagementServiceCurrentCount=12)))
    client = from_instance(Product, Instance(keyed_client(KeyManagementServiceCurrentCount=3)))
    assert kms_host_result(service, host)["current_count"] == 12
    assert kms_host_result(service, client)["current_count"] == 50
    assert kms_host_result(service, None)["is_kms_host"] is True
    assert kms_host_result(service, None)["port"] == 1688


# --- license_info ---------------------------------------------------------------------------------------------------


def test_everything_costs_two_queries_and_is_json() -> None:
    windows = FakeWindows(keyed_host(KeyManagementServiceCurrentCount=7, RequiredClientCount=5))
    windows.service["IsKeyManagementServiceMachine"] = 1
    windows.find(windows.products[0]["ID"])["TrustedTime"] = datetime(2026, 3, 4, 5, 6, tzinfo=timezone.utc)
    result = read_license_info(windows, Scope())
    assert len(windows.queries) == 2
    assert windows.calls == []
    json.dumps(result)
    assert result["kms_host"]["is_kms_host"] is True
    assert result["kms_host"]["current_count"] == 7
    assert result["license"]["trusted_time"] == "2026-03-04T05:06:00+00:00"
    assert result["licenses"] == [result["license"]]


def test_several_products_are_a_list_and_a_warning() -> None:
    windows = FakeWindows(office(OFFICE_ID, "GCVGB", "Office"), office(VISIO_ID, "YY89G", "Visio"))
    result = read_license_info(windows, Scope("office"))
    assert result["license"] is None
    assert [entry["activation_id"] for entry in result["licenses"]] == [OFFICE_ID, VISIO_ID]
    assert VISIO_ID in result["warnings"][0]


def test_over_all_applications_no_single_licence_is_meant() -> None:
    windows = FakeWindows(keyed_client(), office(OFFICE_ID, "GCVGB", "Office"))
    result = read_license_info(windows, Scope("all"))
    assert result["license"] is None
    assert len(result["licenses"]) == 2
    assert "warnings" not in result


def test_an_addon_is_listed_beside_the_licence() -> None:
    addon = product(ESU_ID, LicenseIsAddon=True, PartialProductKey="KKKKK")
    result = read_license_info(FakeWindows(addon, keyed_client()), Scope())
    assert result["license"]["activation_id"] == CLIENT_ID
    assert [entry["is_addon"] for entry in result["licenses"]] == [True, False]


def test_a_host_without_any_key() -> None:
    result = read_license_info(FakeWindows(), Scope())
    assert result["license"] is None
    assert result["licenses"] == []
    assert result["kms_host"]["is_kms_host"] is False
    assert result["kms_host"]["current_count"] is None
    assert result["msg"] == "no product key installed"


@pytest.mark.parametrize(
    ("machine", "sentence"),
    [
        (keyed_client(), "Windows(R), ServerStandard edition: licensed, 180 days remaining"),
        (keyed_mak(), "Windows(R), ServerStandard edition: permanently licensed"),
        (keyed_client(licensed=False), "Windows(R), ServerStandard edition: notification, 0 days remaining"),
    ],
)
def test_the_sentence_says_how_long(machine: dict[str, Any], sentence: str) -> None:
    assert read_license_info(FakeWindows(machine), Scope())["msg"] == sentence
